/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual and the physical timer, their level-triggered interrupts, and WFI. */
#include "tests/payloads/gicv3.h"

#define CTL_ENABLE  0x1u
#define CTL_IMASK   0x2u
#define CTL_ISTATUS 0x4u

#define TICKS    1000u
#define LATER_US 200000u /* a host that is busy does not make it the first */

struct timer {
    const char *name;
    unsigned intid;
    uint64_t (*count)(void);
    uint64_t (*get_ctl)(void);
    void (*set_ctl)(uint64_t value);
    uint64_t (*get_cval)(void);
    void (*set_cval)(uint64_t value);
    void (*set_tval)(uint64_t value);
};

#define ACCESSORS(prefix, reg, ctl, cval, tval)   \
    static uint64_t prefix##_count(void)          \
    {                                             \
        __asm__ volatile("isb" ::: "memory");     \
        return READ_SYSREG(reg);                  \
    }                                             \
    static uint64_t prefix##_get_ctl(void)        \
    {                                             \
        return READ_SYSREG(ctl);                  \
    }                                             \
    static void prefix##_set_ctl(uint64_t value)  \
    {                                             \
        WRITE_SYSREG(ctl, value);                 \
    }                                             \
    static uint64_t prefix##_get_cval(void)       \
    {                                             \
        return READ_SYSREG(cval);                 \
    }                                             \
    static void prefix##_set_cval(uint64_t value) \
    {                                             \
        WRITE_SYSREG(cval, value);                \
    }                                             \
    static void prefix##_set_tval(uint64_t value) \
    {                                             \
        WRITE_SYSREG(tval, value);                \
    }

ACCESSORS(virt, cntvct_el0, cntv_ctl_el0, cntv_cval_el0, cntv_tval_el0)
ACCESSORS(phys, cntpct_el0, cntp_ctl_el0, cntp_cval_el0, cntp_tval_el0)

#define TIMER(name, prefix, intid)                                                          \
    {                                                                                       \
        name, intid, prefix##_count, prefix##_get_ctl, prefix##_set_ctl, prefix##_get_cval, \
            prefix##_set_cval, prefix##_set_tval                                            \
    }
static const struct timer timers[] = {TIMER("virtual", virt, PPI_TIMER_VIRT),
                                      TIMER("physical", phys, PPI_TIMER_PHYS)};

static const struct timer *now; /* what the hooks work on */
static volatile uint64_t last_time;
static volatile unsigned early;
static volatile unsigned ticks_left;

static void setup(const struct timer *timer)
{
    now = timer;
    early = 0;
    for (unsigned i = 0; i < 2; i++)
        timers[i].set_ctl(0);
    gic_init();
    gic_enable(timer->intid);
}

static void hook_stop(unsigned intid)
{
    (void)intid;
    last_time = now->count();
    early += last_time < now->get_cval();
    now->set_ctl(0);
}

static void test_wfi(const struct timer *timer)
{
    uint64_t start;

    setup(timer);
    gic_hook = hook_stop;
    start = timer->count();
    timer->set_tval(ticks_from_us(3000));
    timer->set_ctl(CTL_ENABLE);
    /* Masked, so that an early interrupt only ends the WFI. It is taken after. */
    while ((timer->get_ctl() & CTL_ISTATUS) == 0)
        wfi();
    gic_take(1);
    check(gic_log.count, 1, "%s_timer_wakes_wfi_and_comes_once", timer->name);
    check(gic_log.intid[0], timer->intid, "%s_timer_intid", timer->name);
    check(early, 0, "%s_timer_is_not_early", timer->name);
    check_true(last_time - start >= ticks_from_us(3000), "%s_timer_takes_its_time", timer->name);
}

/* Rings again, so that a WFI which began just after the interrupt has an end, too. */
static void hook_again(unsigned intid)
{
    (void)intid;
    now->set_tval(ticks_from_us(1000));
}

/* WFI with PSTATE.I clear: the interrupt is taken, and WFI is behind it. */
static void test_wfi_unmasked(const struct timer *timer)
{
    setup(timer);
    gic_hook = hook_again;
    timer->set_tval(ticks_from_us(1000));
    timer->set_ctl(CTL_ENABLE);
    irq_unmask();
    while (gic_log.count == 0)
        wfi();
    irq_mask();
    timer->set_ctl(0);
    check(gic_log.intid[0], timer->intid, "%s_timer_ends_wfi_unmasked", timer->name);
}

static void test_imask(const struct timer *timer)
{
    setup(timer);
    gic_hook = hook_stop;
    timer->set_cval(timer->count());
    timer->set_ctl(CTL_ENABLE | CTL_IMASK);
    irq_unmask();
    delay_us(2000);
    irq_mask();
    check(gic_log.count, 0, "%s_timer_imask_holds_it_back", timer->name);
    check(timer->get_ctl(), CTL_ENABLE | CTL_IMASK | CTL_ISTATUS, "%s_timer_istatus_is_seen",
          timer->name);
    timer->set_ctl(CTL_ENABLE);
    gic_take(1);
    check(gic_log.count, 1, "%s_timer_fires_when_unmasked", timer->name);
}

