/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/page_irqs.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arm/gic.h"
#include "proto/message.h"
#include "proto/ring.h"

/* See rank(): the priority is added to it. */
#define RANK_ACTIVE  0x000u
#define RANK_PENDING 0x100u

/* The page is shared: its count is loaded once, and bounded. */
static unsigned count(const struct rv_gic *gic)
{
    unsigned nr_irqs = rv_load_relaxed(&gic->nr_irqs);

    return nr_irqs < RV_VCPU_IRQS ? nr_irqs : RV_VCPU_IRQS;
}

/* The place of an INTID that is pending or active, or RV_VCPU_IRQS. */
static unsigned find(const struct rv_gic *gic, unsigned from, unsigned intid)
{
    unsigned nr_irqs = count(gic);

    for (unsigned i = from; i < nr_irqs; i++) {
        if (gic->irq[i] & LR_STATES && LR_VINTID(gic->irq[i]) == intid)
            return i;
    }
    return RV_VCPU_IRQS;
}

/* The guest has ended it, and that is not reported yet. */
static bool is_unreported(uint64_t lr)
{
    return lr & LR_EOI && !(lr & (LR_STATES | LR_HW));
}

bool page_irqs_has(const struct rv_gic *gic, unsigned from, unsigned intid)
{
    return find(gic, from, intid) < RV_VCPU_IRQS;
}

uint64_t *page_irqs_place(struct rv_gic *gic, unsigned from, unsigned intid)
{
    unsigned i = find(gic, from, intid);

    if (i < RV_VCPU_IRQS)
        return &gic->irq[i];
    for (i = from; i < RV_VCPU_IRQS; i++)
        if (!(gic->irq[i] & LR_STATES || is_unreported(gic->irq[i])))
            return &gic->irq[i];
    return NULL;
}

int page_irqs_add(struct rv_gic *gic, unsigned from, uint64_t lr)
{
    unsigned i = find(gic, from, LR_VINTID(lr));
    uint64_t *place = page_irqs_place(gic, from, LR_VINTID(lr));

    if (!place)
        return -ENOSPC;
    if (i < RV_VCPU_IRQS) {
        if (*place & LR_HW)
            return 0; /* it may not be pending and active, and its line is its own */
        if (!(lr & LR_HW))
            lr |= *place & (LR_STATES | LR_EOI);
    }
    *place = lr;
    i = (unsigned)(place - gic->irq);
    if (i >= count(gic))
        gic->nr_irqs = i + 1;
    return 0;
}

int page_irqs_retract(struct rv_gic *gic, unsigned from, unsigned intid, uint32_t mask)
{
    unsigned i = find(gic, from, intid);
    uint64_t old;

    if (i == RV_VCPU_IRQS)
        return 0;
    old = gic->irq[i];
    gic->irq[i] = old & ~((uint64_t)mask << LR_STATE_SHIFT);
    if (!(gic->irq[i] & LR_STATES))
        gic->irq[i] = 0;
    return (int)(old >> LR_STATE_SHIFT);
}

/*
 * The order in which interrupts get list registers: active ones first, since the guest may
 * end them; then pending ones; in each group by priority.
 */
static uint32_t rank(uint64_t lr)
{
    return (lr & LR_ACTIVE ? RANK_ACTIVE : RANK_PENDING) + (uint32_t)LR_PRIORITY(lr);
}

/* The most urgent one that is active among those that wait, or RV_VCPU_IRQS. */
static unsigned find_active(const struct rv_gic *gic, unsigned nr_lrs)
{
    unsigned nr_irqs = count(gic), best = RV_VCPU_IRQS;

    for (unsigned i = nr_lrs; i < nr_irqs; i++) {
        if (gic->irq[i] & LR_ACTIVE &&
            (best == RV_VCPU_IRQS || rank(gic->irq[i]) < rank(gic->irq[best])))
            best = i;
    }
    return best;
}

/*
 * ICH_HCR_EL2.EOIcount is how many interrupts the guest has ended that no list register had:
 * they waited. The most urgent ended first, since a guest with EOImode 0 ends in the reverse
 * order of taking. A guest with EOImode 1 is trapped instead, and the count is not taken for
 * ends: a bare-metal guest with EOImode 1 failed on QEMU 7.2 when it was, with 4 of 24
 * interrupts active. (It looks as if priority drops were counted; that was not examined.)
 */
