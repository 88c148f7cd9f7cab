/* SPDX-License-Identifier: BSD-2-Clause */
/* PSCI beyond what each call test does: power states, affinities, a second CPU if there is one. */
#include "tests/payloads/gicv3.h"

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

/* One way to power this CPU down. The 32-bit calls have a 32-bit context. */
struct power_down {
    const char *name;
    power_down_t call;
    uint32_t function;
    bool has_state; /* x1 is a power_state, the entry is x2 */
};

static const struct power_down power_downs[] = {
    {"cpu_suspend", power_down_hvc, PSCI_CPU_SUSPEND, true},
    {"cpu_suspend64", power_down_hvc, PSCI_CPU_SUSPEND64, true},
    {"cpu_suspend64_smc", power_down_smc, PSCI_CPU_SUSPEND64, true},
    {"cpu_default_suspend", power_down_hvc, PSCI_CPU_DEF_SUSPEND, false},
    {"cpu_default_suspend64", power_down_smc, PSCI_CPU_DEF_SUSPEND64, false},
    {"system_suspend", power_down_smc, PSCI_SYSTEM_SUSPEND, false},
    {"system_suspend64", power_down_hvc, PSCI_SYSTEM_SUSPEND64, false},
};
#define POWER_DOWNS (sizeof(power_downs) / sizeof(power_downs[0]))

#define POWER_STATE_DOWN 0x10000u

/* The registers of the call; `entry` in its place. */
static void power_down_args(const struct power_down *p, uint64_t entry, uint64_t x[4])
{
    unsigned n = 1;

    x[0] = p->function;
    if (p->has_state)
        x[n++] = POWER_STATE_DOWN;
    x[n++] = entry;
    x[n] = CONTEXT;
}

/* Makes registers differ from reset, powers down, and checks that they are as after reset. */
static bool power_down(const struct power_down *p)
{
    uint64_t context = p->function & 0x40000000u ? CONTEXT : (uint32_t)CONTEXT;
    uint64_t sctlr = READ_SYSREG(sctlr_el1);
    struct resumed r = {0};
    uint64_t x[4] = {0};

    power_down_args(p, (uint64_t)&power_down_resume, x);
    WRITE_SYSREG(sctlr_el1, sctlr | 1u << 9); /* UMA: of EL0 only */
    WRITE_SYSREG(tpidr_el1, CONTEXT);
    WRITE_SYSREG(oslar_el1, 0);
    if (!p->call(x, &r)) {
        check(x[0], ~0ull, "%s_does_not_return", p->name);
        return false;
    }
    check(r.x0, context, "%s_context_id", p->name);
    check(r.current_el, 4, "%s_comes_back_at_el1", p->name);
    check(r.spsel, 1, "%s_comes_back_on_sp_el1", p->name);
    check(r.daif, PSTATE_DAIF, "%s_comes_back_masked", p->name);
    check(r.sctlr, boot_state.sctlr, "%s_sctlr_is_reset", p->name);
    check(r.vbar, 0, "%s_vbar_is_reset", p->name);
    check(r.tpidr, 0, "%s_tpidr_is_reset", p->name);
    check(r.oslsr & 2, 2, "%s_os_lock_is_reset", p->name);
    check(r.igrpen1, 0, "%s_interrupt_groups_are_reset", p->name);
    check(r.pmr, 0, "%s_priority_mask_is_reset", p->name);
    return true;
}

/* The timer goes on and wakes; an interrupt that was active still is. */
static void test_power_down(const struct power_down *p)
{
    uint64_t start;

    gic_init();
    gic_enable(PPI_TIMER_VIRT);
    gic_enable(SGI);
    gic_hook = stop_timer;
    gic_send_sgi(SGI, 1);
    check_true(gic_wait_pending(SGI), "%s_sgi_comes", p->name);
    check(ICC_READ(ICC_IAR1), SGI, "%s_sgi_is_taken", p->name);
    start = counter();
    WRITE_SYSREG(cntv_tval_el0, ticks_from_us(3000));
    WRITE_SYSREG(cntv_ctl_el0, 1);
    if (!power_down(p))
        return;
    check_true(counter() - start >= ticks_from_us(3000), "%s_lasts_until_the_timer", p->name);
    check(READ_SYSREG(cntv_ctl_el0), 5, "%s_timer_goes_on", p->name);
    check_true(gic_read_bit(GIC_ISACTIVER, SGI), "%s_active_interrupt_stays", p->name);
    gic_write_bit(GIC_ICACTIVER, SGI);
    gic_log_clear();
    gic_hook = stop_timer;
    gic_init_cpu();
    gic_take(1);
    check(gic_log.intid[0], PPI_TIMER_VIRT, "%s_ends_with_the_timer", p->name);
    check(gic_log.count, 1, "%s_ends_with_one_interrupt", p->name);
}

