/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/resting.h"

#include <errno.h>
#include <stddef.h>

#include "proto/message.h"

/* ICH_LR<n>_EL2 (IHI 0069, 12.4.8). */
#define LR_STATE_SHIFT    62
#define LR_STATES         (3ull << LR_STATE_SHIFT)
#define LR_HW             (1ull << 61)
#define LR_GROUP1         (1ull << 60)
#define LR_PRIORITY_SHIFT 48
#define LR_EOI            (1ull << 41)

static uint64_t lr_make(unsigned intid, uint32_t flags)
{
    return intid | (uint64_t)(flags & RV_IRQ_PRIORITY) << LR_PRIORITY_SHIFT |
           (flags & RV_IRQ_GROUP1 ? LR_GROUP1 : 0) | (flags & RV_IRQ_EOI ? LR_EOI : 0) |
           (uint64_t)(flags & RV_IRQ_PENDING ? RV_LR_PENDING : 0) << LR_STATE_SHIFT |
           (uint64_t)(flags & RV_IRQ_ACTIVE ? RV_LR_ACTIVE : 0) << LR_STATE_SHIFT;
}

/* The entry of an INTID, in a list register or in the queue, or NULL. */
static uint64_t *find(struct rv_gic *gic, unsigned intid)
{
    for (unsigned i = 0; i < RV_VCPU_LRS; i++) {
        if (gic->lr[i] & LR_STATES && (uint32_t)gic->lr[i] == intid)
            return &gic->lr[i];
    }
    for (unsigned i = 0; i < gic->nr_queue && i < RV_VCPU_QUEUE; i++) {
        if ((uint32_t)gic->queue[i] == intid)
            return &gic->queue[i];
    }
    return NULL;
}

int resting_inject(struct rv_gic *gic, unsigned intid, uint32_t flags)
{
    uint64_t lr = lr_make(intid, flags);
    uint64_t *old = find(gic, intid);

    if (old && !(*old & LR_HW)) {
        *old = lr | (*old & (LR_STATES | LR_EOI));
        return 0;
    }
    if (old)
        return 0;
    if (gic->nr_queue >= RV_VCPU_QUEUE)
        return -ENOSPC;
    gic->queue[gic->nr_queue++] = lr;
    return 0;
}

int resting_retract(struct rv_gic *gic, unsigned intid, uint32_t mask)
{
    uint64_t *lr = find(gic, intid);
    uint32_t found;

    if (!lr)
        return 0;
    found = (uint32_t)(*lr >> LR_STATE_SHIFT);
    *lr &= ~((uint64_t)mask << LR_STATE_SHIFT);
    if (*lr & LR_STATES)
        return (int)found;
    /* A list register may be empty; the queue has no holes. */
    if (lr >= gic->queue && lr < gic->queue + RV_VCPU_QUEUE)
        *lr = gic->queue[--gic->nr_queue];
    else
        *lr = 0;
    return (int)found;
}
