/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How late a timer's interrupt is: from the compare value of the virtual timer until the handler
 * runs, on a CPU that computes, and on one that waits in WFI. One line for each: "# timer TICKS",
 * "# timer-wfi TICKS", in ticks of CNTVCT_EL0.
 */
#include "tests/payloads/gicv3.h"

#define ROUNDS  60u
#define WARM_UP 4u
#define DELAY   500u /* us; longer than it takes to set the timer and wait for it */

static unsigned busy[ROUNDS], idle[ROUNDS];
static volatile uint64_t due;
static volatile unsigned late, taken;

static void handler(unsigned intid)
{
    late = (unsigned)(counter() - due);
    taken += intid == PPI_TIMER_VIRT;
    WRITE_SYSREG(cntv_ctl_el0, 0);
}

static unsigned once(bool waits)
{
    unsigned before = taken;

    due = counter() + ticks_from_us(DELAY);
    WRITE_SYSREG(cntv_cval_el0, due);
    WRITE_SYSREG(cntv_ctl_el0, 1);
    while (taken == before) {
        if (!waits)
            continue;
        /* Masked, so that an interrupt between the look and the WFI ends the WFI. */
        irq_mask();
        if (taken == before)
            wfi();
        irq_unmask();
    }
    return late;
}

void test_main(void)
{
    gic_init();
    gic_hook = handler;
    gic_enable(PPI_TIMER_VIRT);
    irq_unmask();
    for (unsigned i = 0; i < ROUNDS; i++) {
        busy[i] = once(false);
        idle[i] = once(true);
    }
    irq_mask();
    note("frequency %u", (unsigned)READ_SYSREG(cntfrq_el0));
    note("batch %u", 1u);
    for (unsigned i = WARM_UP; i < ROUNDS; i++) {
        note("timer %u", busy[i]);
        note("timer-wfi %u", idle[i]);
    }
    check_true(true, "measured");
}
