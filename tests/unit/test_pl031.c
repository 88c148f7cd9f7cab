/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL031 on a host whose clocks are this file's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <ringvisor/device.h>

#define DR   0x00
#define MR   0x04
#define LR   0x08
#define CR   0x0c
#define IMSC 0x10
#define RIS  0x14
#define MIS  0x18
#define ICR  0x1c

#define S 1000000000ull

struct rv_host {
    void *device;
    uint64_t wall, now; /* ns */
    uint64_t timer_at;  /* 0: not set */
    void (*fired)(void *opaque);
    void *opaque;
    bool irq;
    bool no_timer;
    unsigned timers;
    uint8_t state[0x18];
};

static struct rv_host host;

static void host_log(struct rv_host *h, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_host *h, enum rv_log_level level, const char *fmt, ...)
{
    (void)h;
    (void)level;
    (void)fmt;
}

static void host_irq_set(struct rv_host *h, unsigned line, bool level)
{
    assert_int_equal(line, 0);
    h->irq = level;
}

static uint64_t host_now(struct rv_host *h)
{
    return h->now;
}

static uint64_t host_wall(struct rv_host *h)
{
    return h->wall;
}

static struct rv_host_timer *host_timer_new(struct rv_host *h, void (*fired)(void *), void *opaque)
{
    if (h->no_timer)
        return NULL;
    h->timers++;
    h->fired = fired;
    h->opaque = opaque;
    return (struct rv_host_timer *)(void *)h;
}

static void host_timer_set(struct rv_host *h, struct rv_host_timer *timer, uint64_t at)
{
    assert_ptr_equal(timer, h);
    h->timer_at = at;
}

static void host_timer_cancel(struct rv_host *h, struct rv_host_timer *timer)
{
    assert_ptr_equal(timer, h);
    h->timer_at = 0;
}

static void host_timer_free(struct rv_host *h, struct rv_host_timer *timer)
{
    assert_ptr_equal(timer, h);
    h->timers--;
}

static const struct rv_host_ops ops = {
    .size = sizeof(ops),
    .log = host_log,
    .irq_set = host_irq_set,
    .now_ns = host_now,
    .wall_ns = host_wall,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_cancel = host_timer_cancel,
    .timer_free = host_timer_free,
};

/* Time passes; what falls due on the way, happens. */
static void pass(uint64_t ns)
{
    uint64_t end = host.now + ns;

    while (host.timer_at && host.timer_at <= end) {
        host.wall += host.timer_at - host.now;
        host.now = host.timer_at;
        host.timer_at = 0;
        host.fired(host.opaque);
    }
    host.wall += end - host.now;
    host.now = end;
}

static uint64_t get(uint64_t offset)
{
    uint64_t value = ~0ull;

    assert_int_equal(ringvisor_device.read(host.device, offset, 4, &value), 0);
    return value;
}

static void put(uint64_t offset, uint32_t value)
{
    assert_int_equal(ringvisor_device.write(host.device, offset, 4, value), 0);
}

static int setup(void **state)
{
    (void)state;
    memset(&host, 0, sizeof(host));
    host.wall = 1700000000 * S + S / 4;
    host.now = 5 * S;
    assert_int_equal(ringvisor_device.state_size, sizeof(host.state));
    assert_int_equal(ringvisor_device.create(&host, &ops, host.state, 0, &host.device), 0);
    ringvisor_device.reset(host.device);
    ringvisor_device.resume(host.device);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ringvisor_device.destroy(host.device);
    assert_int_equal(host.timers, 0);
    return 0;
}

static void counter_is_the_hosts_seconds(void **state)
{
    (void)state;
    assert_int_equal(get(DR), 1700000000);
    pass(3 * S / 4);
    assert_int_equal(get(DR), 1700000001);
    assert_int_equal(get(CR), 1);
    put(CR, 0);
    assert_int_equal(get(CR), 1);
    put(DR, 5);
    assert_int_equal(get(DR), 1700000001);
}

static void counter_goes_on_from_what_is_loaded(void **state)
{
    (void)state;
    put(LR, 1000);
    assert_int_equal(get(LR), 1000);
    assert_int_equal(get(DR), 1000);
    pass(10 * S);
    assert_int_equal(get(DR), 1010);
    put(LR, 0xfffffffe);
    pass(3 * S);
    assert_int_equal(get(DR), 1); /* it wraps */
}

