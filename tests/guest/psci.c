/* SPDX-License-Identifier: BSD-2-Clause */
/* PSCI beyond what each call test does: power states, affinities, a second CPU if there is one. */
#include "tests/guest/gicv3.h"

#define NO_CPU 0x00ff0001ull /* affinity that no board of the tests has */

static void stop_timer(unsigned intid)
{
    (void)intid;
    WRITE_SYSREG(cntv_ctl_el0, 0);
}

static void test_suspend(uint32_t function, const char *name)
{
    uint64_t start;

    gic_init();
    gic_enable(PPI_TIMER_VIRT);
    gic_hook = stop_timer;
    start = counter();
    WRITE_SYSREG(cntv_tval_el0, ticks_from_us(3000));
    WRITE_SYSREG(cntv_ctl_el0, 1);
    /* StateType 0: standby. Entry point and context are not used. A wake-up may be early. */
    while ((READ_SYSREG(cntv_ctl_el0) & 4) == 0) {
        if (psci(function, 0, 0, 0) != PSCI_SUCCESS)
            break;
    }
    check_true(counter() - start >= ticks_from_us(3000), "%s_standby_returns_success", name);
    gic_take(1);
    check(gic_log.intid[0], PPI_TIMER_VIRT, "%s_standby_ends_with_the_timer", name);
}

static void test_affinity(void)
{
    uint64_t self = READ_SYSREG(mpidr_el1) & 0xffffff;

    check((uint64_t)psci(PSCI_AFFINITY_INFO64, self, 0, 0), PSCI_AFFINITY_ON,
          "affinity_info_of_this_cpu_is_on");
    check((uint64_t)psci(PSCI_AFFINITY_INFO64, NO_CPU, 0, 0), (uint64_t)PSCI_INVALID_PARAMS,
          "affinity_info_of_no_cpu");
    if (testdev_present())
        check((uint64_t)psci(PSCI_AFFINITY_INFO64, self, 4, 0), (uint64_t)PSCI_INVALID_PARAMS,
              "affinity_info_of_level_4");
    else
        skip("affinity_info_of_level_4", "the bare board says that every level is on");
    check((uint64_t)psci(PSCI_CPU_ON64, self, RAM_BASE, 0), (uint64_t)PSCI_ALREADY_ON,
          "cpu_on_of_this_cpu");
    check((uint64_t)psci(PSCI_CPU_ON64, NO_CPU, RAM_BASE, 0), (uint64_t)PSCI_INVALID_PARAMS,
          "cpu_on_of_no_cpu");
}

static void test_other(void)
{
    int64_t reset2 = psci(PSCI_FEATURES, PSCI_SYSTEM_RESET2, 0, 0);
    int64_t bad = reset2 == PSCI_SUCCESS ? PSCI_INVALID_PARAMS : PSCI_NOT_SUPPORTED;

    check((uint64_t)psci(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0), 2, "migrate_info_type_is_not_required");
    check((uint64_t)psci(PSCI_SYSTEM_RESET2, 1, 0, 0), (uint64_t)bad,
          "system_reset2_reserved_type");
    check((uint64_t)psci(PSCI_SYSTEM_RESET2_64, 0x7fffffff, 0, 0), (uint64_t)bad,
          "system_reset2_reserved_type_64");
}

#define CPU1    1ull
#define CONTEXT 0x1122334455667788ull
#define SGI     3u

static volatile unsigned started;
static volatile unsigned may_stop;
static volatile uint64_t cpu1_context;
static volatile uint64_t cpu1_mpidr;

/* Runs on the second CPU; start.S switches it off when this returns. */
static void second_cpu(uint64_t context)
{
    cpu1_context = context;
    cpu1_mpidr = READ_SYSREG(mpidr_el1);
    __asm__ volatile("dsb sy" ::: "memory");
    started++;
    gic_init_cpu();
    gic_send_sgi(SGI, 1);
    while (may_stop < started)
        ;
}

static bool cpu1_is(int64_t state)
{
    uint64_t start = counter();

    while (psci(PSCI_AFFINITY_INFO64, CPU1, 0, 0) != state) {
        if (counter() - start > ticks_from_us(1000000))
            return false;
    }
    return true;
}

static void test_second_cpu(void)
{
    if (psci(PSCI_AFFINITY_INFO64, CPU1, 0, 0) == PSCI_INVALID_PARAMS) {
        note("one CPU: no test of a second one");
        return;
    }
    check_true(cpu1_is(PSCI_AFFINITY_OFF), "second_cpu_is_off_at_first");
    cpu1_main = second_cpu;
    for (unsigned round = 1; round <= 3; round++) {
        gic_init();
        gic_enable(SGI);
        check((uint64_t)psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, CONTEXT + round),
              PSCI_SUCCESS, "second_cpu_on_%u", round);
        check_true(wait_for(&started, round), "second_cpu_runs_%u", round);
        check(cpu1_context, CONTEXT + round, "second_cpu_context_%u", round);
        check(cpu1_mpidr & 0xff00ffffffull, CPU1, "second_cpu_mpidr_%u", round);
        check((uint64_t)psci(PSCI_CPU_ON64, CPU1, RAM_BASE, 0), (uint64_t)PSCI_ALREADY_ON,
              "second_cpu_on_twice_%u", round);
        gic_take(1);
        check(gic_log.intid[0], SGI, "second_cpu_sends_sgi_%u", round);
        may_stop = round;
        check_true(cpu1_is(PSCI_AFFINITY_OFF), "second_cpu_is_off_after_%u", round);
    }
}

void test_main(void)
{
    test_suspend(PSCI_CPU_SUSPEND, "cpu_suspend");
    test_suspend(PSCI_CPU_SUSPEND64, "cpu_suspend64");
    test_affinity();
    test_other();
    test_second_cpu();
}
