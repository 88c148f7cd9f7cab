/* SPDX-License-Identifier: BSD-2-Clause */
/* The redistributors' registers, GICR_* (IHI 0069, 12.10 and 12.11). */
#include <errno.h>
#include <stddef.h>

#include "vmm/gic/bank.h"
#include "vmm/gic/deliver.h"
#include "vmm/gic/regs.h"
#include "vmm/gic/state.h"
#include "vmm/gic/vgic.h"

#define GICR_TYPER_LAST           (1ull << 4)
#define GICR_TYPER_DPGS           (1ull << 5)
#define GICR_TYPER_NUMBER_SHIFT   8
#define GICR_TYPER_AFFINITY_SHIFT 32
#define GICR_SGI_BASE             0x10000u

/*
 * 1-of-N SPIs choose again when a vCPU falls asleep, wakes up or opts out. One
 * that is active stays where it is; one that waits there is taken along.
 */
static void change_eligible(struct vgic *vgic, uint32_t *reg, uint32_t value)
{
    if (*reg == value)
        return;
    for (unsigned intid = VGIC_NR_PRIVATE; intid < VGIC_NR_INTIDS; intid++) {
        struct vgic_ref ref = state_ref(vgic, 0, intid);

        if (ref.irq->router & GICD_IROUTER_IRM)
            deliver_begin(vgic, ref);
    }
    *reg = value;
    for (unsigned intid = VGIC_NR_PRIVATE; intid < VGIC_NR_INTIDS; intid++) {
        struct vgic_ref ref = state_ref(vgic, 0, intid);

        if (ref.irq->router & GICD_IROUTER_IRM)
            (void)deliver_end(vgic, ref);
    }
}

static uint64_t read_ctlr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    return vgic->state->vcpu[vcpu].ctlr;
}

/* DPG1S is RAZ/WI with DS=1; without LPIs so are EnableLPIs, CES and IR. RWP and UWP read as 0. */
static void write_ctlr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                       uint64_t value)
{
    change_eligible(vgic, &vgic->state->vcpu[vcpu].ctlr,
                    (uint32_t)value & (GICR_CTLR_DPG0 | GICR_CTLR_DPG1NS));
}

static uint64_t read_typer(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    const struct vgic_state *state = vgic->state;
    uint64_t typer = (uint64_t)state->vcpu[vcpu].affinity << GICR_TYPER_AFFINITY_SHIFT |
                     (uint64_t)vcpu << GICR_TYPER_NUMBER_SHIFT | GICR_TYPER_DPGS;

    if (vcpu == state->nr_vcpus - 1)
        typer |= GICR_TYPER_LAST;
    return typer >> offset * 8;
}

static uint64_t read_statusr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    return vgic->state->vcpu[vcpu].statusr;
}

static void write_statusr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                          uint64_t value)
{
    regs_write_statusr(&vgic->state->vcpu[vcpu].statusr, value);
}

static uint64_t read_waker(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    return vgic->state->vcpu[vcpu].waker;
}

/*
 * Software disables both groups in its CPU interface before it sets
 * ProcessorSleep (IHI 0069, 11.1), so that what is injected to a sleeping vCPU
 * is not taken, but ends its WFI: the entry is the wake request.
 */
static void write_waker(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                        uint64_t value)
{
    change_eligible(vgic, &vgic->state->vcpu[vcpu].waker,
                    value & GICR_WAKER_PROCESSOR_SLEEP
                        ? GICR_WAKER_PROCESSOR_SLEEP | GICR_WAKER_CHILDREN_ASLEEP
                        : 0);
}