static void match_interrupts_once_and_when_enabled(void **state)
{
    (void)state;
    put(IMSC, 0xff);
    assert_int_equal(get(IMSC), 1);
    put(MR, 1700000003);
    pass(2 * S + S / 2);
    assert_false(host.irq);
    pass(S / 4);
    assert_true(host.irq);
    assert_int_equal(get(RIS), 1);
    assert_int_equal(get(MIS), 1);
    put(IMSC, 0);
    assert_false(host.irq);
    assert_int_equal(get(RIS), 1);
    assert_int_equal(get(MIS), 0);
    put(ICR, 1);
    assert_int_equal(get(RIS), 0);
    pass(100 * S);
    assert_int_equal(get(RIS), 0);
}

static void match_of_now_is_at_once_and_of_the_past_never(void **state)
{
    (void)state;
    put(IMSC, 1);
    put(MR, 1699999999);
    pass(1000 * S);
    assert_false(host.irq);
    put(MR, 1700001000);
    assert_true(host.irq);
}

static void match_follows_a_counter_that_is_set(void **state)
{
    (void)state;
    put(IMSC, 1);
    put(MR, 1700000100);
    put(LR, 1700000098);
    pass(2 * S);
    assert_true(host.irq);
    put(ICR, 1);
    put(MR, 1700000200);
    put(LR, 1700000300); /* beyond it: not any more */
    pass(1000 * S);
    assert_false(host.irq);
}

static void match_follows_the_hosts_clock_when_that_is_set(void **state)
{
    (void)state;
    put(IMSC, 1);
    put(MR, 1700000010);
    host.wall -= 5 * S; /* back: the timer comes too early and looks again */
    pass(10 * S);
    assert_false(host.irq);
    pass(5 * S);
    assert_true(host.irq);
}

static void identification_is_what_drivers_look_for(void **state)
{
    static const uint8_t id[] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(0xfe0 + 4 * i), id[i]);
}

static void accesses_of_every_kind_end(void **state)
{
    uint64_t value;

    (void)state;
    for (uint64_t offset = 0; offset < 0x1000; offset++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            if (offset % size)
                continue;
            assert_int_equal(ringvisor_device.read(host.device, offset, size, &value), 0);
            assert_int_equal(ringvisor_device.write(host.device, offset, size, ~0ull), 0);
        }
    }
    assert_int_equal(ringvisor_device.read(host.device, 0, 8, &value), -EINVAL);
    assert_int_equal(ringvisor_device.write(host.device, 0, 8, 0), -EINVAL);
    value = 0;
    put(LR, 0x12345678);
    assert_int_equal(ringvisor_device.read(host.device, 2, 1, &value), 0);
    assert_int_equal(value & 0xff, 0x34);
}

static void reset_forgets_all(void **state)
{
    (void)state;
    put(IMSC, 1);
    put(LR, 7);
    put(MR, 7);
    assert_true(host.irq);
    put(MR, 9);
    ringvisor_device.reset(host.device);
    assert_false(host.irq);
    assert_int_equal(host.timer_at, 0);
    assert_int_equal(get(DR), 1700000000);
    assert_int_equal(get(MR) | get(LR) | get(IMSC) | get(RIS), 0);
}

/* Another vmm, some time later, finds the state; the match was in between. */
static void taken_over_it_tells_of_a_match_that_has_passed(void **state)
{
    (void)state;
    put(IMSC, 1);
    put(LR, 100);
    put(MR, 102);
    ringvisor_device.destroy(host.device);
    host.timer_at = 0;
    pass(60 * S);
    assert_int_equal(
        ringvisor_device.create(&host, &ops, host.state, RV_CREATE_RESUME, &host.device), 0);
    ringvisor_device.resume(host.device);
    assert_int_equal(get(DR), 160);
    assert_true(host.irq);
}

static void create_without_a_timer_fails(void **state)
{
    void *device;

    (void)state;
    host.no_timer = true;
    assert_int_equal(ringvisor_device.create(&host, &ops, host.state, 0, &device), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counter_is_the_hosts_seconds, setup, teardown),
        cmocka_unit_test_setup_teardown(counter_goes_on_from_what_is_loaded, setup, teardown),
        cmocka_unit_test_setup_teardown(match_interrupts_once_and_when_enabled, setup, teardown),
        cmocka_unit_test_setup_teardown(match_of_now_is_at_once_and_of_the_past_never, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(match_follows_a_counter_that_is_set, setup, teardown),
        cmocka_unit_test_setup_teardown(match_follows_the_hosts_clock_when_that_is_set, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(identification_is_what_drivers_look_for, setup, teardown),
        cmocka_unit_test_setup_teardown(accesses_of_every_kind_end, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_forgets_all, setup, teardown),
        cmocka_unit_test_setup_teardown(taken_over_it_tells_of_a_match_that_has_passed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(create_without_a_timer_fails, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
