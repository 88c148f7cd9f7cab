/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The board's virtio-mmio transports: those without a device, and the memory in which a guest reads
 * the registers of all of them without an exit.
 */
#pragma once

#include <stdint.h>

#include "vmm/util/types.h"

struct vm;

/*
 * Memory for the registers of the transport at `base`: its index, as in vm_rom.h, and its bytes. 0;
 * -ENOSPC: none is left, or it is not one of the board's.
 */
int vm_transport_memory(struct vm *vm, ipa_t base, unsigned *index, uint8_t **memory);

/* Answers for those without a device. After the devices were made. 0 or -errno after a message. */
int vm_transports_add_empty(struct vm *vm);
