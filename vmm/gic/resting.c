/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/resting.h"

#include <errno.h>
#include <stddef.h>

#include "proto/arm/gic.h"
#include "proto/message.h"
#include "proto/ring.h"

/* The page is shared: its count is loaded once, and bounded. */
static unsigned count(const struct rv_gic *gic)
{
    unsigned nr_irqs = rv_load_relaxed(&gic->nr_irqs);

    return nr_irqs < RV_VCPU_IRQS ? nr_irqs : RV_VCPU_IRQS;
}

/* The entry of an INTID among so many, or NULL. */
static uint64_t *find(struct rv_gic *gic, unsigned nr_irqs, unsigned intid)
{
    for (unsigned i = 0; i < nr_irqs; i++) {
        if (LR_VINTID(gic->irq[i]) == intid)
            return &gic->irq[i];
    }
    return NULL;
}

int resting_inject(struct rv_gic *gic, unsigned intid, uint32_t flags)
{
    uint64_t lr = rv_gic_irq(intid, flags);
    unsigned nr_irqs = count(gic);
    uint64_t *old = find(gic, nr_irqs, intid);

    if (old && !(*old & LR_HW))
        *old = lr | (*old & (LR_STATES | LR_EOI));
    if (old)
        return 0;
    if (nr_irqs == RV_VCPU_IRQS)
        return -ENOSPC;
    gic->irq[nr_irqs] = lr;
    gic->nr_irqs = nr_irqs + 1;
    return 0;
}

int resting_retract(struct rv_gic *gic, unsigned intid, uint32_t mask)
{
    unsigned nr_irqs = count(gic);
    uint64_t *lr = find(gic, nr_irqs, intid);
    uint64_t old;

    if (!lr)
        return 0;
    old = *lr;
    *lr = old & ~((uint64_t)mask << LR_STATE_SHIFT);
    if (!(*lr & LR_STATES)) {
        *lr = gic->irq[nr_irqs - 1];
        gic->nr_irqs = nr_irqs - 1;
    }
    return (int)(old >> LR_STATE_SHIFT);
}
