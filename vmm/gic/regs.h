/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Register tables: which registers a frame has, their access sizes, and what they
 * do. A register that no table names does not exist.
 *
 * CONSTRAINED UNPREDICTABLE and reserved accesses (IHI 0069, 12.1): all are
 * RAZ/WI and are noted in GICD_STATUSR or GICR_STATUSR; an access of a size that
 * the register does not permit counts as one to a reserved location.
 * Internal to vmm/gic.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/gic/vgic.h"

/* `sizes` of struct reg: a sum of access sizes in bytes. */
#define REGS_32    4u
#define REGS_8_32  (1u | 4u)
#define REGS_16_32 (2u | 4u)
#define REGS_32_64 (4u | 8u)

/* `offset` counts from `start`, plus `before`: see struct reg. */
typedef uint64_t regs_read_fn(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size);
typedef void regs_write_fn(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                           uint64_t value);

struct reg {
    uint32_t start;
    uint32_t end; /* first byte after it */
    unsigned sizes;
    regs_read_fn *read;   /* NULL: write-only */
    regs_write_fn *write; /* NULL: read-only */
    uint32_t before;      /* bytes of the same registers that would lie before `start` */
};

struct regs {
    const struct reg *reg;
    size_t count;
};

#define REGS(table)                                 \
    {                                               \
        (table), sizeof(table) / sizeof((table)[0]) \
    }

uint64_t regs_read(const struct regs *regs, struct vgic *vgic, unsigned vcpu, uint32_t *statusr,
                   uint32_t offset, unsigned size);
void regs_write(const struct regs *regs, struct vgic *vgic, unsigned vcpu, uint32_t *statusr,
                uint32_t offset, unsigned size, uint64_t value);

/* For registers without function in this GIC. */
regs_read_fn regs_zero;
regs_write_fn regs_ignore;

/* GICD_IIDR and GICR_IIDR; the identification registers of both, from 0xffd0 on. */
regs_read_fn regs_iidr;
regs_read_fn regs_id;

/* GICD_STATUSR, GICR_STATUSR: writing 1 clears. */
void regs_write_statusr(uint32_t *statusr, uint64_t value);
