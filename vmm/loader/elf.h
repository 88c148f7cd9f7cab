/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF executables for AArch64 (System V ABI, and Arm's AAELF64): bare-metal programs, firmware. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/loader/input.h"
#include "vmm/loader/kernel_internal.h"
#include "vmm/vm/ram.h"

/* ELF64, little-endian, for AArch64. Says nothing about the rest. */
bool elf_match(const uint8_t *data, size_t size);

/*
 * Puts each PT_LOAD segment at its physical address and zeroes what the file
 * does not give. Nothing is written unless all segments can be. 0; -EBADMSG:
 * corrupt or truncated; -ENOTSUP: not an executable for a bare machine;
 * -ENOSPC: a segment is not in RAM.
 */
int elf_load(const struct input *input, const uint8_t *data, size_t size,
             const struct guest_ram *ram, struct kernel *kernel);
