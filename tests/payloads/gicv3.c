/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/payloads/gicv3.h"

volatile struct gic_log gic_log;
void (*volatile gic_hook)(unsigned intid);
volatile bool gic_auto_dir;

#define SETTLE_US 300u /* an interrupt that is under way arrives within this */

/* Frame of an interrupt's registers: the redistributor's for SGIs and PPIs. */
static uint64_t frame_of(unsigned intid)
{
    return intid < 32u ? SGI_BASE : GICD_BASE;
}

void gic_wait_rwp(void)
{
    while ((mmio_read32(GICD_BASE + GICD_CTLR) & GICD_CTLR_RWP) != 0)
        ;
}

void gic_write_bit(unsigned reg, unsigned intid)
{
    mmio_write32(frame_of(intid) + reg + intid / 32u * 4u, 1u << (intid % 32u));
}

bool gic_read_bit(unsigned reg, unsigned intid)
{
    return (mmio_read32(frame_of(intid) + reg + intid / 32u * 4u) >> (intid % 32u) & 1u) != 0;
}

bool gic_wait_pending(unsigned intid)
{
    uint64_t start = counter();
    uint64_t ticks = ticks_from_us(1000000);

    while (!gic_read_bit(GIC_ISPENDR, intid)) {
        if (counter() - start > ticks)
            return false;
    }
    return true;
}

void gic_disable(unsigned intid)
{
    gic_write_bit(GIC_ICENABLER, intid);
    gic_wait_rwp();
}

void gic_set_priority(unsigned intid, uint8_t priority)
{
    mmio_write8(frame_of(intid) + GIC_IPRIORITYR + intid, priority);
}

void gic_set_group(unsigned intid, unsigned group)
{
    uint64_t reg = frame_of(intid) + GIC_IGROUPR + intid / 32u * 4u;
    uint32_t bit = 1u << (intid % 32u);
    uint32_t old = mmio_read32(reg);

    mmio_write32(reg, group != 0 ? old | bit : old & ~bit);
}

void gic_set_edge(unsigned intid, bool edge)
{
    uint64_t reg = frame_of(intid) + GIC_ICFGR + intid / 16u * 4u;
    uint32_t bit = 2u << (intid % 16u * 2u);
    uint32_t old = mmio_read32(reg);

    mmio_write32(reg, edge ? old | bit : old & ~bit);
}

void gic_route(unsigned spi, uint64_t affinity)
{
    mmio_write64(GICD_BASE + GICD_IROUTER + spi * 8u, affinity);
}

void gic_send_sgi(unsigned intid, unsigned cpus)
{
    __asm__ volatile("dsb sy" ::: "memory");
    ICC_WRITE(ICC_SGI1R, (uint64_t)intid << 24 | cpus);
}

static void take_one(bool is_fiq)
{
    uint32_t intid = (uint32_t)(is_fiq ? ICC_READ(ICC_IAR0) : ICC_READ(ICC_IAR1));

    if (intid == GIC_SPURIOUS) {
        gic_log.spurious++;
        return;
    }
    if (gic_log.count < GIC_LOG_LENGTH)
        gic_log.intid[gic_log.count] = intid;
    gic_log.count++;
    gic_log.fiqs += is_fiq;
    if (gic_hook != NULL)
        gic_hook(intid);
    __asm__ volatile("dsb sy" ::: "memory");
    if (is_fiq)
        ICC_WRITE(ICC_EOIR0, intid);
    else
        ICC_WRITE(ICC_EOIR1, intid);
    if (gic_auto_dir)
        ICC_WRITE(ICC_DIR, intid);
}

void gic_log_clear(void)
{
    gic_log.count = 0;
    gic_log.spurious = 0;
    gic_log.fiqs = 0;
    gic_hook = NULL;
    for (unsigned i = 0; i < GIC_LOG_LENGTH; i++)
        gic_log.intid[i] = GIC_SPURIOUS;
}

static void init_frame(uint64_t frame, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i += 32) {
        uint64_t word = frame + i / 8u;

        mmio_write32(word + GIC_ICENABLER, 0xffffffffu);
        mmio_write32(word + GIC_ICPENDR, 0xffffffffu);
        mmio_write32(word + GIC_ICACTIVER, 0xffffffffu);
        mmio_write32(word + GIC_IGROUPR, 0xffffffffu);
    }
    for (unsigned i = first; i < end; i += 4)
        mmio_write32(frame + GIC_IPRIORITYR + i, GIC_PRIORITY * 0x01010101u);
    for (unsigned i = first; i < end; i += 16) {
        if (i >= 16)
            mmio_write32(frame + GIC_ICFGR + i / 4u, 0);
    }
}

void gic_init_cpu(void)
{
    ICC_WRITE(ICC_SRE, 7);
    ICC_WRITE(ICC_PMR, 0xff);
    ICC_WRITE(ICC_BPR0, 0);
    ICC_WRITE(ICC_BPR1, 0);
    ICC_WRITE(ICC_CTLR, 0);
    ICC_WRITE(ICC_IGRPEN0, 1);
    ICC_WRITE(ICC_IGRPEN1, 1);
}

void gic_init(void)
{
    unsigned spis_end = ((mmio_read32(GICD_BASE + GICD_TYPER) & 0x1fu) + 1u) * 32u;

    if (spis_end > 160u)
        spis_end = 160u; /* the ones that the tests use */
    mmio_write32(GICD_BASE + GICD_CTLR, GICD_CTLR_ARE);
    gic_wait_rwp();
    mmio_write32(GICR_BASE + GICR_WAKER, 0);
    while ((mmio_read32(GICR_BASE + GICR_WAKER) & GICR_WAKER_CA) != 0)
        ;
    init_frame(SGI_BASE, 0, 32);
    init_frame(GICD_BASE, 32, spis_end);
    for (unsigned i = 32; i < spis_end; i++)
        gic_route(i, 0);
    mmio_write32(GICD_BASE + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    gic_wait_rwp();
    gic_init_cpu();
    irq_handler = take_one;
    gic_auto_dir = false;
    gic_log_clear();
}

void gic_take(unsigned count)
{
    irq_unmask();
    wait_for(&gic_log.count, count);
    delay_us(SETTLE_US);
    irq_mask();
}