/* What is pending at the call ends it, and is not lost. Power is lost all the same. */
static void test_power_down_pending(const struct power_down *p)
{
    gic_init();
    gic_enable(SGI);
    gic_send_sgi(SGI, 1);
    check_true(gic_wait_pending(SGI), "%s_pending", p->name);
    if (!power_down(p))
        return;
    gic_log_clear();
    gic_init_cpu();
    gic_take(1);
    check(gic_log.intid[0], SGI, "%s_keeps_what_is_pending", p->name);
    check(gic_log.count, 1, "%s_keeps_it_once", p->name);
}

/* Timers that fire at about the time of the call: neither lost, nor taken twice. */
static void test_power_down_race(const struct power_down *p)
{
    unsigned wrong = 0;

    for (unsigned us = 0; us < 200; us += 2) {
        struct resumed r;
        uint64_t x[4] = {0};

        gic_init();
        gic_enable(PPI_TIMER_VIRT);
        gic_hook = stop_timer;
        power_down_args(p, (uint64_t)&power_down_resume, x);
        WRITE_SYSREG(cntv_tval_el0, ticks_from_us(us));
        WRITE_SYSREG(cntv_ctl_el0, 1);
        wrong += !p->call(x, &r);
        gic_init_cpu();
        gic_take(1);
        wrong += gic_log.count != 1 || gic_log.intid[0] != PPI_TIMER_VIRT;
    }
    check(wrong, 0, "%s_never_misses_a_timer_that_fires_meanwhile", p->name);
}

static void test_bad_entries(const struct power_down *p)
{
    static const uint64_t entries[] = {RAM_BASE + 2, HOLE, UART_BASE, HOLE_HIGH, 0xffffffffull};

    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        uint64_t x[4] = {0};

        power_down_args(p, entries[i], x);
        check((uint64_t)psci((uint32_t)x[0], x[1], x[2], x[3]), (uint64_t)PSCI_INVALID_ADDRESS,
              "%s_entry_0x%lx", p->name, entries[i]);
    }
}

static void test_power_downs(void)
{
    if (!testdev_present()) {
        skip("power_down", "the bare board's firmware has standby only");
        return;
    }
    for (unsigned i = 0; i < POWER_DOWNS; i++) {
        test_power_down(&power_downs[i]);
        test_bad_entries(&power_downs[i]);
    }
    test_power_down_pending(&power_downs[1]);
    test_power_down_pending(&power_downs[5]);
    test_power_down_race(&power_downs[1]);
    check((uint64_t)psci(PSCI_CPU_SUSPEND64, POWER_STATE_DOWN | 1u << 24,
                         (uint64_t)&power_down_resume, 0),
          (uint64_t)PSCI_INVALID_PARAMS, "cpu_suspend_of_the_cluster_is_refused");
}

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
        if (testdev_present()) {
            check((uint64_t)psci(PSCI_SYSTEM_SUSPEND64, (uint64_t)&power_down_resume, 0, 0),
                  (uint64_t)PSCI_DENIED, "system_suspend_beside_a_second_cpu_%u", round);
            check((uint64_t)psci(PSCI_NODE_HW_STATE64, CPU1, 0, 0), 0,
                  "second_cpu_hw_state_is_on_%u", round);
        }
        may_stop = round;
        check_true(cpu1_is(PSCI_AFFINITY_OFF), "second_cpu_is_off_after_%u", round);
        if (testdev_present()) {
            check((uint64_t)psci(PSCI_NODE_HW_STATE, CPU1, 0, 0), 1,
                  "second_cpu_hw_state_is_off_%u", round);
            test_power_down(&power_downs[POWER_DOWNS - 1]);
        }
    }
}

void test_main(void)
{
    test_suspend(PSCI_CPU_SUSPEND, "cpu_suspend");
    test_suspend(PSCI_CPU_SUSPEND64, "cpu_suspend64");
    test_affinity();
    test_other();
    test_power_downs();
    test_second_cpu();
}
