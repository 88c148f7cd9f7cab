/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SGIs between two CPUs: none is lost, what was stored before one is seen, and the registers of
 * the redistributor tell the truth of them. Also for CPUs that share one physical CPU.
 */
#include "tests/payloads/gicv3.h"

#define CPU1    1u
#define PING    1u
#define PONG    2u
#define STORM   3u
#define LATE    4u
#define ROUNDS  200u
#define STORMS  40u
#define BURST   20u
#define IRM     (1ull << 40)
#define FRAME_1 (SGI_BASE + 0x20000u) /* CPU 1's */

static volatile unsigned pings, pongs, storms, seen, sequence;
static volatile unsigned lates[2];       /* by CPU */
static volatile unsigned phase, reached; /* what CPU 1 is to do, and what it does */

static void store_barrier(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

static unsigned cpu_number(void)
{
    return (unsigned)READ_SYSREG(mpidr_el1) & 0xff;
}

static void handler(unsigned intid)
{
    if (intid == PING) {
        pings++;
        gic_send_sgi(PONG, 1u << 0);
    } else if (intid == PONG) {
        pongs++;
    } else if (intid == STORM && cpu_number() == CPU1) {
        storms++;
        seen = sequence;
    } else if (intid == LATE) {
        lates[cpu_number() & 1]++;
    }
}

/* CPU 1: takes interrupts, but in phase 2, where it masks them. */
static void second_cpu(uint64_t context)
{
    (void)context;
    gic_init_cpu();
    irq_unmask();
    for (;;) {
        unsigned now = phase;

        if (now == 2)
            irq_mask();
        else
            irq_unmask();
        reached = now;
        if (now == 3)
            __asm__ volatile("wfi");
    }
}

static void go(unsigned next)
{
    phase = next;
    check_true(wait_for(&reached, next), "second_cpu_is_there");
}

/* Each waits for the other's: one that is lost ends it. */
static void ping_pong(const char *name)
{
    unsigned i = 0, before = pongs;

    for (; i < ROUNDS && pongs == before + i; i++) {
        gic_send_sgi(PING, 1u << CPU1);
        if (!wait_for(&pongs, before + i + 1))
            break;
    }
    check(i, ROUNDS, name);
}

/* SGIs that come together may become one, but the last is seen with all that was stored. */
static void storm(void)
{
    unsigned i = 0;

    for (; i < STORMS; i++) {
        for (unsigned n = 0; n < BURST; n++) {
            sequence++;
            gic_send_sgi(STORM, 1u << CPU1);
        }
        if (!wait_for(&seen, sequence))
            break;
    }
    check(i, STORMS, "the_last_of_a_storm_is_seen_with_what_was_stored_before");
    check_true(storms <= STORMS * BURST, "no_sgi_comes_twice");
}

static void registers(void)
{
    go(2); /* CPU 1 takes none */
    gic_send_sgi(LATE, 1u << CPU1);
    check(mmio_read32(FRAME_1 + GIC_ISPENDR) >> LATE & 1, 1, "sgi_is_pending_in_its_redistributor");
    mmio_write32(FRAME_1 + GIC_ICPENDR, 1u << LATE);
    check(mmio_read32(FRAME_1 + GIC_ISPENDR) >> LATE & 1, 0, "sgi_can_be_cleared");
    go(1);
    check(lates[1], 0, "cleared_sgi_does_not_come");
    mmio_write32(FRAME_1 + GIC_ICENABLER, 1u << LATE);
    gic_send_sgi(LATE, 1u << CPU1);
    check(mmio_read32(FRAME_1 + GIC_ISPENDR) >> LATE & 1, 1, "disabled_sgi_is_pending");
    check(lates[1], 0, "disabled_sgi_does_not_come");
    mmio_write32(FRAME_1 + GIC_ISENABLER, 1u << LATE);
    check_true(wait_for(&lates[1], 1), "sgi_comes_when_it_is_enabled");
    store_barrier();
    ICC_WRITE(ICC_SGI1R, (uint64_t)LATE << 24 | IRM);
    check_true(wait_for(&lates[1], 2), "sgi_to_all_others_comes");
    gic_send_sgi(LATE, 1u << 0 | 1u << CPU1);
    check_true(wait_for(&lates[0], 1), "sgi_to_both_comes_to_oneself");
    check_true(wait_for(&lates[1], 3), "sgi_to_both_comes_to_the_other");
}

void test_main(void)
{
    gic_init();
    for (unsigned sgi = PING; sgi <= LATE; sgi++) {
        gic_enable(sgi);
        mmio_write8(FRAME_1 + GIC_IPRIORITYR + sgi, GIC_PRIORITY);
    }
    mmio_write32(FRAME_1 + GIC_IGROUPR, ~0u);
    mmio_write32(FRAME_1 + GIC_ISENABLER, 1u << PING | 1u << STORM | 1u << LATE);
    gic_hook = handler;
    cpu1_main = second_cpu;
    check((uint64_t)psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, 0), PSCI_SUCCESS,
          "second_cpu_starts");
    irq_unmask();
    go(1);
    ping_pong("each_sgi_to_a_spinning_cpu_arrives");
    storm();
    registers();
    phase = 3;
    ping_pong("each_sgi_to_a_waiting_cpu_arrives");
    irq_mask();
}
