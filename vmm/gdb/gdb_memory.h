/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's memory as one of its vCPUs has it: through its stage 1 tables, or as it is if its
 * MMU is off. A debugger may read and write whatever is mapped, EL0's and read-only pages
 * included. It reaches RAM, and ROMs for reading: an access to a device would have side effects.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/vcpu.h"
#include "vmm/util/types.h"
#include "vmm/vm/ram.h"

struct gdb_memory {
    struct guest_ram ram;
    const struct guest_roms *roms; /* or NULL */
    unsigned pa_bits;              /* as for struct walk_regs */
};

/*
 * Where the RAM at `address` is in this process, or NULL: there is none. `page`: whose tables;
 * NULL: the address is an IPA. In: *size bytes are wanted; out: how many are there in one piece,
 * at least 1. *where: their IPA.
 */
uint8_t *gdb_memory_at(const struct gdb_memory *memory, const struct rv_vcpu_page *page,
                       uint64_t address, size_t *size, ipa_t *where);

/* The same, to read: also in a ROM. */
const uint8_t *gdb_memory_look(const struct gdb_memory *memory, const struct rv_vcpu_page *page,
                               uint64_t address, size_t *size);
