/* SPDX-License-Identifier: BSD-2-Clause */
/* The distributor's registers, GICD_* (IHI 0069, 12.9). `vcpu` has no meaning here. */
#include "vmm/gic/bank.h"
#include "vmm/gic/deliver.h"
#include "vmm/gic/regs.h"
#include "vmm/gic/state.h"
#include "vmm/gic/vgic.h"

#define GICD_CTLR_DS 0x40u

#define GICD_TYPER_LINES  (VGIC_NR_INTIDS / 32u - 1u) /* ITLinesNumber */
#define GICD_TYPER_MBIS   (1u << 16)
#define GICD_TYPER_IDBITS (9u << 19) /* 10 bits */
#define GICD_TYPER_A3V    (1u << 24)
#define GICD_TYPER_RSS    (1u << 26)
_Static_assert(VGIC_NR_INTIDS % 32u == 0, "ITLinesNumber");

/* All effects of a write are complete when it is: RWP reads as 0. E1NWF is not implemented. */
static uint64_t read_ctlr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    (void)vcpu, (void)offset, (void)size;
    return vgic->state->ctlr | GICD_CTLR_ARE | GICD_CTLR_DS;
}

static void write_ctlr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                       uint64_t value)
{
    uint32_t ctlr = (uint32_t)value & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1);

    (void)vcpu, (void)offset, (void)size;
    if (ctlr == vgic->state->ctlr)
        return;
    state_for_each(vgic, deliver_begin);
    vgic->state->ctlr = ctlr;
    for (unsigned intid = VGIC_NR_PRIVATE; intid < VGIC_NR_INTIDS; intid++)
        (void)deliver_end(vgic, state_ref(vgic, 0, intid));
    for (unsigned i = 0; i < vgic->state->nr_vcpus; i++) {
        for (unsigned intid = 0; intid < VGIC_NR_PRIVATE; intid++)
            (void)deliver_end(vgic, state_ref(vgic, i, intid));
    }
}

static uint64_t read_typer(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    uint32_t typer = GICD_TYPER_LINES | GICD_TYPER_MBIS | GICD_TYPER_IDBITS | GICD_TYPER_A3V;

    (void)vcpu, (void)offset, (void)size;
    for (unsigned i = 0; i < vgic->state->nr_vcpus; i++) {
        if ((vgic->state->vcpu[i].affinity & 0xff) >= 16)
            typer |= GICD_TYPER_RSS;
    }
    return typer;
}

static uint64_t read_statusr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    (void)vcpu, (void)offset, (void)size;
    return vgic->state->statusr;
}

static void write_statusr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                          uint64_t value)
{
    (void)vcpu, (void)offset, (void)size;
    regs_write_statusr(&vgic->state->statusr, value);
}

/* Message-based SPIs: the level stays until GICD_CLRSPI_NSR, an edge until it is taken. */
static void message(struct vgic *vgic, uint64_t value, bool set)
{
    unsigned intid = (unsigned)value & 0x1fffu;
    struct vgic_ref ref;

    if (intid < VGIC_NR_PRIVATE || intid >= VGIC_NR_INTIDS)
        return;
    ref = state_ref(vgic, 0, intid);
    if (!(ref.irq->bits & IRQ_EDGE)) {
        if (set != !!(ref.irq->bits & IRQ_MSG))
            deliver_input(vgic, ref, IRQ_MSG, set);
    } else if (set) {
        bank_set_pending(vgic, 0, intid, 1);
    } else {
        bank_clear_pending(vgic, 0, intid, 1);
    }
}

static void write_setspi(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                         uint64_t value)
{
    (void)vcpu, (void)offset;
    message(vgic, size == 2 ? (uint16_t)value : value, true);
}

static void write_clrspi(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                         uint64_t value)
{
    (void)vcpu, (void)offset;
    message(vgic, size == 2 ? (uint16_t)value : value, false);
}

/*
 * The banks. With ARE=1 the registers of INTIDs 0-31 are RAZ/WI here: the
 * redistributors have them. `per_word` INTIDs share a word.
 */
#define BANK_WORD(reg, per_word, reader, writer)                                                 \
    static uint64_t read_##reg(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size) \
    {                                                                                            \
        unsigned first = offset / 4 * (per_word);                                                \
                                                                                                 \
        (void)vcpu, (void)size;                                                                  \
        return first < VGIC_NR_PRIVATE ? 0 : reader(vgic, 0, first);                             \
    }                                                                                            \
    static void write_##reg(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,    \
                            uint64_t value)                                                      \
    {                                                                                            \
        unsigned first = offset / 4 * (per_word);                                                \
                                                                                                 \
        (void)vcpu, (void)size;                                                                  \
        if (first >= VGIC_NR_PRIVATE)                                                            \
            writer(vgic, 0, first, (uint32_t)value);                                             \
    }