/* The timer's line is high long before somebody listens. */
static void test_enabled_late(const struct timer *timer)
{
    setup(timer);
    gic_hook = hook_stop;
    gic_disable(timer->intid);
    timer->set_tval(ticks_from_us(100));
    timer->set_ctl(CTL_ENABLE);
    irq_unmask();
    check_true(gic_wait_pending(timer->intid), "%s_timer_is_pending_in_gicr", timer->name);
    irq_mask();
    check(gic_log.count, 0, "%s_timer_disabled_in_the_gic_does_not_come", timer->name);
    gic_enable(timer->intid);
    gic_take(1);
    check(gic_log.count, 1, "%s_timer_comes_when_enabled_late", timer->name);
    check_true(!gic_read_bit(GIC_ISPENDR, timer->intid), "%s_timer_is_not_pending_after",
               timer->name);

    setup(timer);
    gic_hook = hook_stop;
    gic_disable(timer->intid);
    timer->set_tval(ticks_from_us(100));
    timer->set_ctl(CTL_ENABLE);
    gic_wait_pending(timer->intid);
    timer->set_ctl(0);
    gic_enable(timer->intid);
    gic_take(0);
    check(gic_log.count, 0, "%s_timer_that_was_stopped_does_not_come", timer->name);
}

/* Ends the interrupt three times without a word to the timer. */
static void hook_third_time(unsigned intid)
{
    (void)intid;
    if (gic_log.count == 3)
        now->set_cval(now->count() + ticks_from_us(3600000000));
}

static void test_level(const struct timer *timer)
{
    setup(timer);
    gic_hook = hook_third_time;
    timer->set_cval(timer->count());
    timer->set_ctl(CTL_ENABLE);
    gic_take(3);
    check(gic_log.count, 3, "%s_timer_comes_again_until_cval_moves", timer->name);
    check(timer->get_ctl(), CTL_ENABLE, "%s_timer_istatus_falls_when_cval_moves", timer->name);
    timer->set_ctl(0);
}

static void hook_tick(unsigned intid)
{
    uint64_t time = now->count();

    (void)intid;
    early += time < now->get_cval() || time < last_time;
    last_time = time;
    if (--ticks_left == 0)
        now->set_ctl(0);
    else
        now->set_cval(time + ticks_from_us(20));
}

static void test_many(const struct timer *timer)
{
    setup(timer);
    gic_hook = hook_tick;
    last_time = 0;
    ticks_left = TICKS;
    timer->set_cval(timer->count());
    timer->set_ctl(CTL_ENABLE);
    while (ticks_left != 0) {
        wfi(); /* masked: an interrupt between the look and the WFI is not lost */
        irq_unmask();
        irq_mask();
    }
    gic_take(0);
    check(gic_log.count, TICKS, "%s_timer_ticks_1000_times", timer->name);
    check(early, 0, "%s_timer_ticks_are_never_early_or_out_of_order", timer->name);
}

static void hook_stop_by_intid(unsigned intid)
{
    timers[intid == PPI_TIMER_PHYS].set_ctl(0);
}

static void test_order(void)
{
    for (unsigned first = 0; first < 2; first++) {
        const struct timer *a = &timers[first];
        const struct timer *b = &timers[1 - first];

        setup(a);
        gic_enable(b->intid);
        gic_hook = hook_stop_by_intid;
        b->set_tval(ticks_from_us(LATER_US));
        b->set_ctl(CTL_ENABLE);
        a->set_tval(ticks_from_us(1000));
        a->set_ctl(CTL_ENABLE);
        gic_take(2);
        check(gic_log.intid[0], a->intid, "%s_timer_first_when_it_is_sooner", a->name);
        check(gic_log.intid[1], b->intid, "%s_timer_second_when_it_is_later", b->name);
        check(gic_log.count, 2, "%s_timer_first_both_come_once", a->name);
    }
}

/* Both lines are high: the GIC's priority decides, not the time. */
static void test_priority(void)
{
    for (unsigned first = 0; first < 2; first++) {
        setup(&timers[0]);
        gic_enable(timers[1].intid);
        gic_set_priority(timers[first].intid, 0x40);
        gic_hook = hook_stop_by_intid;
        for (unsigned i = 0; i < 2; i++) {
            timers[i].set_cval(0);
            timers[i].set_ctl(CTL_ENABLE);
        }
        for (unsigned i = 0; i < 2; i++)
            check_true(gic_wait_pending(timers[i].intid), "%s_timer_is_pending_before_priority_%u",
                       timers[i].name, first);
        gic_take(2);
        check(gic_log.intid[0], timers[first].intid, "%s_timer_of_higher_priority_is_first",
              timers[first].name);
        check(gic_log.count, 2, "%s_timer_of_higher_priority_both_come", timers[first].name);
    }
}

static void test_counters(void)
{
    uint64_t a = virt_count();
    uint64_t b = virt_count();
    uint64_t p;

    check_true((READ_SYSREG(cntfrq_el0) & 0xffffffffu) >= 1000000u, "cntfrq_is_set");
    check_true(b >= a, "cntvct_does_not_go_back");
    p = phys_count();
    delay_us(1000);
    check_true(phys_count() - p >= ticks_from_us(1000), "cntpct_runs_as_cntvct_does");
}

/* WFE has an event from SEVL; both must go on. */
static void test_wfe(void)
{
    __asm__ volatile("sevl\n\twfe\n\tsev\n\twfe" ::: "memory");
    check_true(true, "wfe_goes_on_after_an_event");
}

/* WFI with something pending and PSTATE.I set does not wait and takes nothing. */
static void test_wfi_pending(void)
{
    setup(&timers[0]);
    gic_enable(1);
    gic_send_sgi(1, 1);
    wfi();
    wfi();
    check(gic_log.count, 0, "wfi_with_i_set_takes_nothing");
    gic_take(1);
    check(gic_log.intid[0], 1, "wfi_with_i_set_leaves_the_interrupt");
}

void test_main(void)
{
    test_counters();
    test_wfe();
    test_wfi_pending();
    for (unsigned i = 0; i < 2; i++) {
        test_wfi(&timers[i]);
        test_wfi_unmasked(&timers[i]);
        test_imask(&timers[i]);
        test_enabled_late(&timers[i]);
        test_level(&timers[i]);
        test_many(&timers[i]);
    }
    test_order();
    test_priority();
}
