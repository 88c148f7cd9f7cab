/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that never ends, for tests that kill its vmm. Each of its beats makes exits of several
 * kinds, waits for the timer's interrupt, and prints a number and what was not as expected.
 */
#include "tests/payloads/gicv3.h"

#define CALLS   10u
#define BEAT_US 5000u

static volatile unsigned fired;

static void on_irq(bool is_fiq)
{
    uint64_t intid = ICC_READ(ICC_IAR1);

    if (is_fiq || intid != PPI_TIMER_VIRT)
        return;
    WRITE_SYSREG(cntv_ctl_el0, 0);
    fired = fired + 1;
    ICC_WRITE(ICC_EOIR1, intid);
}

void test_main(void)
{
    int64_t version = psci(PSCI_VERSION, 0, 0, 0);
    uint32_t typer = mmio_read32(GICD_BASE + GICD_TYPER);

    gic_init();
    gic_write_bit(GIC_ISENABLER, PPI_TIMER_VIRT);
    irq_handler = on_irq;
    irq_unmask();
    for (unsigned beat = 1;; beat++) {
        unsigned wrong = 0;

        for (unsigned i = 0; i < CALLS; i++) {
            wrong += psci(PSCI_VERSION, 0, 0, 0) != version;
            wrong += mmio_read32(GICD_BASE + GICD_TYPER) != typer;
        }
        WRITE_SYSREG(cntv_tval_el0, ticks_from_us(BEAT_US));
        WRITE_SYSREG(cntv_ctl_el0, 1);
        while (fired != beat)
            wfi();
        note("beat %u, %u wrong", beat, wrong);
    }
}
