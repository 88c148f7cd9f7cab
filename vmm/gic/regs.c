/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/regs.h"

/* GICD_STATUSR and GICR_STATUSR (IHI 0069, 12.9.45) */
#define STATUSR_RRD  0x1u /* read of a reserved location */
#define STATUSR_WRD  0x2u /* write to a reserved location */
#define STATUSR_RWOD 0x4u /* read of a write-only location */
#define STATUSR_WROD 0x8u /* write to a read-only location */
#define STATUSR_BITS 0xfu

/*
 * ProductID 'R', Implementer: Arm's JEP106 code, which virtual GICs in general
 * use. Not 0: drivers know a real GIC, with errata, by an IIDR of 0.
 */
#define IIDR ((uint32_t)'R' << 24 | 0x43bu)

static const struct reg *find(const struct regs *regs, uint32_t offset, unsigned size)
{
    for (size_t i = 0; i < regs->count; i++) {
        const struct reg *reg = &regs->reg[i];

        if (offset >= reg->start && offset < reg->end)
            return reg->sizes & size && offset + size <= reg->end ? reg : NULL;
    }
    return NULL;
}

uint64_t regs_read(const struct regs *regs, struct vgic *vgic, unsigned vcpu, uint32_t *statusr,
                   uint32_t offset, unsigned size)
{
    const struct reg *reg = find(regs, offset, size);

    if (!reg) {
        *statusr |= STATUSR_RRD;
        return 0;
    }
    if (!reg->read) {
        *statusr |= STATUSR_RWOD;
        return 0;
    }
    return reg->read(vgic, vcpu, offset - reg->start + reg->before, size);
}

void regs_write(const struct regs *regs, struct vgic *vgic, unsigned vcpu, uint32_t *statusr,
                uint32_t offset, unsigned size, uint64_t value)
{
    const struct reg *reg = find(regs, offset, size);

    if (!reg)
        *statusr |= STATUSR_WRD;
    else if (!reg->write)
        *statusr |= STATUSR_WROD;
    else
        reg->write(vgic, vcpu, offset - reg->start + reg->before, size, value);
}

uint64_t regs_zero(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    return 0;
}

void regs_ignore(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size, uint64_t value)
{
}

uint64_t regs_iidr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    return IIDR;
}

uint64_t regs_id(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    /* PIDR4-7, PIDR0-3, CIDR0-3: part 'R', JEP106 code as in IIDR, ArchRev 3, 64 KiB. */
    static const uint8_t id[] = {0x44, 0, 0, 0, 'R', 0xb0, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};

    return id[offset / 4 % sizeof(id)];
}

void regs_write_statusr(uint32_t *statusr, uint64_t value)
{
    *statusr &= ~((uint32_t)value & STATUSR_BITS);
}
