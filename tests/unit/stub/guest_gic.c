/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/stub/guest_gic.h"

#include "tests/unit/stub/fake.h"

static uint32_t find_active(uint32_t vintid)
{
    uint32_t n = 0;

    while (n < cpu.nr_lrs && (!(*fake_lr(n) >> 63) || (uint32_t)*fake_lr(n) != vintid))
        n++;
    return n;
}

static void deactivate(struct guest_gic *gic, uint32_t vintid)
{
    uint32_t n = find_active(vintid);

    if (n == cpu.nr_lrs) {
        gic->eoicount++;
        REG(ich_hcr_el2) += 1ull << 27; /* EOIcount */
        return;
    }
    *fake_lr(n) &= ~(1ull << 63);
    if (*fake_lr(n) >> 61 & 1)
        fake_core->gicr.active &= ~(1u << (*fake_lr(n) >> 32 & 31));
}

uint32_t guest_gic_ack(struct guest_gic *gic)
{
    unsigned running = gic->depth ? gic->running[gic->depth - 1].priority & 0xf8 : 0x100;
    unsigned best_priority = 0x100;
    uint32_t best = cpu.nr_lrs;

    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        unsigned priority = *fake_lr(n) >> 48 & 0xff;

        if (*fake_lr(n) >> 62 == 1 && priority < best_priority) {
            best = n;
            best_priority = priority;
        }
    }
    if (best == cpu.nr_lrs || (best_priority & 0xf8) >= running)
        return GUEST_NONE;
    *fake_lr(best) ^= 3ull << 62;
    gic->running[gic->depth].vintid = (uint32_t)*fake_lr(best);
    gic->running[gic->depth++].priority = (uint8_t)best_priority;
    return (uint32_t)*fake_lr(best);
}

uint32_t guest_gic_eoi(struct guest_gic *gic, bool eoimode)
{
    uint32_t vintid = gic->running[--gic->depth].vintid;

    if (!eoimode)
        deactivate(gic, vintid);
    return vintid;
}

bool guest_gic_dir(struct guest_gic *gic, uint32_t vintid)
{
    if (REG(ich_hcr_el2) >> 14 & 1 || REG(ich_hcr_el2) >> 10 & 1) /* TDIR, TC */
        return false;
    deactivate(gic, vintid);
    return true;
}

bool guest_gic_maintenance(void)
{
    uint64_t hcr = REG(ich_hcr_el2);
    uint32_t valid = 0, pending = 0, ended = 0;

    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t lr = *fake_lr(n);

        valid += lr >> 62 != 0;
        pending += lr >> 62 == 1;
        ended += lr >> 62 == 0 && !(lr >> 61 & 1) && (lr >> 41 & 1);
    }
    if (hcr >> 2 & 1 && hcr >> 27 & 31)
        ended++;
    return (hcr & 1) && (ended || ((hcr >> 1 & 1) && valid <= 1) || ((hcr >> 3 & 1) && !pending));
}
