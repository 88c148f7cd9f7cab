/* SPDX-License-Identifier: BSD-2-Clause */
/* The arm64 boot image (Linux Documentation/arm64/booting.rst, "Call the kernel image"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/loader/input.h"
#include "vmm/loader/kernel_internal.h"
#include "vmm/vm/ram.h"

/* Has the header's magic. Says nothing about the rest. */
bool image_match(const uint8_t *data, size_t size);

/*
 * Puts an Image at the lowest place in RAM that its header allows. `input` is
 * for messages. 0; -ENOTSUP: big-endian; -EBADMSG: corrupt or truncated;
 * -ENOSPC: not enough RAM.
 */
int image_load(const struct input *input, const uint8_t *data, size_t size,
               const struct guest_ram *ram, struct kernel *kernel);