bool page_irqs_saved(struct rv_gic *gic, unsigned nr_lrs)
{
    uint64_t ended = (gic->hcr & ICH_HCR_EOICOUNT) / (ICH_HCR_EOICOUNT & -ICH_HCR_EOICOUNT);

    gic->hcr &= ~ICH_HCR_EOICOUNT;
    if (count(gic) < nr_lrs)
        gic->nr_irqs = nr_lrs;
    if (gic->vmcr & ICH_VMCR_VEOIM)
        return false;
    for (uint64_t n = 0; n < ended; n++) {
        unsigned i = find_active(gic, nr_lrs);

        if (i == RV_VCPU_IRQS)
            break; /* it ended what is not there: nothing happens */
        gic->irq[i] &= ~LR_ACTIVE;
    }
    return ended != 0;
}

bool page_irqs_next_end(struct rv_gic *gic, unsigned *intid)
{
    for (unsigned i = 0; i < RV_VCPU_IRQS; i++) {
        if (!is_unreported(gic->irq[i]))
            continue;
        *intid = LR_VINTID(gic->irq[i]);
        gic->irq[i] = 0;
        return true;
    }
    return false;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    if (rank(x) != rank(y))
        return rank(x) < rank(y) ? -1 : 1;
    return LR_VINTID(x) < LR_VINTID(y) ? -1 : LR_VINTID(x) > LR_VINTID(y);
}

/* The guest needs something to take: the last list register goes to a pending one, if any is. */
static void give_last_to_pending(uint64_t *irq, unsigned nr, unsigned nr_lrs)
{
    uint64_t *last = &irq[nr_lrs - 1];

    for (unsigned i = nr_lrs; *last & LR_ACTIVE && i < nr; i++) {
        uint64_t lr = irq[i];

        if (lr & LR_ACTIVE)
            continue;
        irq[i] = *last;
        *last = lr;
    }
}

/*
 * What waits needs a maintenance interrupt when there may be room for it: when at most one
 * list register is in use (UIE), when the guest has nothing left to take (NPIE), or when it
 * has ended an active one before that (LRENPIE). A guest with EOImode 1 ends them in any
 * order, so its ICC_DIR_EL1 traps: by TDIR or, where that does not exist (Cortex-A53), by TC,
 * which traps others as well.
 */
static uint64_t hcr_for(const uint64_t *waiting, unsigned nr, unsigned nr_lrs, bool has_tdir)
{
    uint64_t hcr = 0;

    if (nr)
        hcr |= ICH_HCR_LRENPIE | (has_tdir ? ICH_HCR_TDIR : ICH_HCR_TC);
    if (nr && nr_lrs > 1)
        hcr |= ICH_HCR_UIE;
    for (unsigned i = 0; i < nr; i++) {
        if (!(waiting[i] & LR_ACTIVE))
            hcr |= ICH_HCR_NPIE;
    }
    return hcr;
}

void page_irqs_arrange(struct rv_gic *gic, unsigned nr_lrs, bool has_tdir)
{
    unsigned nr_irqs = count(gic), nr = 0;
    uint64_t irq[RV_VCPU_IRQS] = {0};

    gic->ppi_active = 0;
    for (unsigned i = 0; i < nr_irqs; i++) {
        uint64_t lr = gic->irq[i];

        if (!(lr & LR_STATES))
            continue;
        if (lr & LR_HW)
            gic->ppi_active |= 1ull << LR_PINTID(lr) % 32;
        irq[nr++] = lr;
    }
    qsort(irq, nr, sizeof(*irq), compare);
    if (nr > nr_lrs)
        give_last_to_pending(irq, nr, nr_lrs);
    memcpy(gic->irq, irq, sizeof(irq));
    gic->nr_irqs = nr > nr_lrs ? nr : nr_lrs;
    gic->hcr = nr > nr_lrs ? hcr_for(&irq[nr_lrs], nr - nr_lrs, nr_lrs, has_tdir) : 0;
}