BANK_WORD(igroupr, 32, bank_read_group, bank_write_group)
BANK_WORD(isenabler, 32, bank_read_enable, bank_set_enable)
BANK_WORD(icenabler, 32, bank_read_enable, bank_clear_enable)
BANK_WORD(ispendr, 32, bank_read_pending, bank_set_pending)
BANK_WORD(icpendr, 32, bank_read_pending, bank_clear_pending)
BANK_WORD(isactiver, 32, bank_read_active, bank_set_active)
BANK_WORD(icactiver, 32, bank_read_active, bank_clear_active)
BANK_WORD(icfgr, 16, bank_read_config, bank_write_config)

static uint64_t read_ipriorityr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    (void)vcpu;
    return offset < VGIC_NR_PRIVATE ? 0 : bank_read_priority(vgic, 0, offset, size);
}

static void write_ipriorityr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                             uint64_t value)
{
    (void)vcpu;
    if (offset >= VGIC_NR_PRIVATE)
        bank_write_priority(vgic, 0, offset, size, (uint32_t)value);
}

/* The table's entry starts at GICD_IROUTER32. A 32-bit access is one half. */
static uint64_t read_irouter(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    unsigned spi = offset / 8;

    (void)vcpu, (void)size;
    return spi < VGIC_NR_SPIS ? vgic->state->spi[spi].router >> offset % 8 * 8 : 0;
}

static void write_irouter(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                          uint64_t value)
{
    unsigned spi = offset / 8;
    unsigned shift = offset % 8 * 8;
    uint64_t mask = size == 8 ? ~0ull : 0xffffffffull << shift;
    struct vgic_ref ref;
    uint64_t router;

    (void)vcpu;
    if (spi >= VGIC_NR_SPIS)
        return;
    ref = state_ref(vgic, 0, VGIC_NR_PRIVATE + spi);
    router = ((ref.irq->router & ~mask) | (value << shift & mask)) & GICD_IROUTER_MASK;
    if (router == ref.irq->router)
        return;
    deliver_begin(vgic, ref);
    state_set_router(vgic->state, ref.irq, router);
    (void)deliver_end(vgic, ref);
}

static const struct reg dist_table[] = {
    {0x0000, 0x0004, REGS_32, read_ctlr, write_ctlr},
    {0x0004, 0x0008, REGS_32, read_typer, NULL},
    {0x0008, 0x000c, REGS_32, regs_iidr, NULL},
    {0x000c, 0x0010, REGS_32, regs_zero, NULL}, /* TYPER2: no vPEs, nASSGIcap=0 */
    {0x0010, 0x0014, REGS_32, read_statusr, write_statusr},
    {0x0040, 0x0044, REGS_16_32, NULL, write_setspi},
    {0x0048, 0x004c, REGS_16_32, NULL, write_clrspi},
    {0x0050, 0x0054, REGS_16_32, NULL, regs_ignore}, /* SETSPI_SR: WI, DS=1 */
    {0x0058, 0x005c, REGS_16_32, NULL, regs_ignore}, /* CLRSPI_SR: WI, DS=1 */
    {0x0080, 0x0100, REGS_32, read_igroupr, write_igroupr},
    {0x0100, 0x0180, REGS_32, read_isenabler, write_isenabler},
    {0x0180, 0x0200, REGS_32, read_icenabler, write_icenabler},
    {0x0200, 0x0280, REGS_32, read_ispendr, write_ispendr},
    {0x0280, 0x0300, REGS_32, read_icpendr, write_icpendr},
    {0x0300, 0x0380, REGS_32, read_isactiver, write_isactiver},
    {0x0380, 0x0400, REGS_32, read_icactiver, write_icactiver},
    {0x0400, 0x07fc, REGS_8_32, read_ipriorityr, write_ipriorityr},
    {0x0800, 0x0bfc, REGS_8_32, regs_zero, regs_ignore}, /* ITARGETSR: ARE=1 */
    {0x0c00, 0x0d00, REGS_32, read_icfgr, write_icfgr},
    {0x0d00, 0x0d80, REGS_32, regs_zero, regs_ignore},   /* IGRPMODR: DS=1 */
    {0x0e00, 0x0f00, REGS_32, regs_zero, regs_ignore},   /* NSACR: DS=1 */
    {0x0f00, 0x0f04, REGS_32, NULL, regs_ignore},        /* SGIR: ARE=1 */
    {0x0f10, 0x0f20, REGS_8_32, regs_zero, regs_ignore}, /* CPENDSGIR: ARE=1 */
    {0x0f20, 0x0f30, REGS_8_32, regs_zero, regs_ignore}, /* SPENDSGIR: ARE=1 */
    {0x6100, 0x7fe0, REGS_32_64, read_irouter, write_irouter},
    {0xffd0, 0x10000, REGS_32, regs_id, NULL},
};

static const struct regs dist_regs = REGS(dist_table);

static int dist_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    struct vgic *vgic = opaque;

    *value = regs_read(&dist_regs, vgic, 0, &vgic->state->statusr, (uint32_t)offset, size);
    deliver_backlog(vgic);
    return 0;
}

static int dist_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct vgic *vgic = opaque;

    regs_write(&dist_regs, vgic, 0, &vgic->state->statusr, (uint32_t)offset, size, value);
    deliver_backlog(vgic);
    return 0;
}

const struct bus_ops vgic_dist_bus_ops = {dist_read, dist_write};
