/* SPDX-License-Identifier: BSD-2-Clause */
/* The distributor's registers, GICD_* (IHI 0069, 12.9). `vcpu` has no meaning here. */
#include <stddef.h>

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
    return vgic->state->ctlr | GICD_CTLR_ARE | GICD_CTLR_DS;
}

static void write_ctlr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                       uint64_t value)
{
    uint32_t ctlr = (uint32_t)value & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1);

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

    for (unsigned i = 0; i < vgic->state->nr_vcpus; i++) {
        if ((vgic->state->vcpu[i].affinity & 0xff) >= 16)
            typer |= GICD_TYPER_RSS;
    }
    return typer;
}

static uint64_t read_statusr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    return vgic->state->statusr;
}

static void write_statusr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                          uint64_t value)
{
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
    message(vgic, size == 2 ? (uint16_t)value : value, true);
}

static void write_clrspi(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                         uint64_t value)
{
    message(vgic, size == 2 ? (uint16_t)value : value, false);
}

/* The table's entry starts at GICD_IROUTER32. A 32-bit access is one half. */
static uint64_t read_irouter(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    unsigned spi = offset / 8;

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
    {0x0000, 0x0004, REGS_32, read_ctlr, write_ctlr, 0},
    {0x0004, 0x0008, REGS_32, read_typer, NULL, 0},
    {0x0008, 0x000c, REGS_32, regs_iidr, NULL, 0},
    {0x000c, 0x0010, REGS_32, regs_zero, NULL, 0}, /* TYPER2: no vPEs, nASSGIcap=0 */
    {0x0010, 0x0014, REGS_32, read_statusr, write_statusr, 0},
    {0x0040, 0x0044, REGS_16_32, NULL, write_setspi, 0},
    {0x0048, 0x004c, REGS_16_32, NULL, write_clrspi, 0},
    {0x0050, 0x0054, REGS_16_32, NULL, regs_ignore, 0}, /* SETSPI_SR: WI, DS=1 */
    {0x0058, 0x005c, REGS_16_32, NULL, regs_ignore, 0}, /* CLRSPI_SR: WI, DS=1 */
    /* The banks, from INTID 32 on. With ARE=1 the redistributors have the others: RAZ/WI here. */
    {0x0080, 0x0084, REGS_32, regs_zero, regs_ignore, 0},
    {0x0084, 0x0100, REGS_32, bank_read_igroupr, bank_write_igroupr, 4},
    {0x0100, 0x0104, REGS_32, regs_zero, regs_ignore, 0},
    {0x0104, 0x0180, REGS_32, bank_read_isenabler, bank_write_isenabler, 4},
    {0x0180, 0x0184, REGS_32, regs_zero, regs_ignore, 0},
    {0x0184, 0x0200, REGS_32, bank_read_icenabler, bank_write_icenabler, 4},
    {0x0200, 0x0204, REGS_32, regs_zero, regs_ignore, 0},
    {0x0204, 0x0280, REGS_32, bank_read_ispendr, bank_write_ispendr, 4},
    {0x0280, 0x0284, REGS_32, regs_zero, regs_ignore, 0},
    {0x0284, 0x0300, REGS_32, bank_read_icpendr, bank_write_icpendr, 4},
    {0x0300, 0x0304, REGS_32, regs_zero, regs_ignore, 0},
    {0x0304, 0x0380, REGS_32, bank_read_isactiver, bank_write_isactiver, 4},
    {0x0380, 0x0384, REGS_32, regs_zero, regs_ignore, 0},
    {0x0384, 0x0400, REGS_32, bank_read_icactiver, bank_write_icactiver, 4},
    {0x0400, 0x0420, REGS_8_32, regs_zero, regs_ignore, 0},
    {0x0420, 0x07fc, REGS_8_32, bank_read_ipriorityr, bank_write_ipriorityr, 32},
    {0x0800, 0x0bfc, REGS_8_32, regs_zero, regs_ignore, 0}, /* ITARGETSR: ARE=1 */
    {0x0c00, 0x0c08, REGS_32, regs_zero, regs_ignore, 0},
    {0x0c08, 0x0d00, REGS_32, bank_read_icfgr, bank_write_icfgr, 8},
    {0x0d00, 0x0d80, REGS_32, regs_zero, regs_ignore, 0},   /* IGRPMODR: DS=1 */
    {0x0e00, 0x0f00, REGS_32, regs_zero, regs_ignore, 0},   /* NSACR: DS=1 */
    {0x0f00, 0x0f04, REGS_32, NULL, regs_ignore, 0},        /* SGIR: ARE=1 */
    {0x0f10, 0x0f20, REGS_8_32, regs_zero, regs_ignore, 0}, /* CPENDSGIR: ARE=1 */
    {0x0f20, 0x0f30, REGS_8_32, regs_zero, regs_ignore, 0}, /* SPENDSGIR: ARE=1 */
    {0x6100, 0x7fe0, REGS_32_64, read_irouter, write_irouter, 0},
    {0xffd0, 0x10000, REGS_32, regs_id, NULL, 0},
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

    undo_note(vgic->undo, vgic->state, offsetof(struct vgic_state, spi));
    regs_write(&dist_regs, vgic, 0, &vgic->state->statusr, (uint32_t)offset, size, value);
    deliver_backlog(vgic);
    return 0;
}

const struct bus_ops vgic_dist_bus_ops = {.read = dist_read, .write = dist_write};