static const struct reg rd_table[] = {
    {0x0000, 0x0004, REGS_32, read_ctlr, write_ctlr, 0},
    {0x0004, 0x0008, REGS_32, regs_iidr, NULL, 0},
    {0x0008, 0x0010, REGS_32_64, read_typer, NULL, 0},
    {0x0010, 0x0014, REGS_32, read_statusr, write_statusr, 0},
    {0x0014, 0x0018, REGS_32, read_waker, write_waker, 0},
    {0x0018, 0x001c, REGS_32, regs_zero, NULL, 0},           /* MPAMIDR: no MPAM */
    {0x001c, 0x0020, REGS_32, regs_zero, regs_ignore, 0},    /* PARTIDR: no MPAM */
    {0x0040, 0x0048, REGS_32_64, NULL, regs_ignore, 0},      /* SETLPIR: no LPIs, as all to SYNCR */
    {0x0048, 0x0050, REGS_32_64, NULL, regs_ignore, 0},      /* CLRLPIR */
    {0x0070, 0x0078, REGS_32_64, regs_zero, regs_ignore, 0}, /* PROPBASER */
    {0x0078, 0x0080, REGS_32_64, regs_zero, regs_ignore, 0}, /* PENDBASER */
    {0x00a0, 0x00a8, REGS_32_64, NULL, regs_ignore, 0},      /* INVLPIR */
    {0x00b0, 0x00b8, REGS_32_64, NULL, regs_ignore, 0},      /* INVALLR */
    {0x00c0, 0x00c4, REGS_32, regs_zero, NULL, 0},           /* SYNCR */
    {0xffd0, 0x10000, REGS_32, regs_id, NULL, 0},
};

/* Offsets from SGI_base. */
static const struct reg sgi_table[] = {
    {0x0080, 0x0084, REGS_32, bank_read_igroupr, bank_write_igroupr, 0},
    {0x0100, 0x0104, REGS_32, bank_read_isenabler, bank_write_isenabler, 0},
    {0x0180, 0x0184, REGS_32, bank_read_icenabler, bank_write_icenabler, 0},
    {0x0200, 0x0204, REGS_32, bank_read_ispendr, bank_write_ispendr, 0},
    {0x0280, 0x0284, REGS_32, bank_read_icpendr, bank_write_icpendr, 0},
    {0x0300, 0x0304, REGS_32, bank_read_isactiver, bank_write_isactiver, 0},
    {0x0380, 0x0384, REGS_32, bank_read_icactiver, bank_write_icactiver, 0},
    {0x0400, 0x0420, REGS_8_32, bank_read_ipriorityr, bank_write_ipriorityr, 0},
    {0x0c00, 0x0c08, REGS_32, bank_read_icfgr, bank_write_icfgr, 0},
    {0x0d00, 0x0d04, REGS_32, regs_zero, regs_ignore, 0}, /* IGRPMODR0: DS=1 */
    {0x0e00, 0x0e04, REGS_32, regs_zero, regs_ignore, 0}, /* NSACR: DS=1 */
};

static const struct regs rd_regs = REGS(rd_table);
static const struct regs sgi_regs = REGS(sgi_table);

/* The frame that an offset lies in, and whose it is. */
struct redist_frame {
    const struct regs *regs;
    unsigned vcpu;
    uint32_t *statusr;
    uint32_t offset;
};

static int redist_find(struct vgic *vgic, uint64_t offset, struct redist_frame *frame)
{
    unsigned vcpu = (unsigned)(offset / VGIC_REDIST_SIZE);

    if (offset / VGIC_REDIST_SIZE >= vgic->state->nr_vcpus)
        return -ENXIO;
    *frame = (struct redist_frame){
        .regs = offset & GICR_SGI_BASE ? &sgi_regs : &rd_regs,
        .vcpu = vcpu,
        .statusr = &vgic->state->vcpu[vcpu].statusr,
        .offset = (uint32_t)offset % GICR_SGI_BASE,
    };
    return 0;
}

static int redist_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    struct redist_frame f;
    int error = redist_find(opaque, offset, &f);

    if (error)
        return error;
    *value = regs_read(f.regs, opaque, f.vcpu, f.statusr, f.offset, size);
    deliver_backlog(opaque);
    return 0;
}

static int redist_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct vgic *vgic = opaque;
    struct redist_frame f;
    int error = redist_find(opaque, offset, &f);

    if (error)
        return error;
    undo_note(vgic->undo, &vgic->state->vcpu[f.vcpu], offsetof(struct vgic_vcpu, irq));
    regs_write(f.regs, opaque, f.vcpu, f.statusr, f.offset, size, value);
    deliver_backlog(opaque);
    return 0;
}

const struct bus_ops vgic_redist_bus_ops = {.read = redist_read, .write = redist_write};
