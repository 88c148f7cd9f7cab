/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two CPUs that keep each other's core busy: floods of messages in one direction
 * must not hold up those in the other, nor lose a doorbell. Needs two CPUs.
 */
#include "tests/payloads/gicv3.h"
#include "tests/payloads/testdev.h"

#define CPU1        1ull
#define SPI         40u
#define KICKS       5000u
#define LOOKS       150u
#define GICR_CPU1   (GICR_BASE + 0x20000)
#define PENDING_SGI (GICR_CPU1 + 0x10200)

static volatile unsigned running, done;

/* Posted writes without end, until the other says stop. */
static void flood(uint64_t context)
{
    (void)context;
    running = 1;
    while (!done)
        mmio_write32(TESTDEV_BASE + TESTDEV_POSTED, 1);
}

/* Each write has the vmm inject into the other CPU, which never exits by itself. */
static void kick(uint64_t context)
{
    (void)context;
    running = 1;
    for (unsigned i = 0; i < KICKS; i++)
        mmio_write32(GICD_BASE + GIC_ISPENDR + SPI / 32 * 4, 1u << SPI % 32);
    __asm__ volatile("dsb sy" ::: "memory");
    done = 1;
}

static void start(void (*what)(uint64_t))
{
    /* It must have seen `done` before that is taken back. */
    while (psci(PSCI_AFFINITY_INFO64, CPU1, 0, 0) != PSCI_AFFINITY_OFF)
        ;
    running = done = 0;
    cpu1_main = what;
    check((uint64_t)psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, 0), PSCI_SUCCESS,
          "second_cpu_starts");
    check_true(wait_for(&running, 1), "second_cpu_runs");
}

void test_main(void)
{
    uint32_t pending = 0;

    /* What is asked of the flooding CPU has to get through its flood. */
    start(flood);
    for (unsigned i = 0; i < LOOKS; i++)
        pending |= mmio_read32(PENDING_SGI);
    done = 1;
    check(pending & 0xffff, 0, "state_of_a_flooding_cpu_can_be_read");

    mmio_write32(GICD_BASE + GICD_CTLR, GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    mmio_write64(GICD_BASE + 0x6000 + SPI * 8, 0);
    mmio_write32(GICD_BASE + GIC_ISENABLER + SPI / 32 * 4, 1u << SPI % 32);
    start(kick);
    while (!done)
        ;
    check(done, 1, "a_spinning_cpu_is_kicked_many_times");
}
