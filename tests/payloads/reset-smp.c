/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets while another CPU is in the middle of its exits: what that CPU had
 * under way must neither be answered nor be missed. Needs two CPUs, and the
 * test device, which counts the resets.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/testdev.h"

#define CPU1   1ull
#define RESETS 30u

static volatile unsigned running;

/* Exits without end: calls, and reads of a device. */
static void second_cpu(uint64_t context)
{
    (void)context;
    for (;;) {
        psci(PSCI_VERSION, 0, 0, 0);
        (void)mmio_read32(TESTDEV_BASE + TESTDEV_SCRATCH);
        running = 1;
    }
}

void test_main(void)
{
    uint32_t resets = mmio_read32(TESTDEV_BASE + TESTDEV_STICKY);

    if (resets < RESETS) {
        mmio_write32(TESTDEV_BASE + TESTDEV_STICKY, resets + 1);
        cpu1_main = second_cpu;
        if (psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, 0) == PSCI_SUCCESS &&
            wait_for(&running, 1))
            psci(PSCI_SYSTEM_RESET, 0, 0, 0);
    }
    check(resets, RESETS, "resets_under_exits_of_the_other_cpu");
}
