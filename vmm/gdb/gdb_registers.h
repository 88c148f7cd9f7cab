/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's registers as GDB sees them, and the target description that tells it of them (GDB
 * manual, appendix G). They are in the page of a vCPU that is live nowhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/vcpu.h"

/* X0 to X30, SP, PC and CPSR come first: they are what the packets `g` and `G` carry. */
#define GDB_REGISTERS_CORE 34u
#define GDB_REGISTER_PC    32u

#define GDB_REGISTER_SIZE_MAX RV_SVE_VL_MAX
#define GDB_REGISTERS_BLOCKS  12u

struct gdb_registers {
    struct gdb_registers_block { /* registers of one kind, in GDB's numbering one after the other */
        unsigned kind;
        unsigned count;
    } blocks[GDB_REGISTERS_BLOCKS];
    unsigned nr_blocks;
    unsigned count;
    unsigned vl;       /* bytes of a Z register; 0: there is no SVE */
    char *description; /* XML */
    size_t description_size;
};

/* `vl`: the longest SVE vector in bytes, as in the vCPU page, or 0. 0 or -ENOMEM. */
int gdb_registers_init(struct gdb_registers *registers, unsigned vl, bool pauth);
void gdb_registers_free(struct gdb_registers *registers);

/* Bytes of register `number`; 0: there is none of this number. */
size_t gdb_register_size(const struct gdb_registers *registers, unsigned number);

/* Its value, least significant byte first. The register exists. */
void gdb_register_read(const struct gdb_registers *registers, const struct rv_vcpu_page *page,
                       unsigned number, uint8_t *value);

/*
 * 0; -EROFS: it cannot be changed; -EINVAL: PSTATE would be of a mode that the guest cannot be
 * in (the stub refuses such a page, and with it the VM).
 */
int gdb_register_write(const struct gdb_registers *registers, struct rv_vcpu_page *page,
                       unsigned number, const uint8_t *value);
