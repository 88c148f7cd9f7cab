/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL031 on a host whose clocks are this file's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/timerfd.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"

#define DR   0x00
#define MR   0x04
#define LR   0x08
#define CR   0x0c
#define IMSC 0x10
#define RIS  0x14
#define MIS  0x18
#define ICR  0x1c

static void counter_is_the_hosts_seconds(void **state)
{
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
    put(IMSC, 1);
    put(MR, 1699999999);
    pass(1000 * S);
    assert_false(host.irq);
    put(MR, 1700001000);
    assert_true(host.irq);
}

static void match_follows_a_counter_that_is_set(void **state)
{
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
    put(IMSC, 1);
    put(MR, 1700000010);
    host.wall -= 5 * S; /* back: the timer comes too early and looks again */
    pass(10 * S);
    assert_false(host.irq);
    pass(5 * S);
    assert_true(host.irq);
}

/* The timer that waits for the match would come 100 s too late. */
static void match_comes_at_once_when_the_hosts_clock_is_set_beyond_it(void **state)
{
    struct itimerspec timer;

    put(IMSC, 1);
    put(MR, 1700000100);
    host.wall += 50 * S;
    host.watch[0].ready(host.watch[0].opaque, RV_FD_READ);
    assert_false(host.irq);
    host.wall += 60 * S;
    host.watch[0].ready(host.watch[0].opaque, RV_FD_READ);
    assert_true(host.irq);
    /* It is told of the next time as well. */
    assert_int_equal(timerfd_gettime(host.watch[0].fd, &timer), 0);
    assert_true(timer.it_value.tv_sec > 0);
}

static void identification_is_what_drivers_look_for(void **state)
{
    static const uint8_t id[] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(0xfe0 + 4 * i), id[i]);
}

static void accesses_of_every_kind_end(void **state)
{
    uint64_t value;

    for (uint64_t offset = 0; offset < 0x1000; offset++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            if (offset % size)
                continue;
            assert_int_equal(
                ringvisor_device.regions[0].read(host.device, offset, size, &value, NULL), 0);
            assert_int_equal(
                ringvisor_device.regions[0].write(host.device, offset, size, ~0ull, NULL), 0);
        }
    }
    assert_int_equal(ringvisor_device.regions[0].read(host.device, 0, 8, &value, NULL), -EINVAL);
    assert_int_equal(ringvisor_device.regions[0].write(host.device, 0, 8, 0, NULL), -EINVAL);
    value = 0;
    put(LR, 0x12345678);
    assert_int_equal(ringvisor_device.regions[0].read(host.device, 2, 1, &value, NULL), 0);
    assert_int_equal(value & 0xff, 0x34);
}

static void reset_forgets_all(void **state)
{
    put(IMSC, 1);
    put(LR, 7);
    put(MR, 7);
    assert_true(host.irq);
    put(MR, 9);
    ringvisor_device.reset(host.device);
    assert_false(host.irq);
    assert_int_equal(plugin_host_timer_at(&host), PLUGIN_HOST_NEVER);
    assert_int_equal(get(DR), 1700000000);
    assert_int_equal(get(MR) | get(LR) | get(IMSC) | get(RIS), 0);
}

/* Another vmm, some time later, finds the state; the match was in between. */
static void taken_over_it_tells_of_a_match_that_has_passed(void **state)
{
    put(IMSC, 1);
    put(LR, 100);
    put(MR, 102);
    plugin_host_stop(&host);
    pass(60 * S);
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_int_equal(get(DR), 160);
    assert_true(host.irq);
}

static void create_without_a_timer_fails(void **state)
{
    plugin_host_stop(&host);
    host.no_timer = true;
    assert_int_equal(plugin_host_start(&host, 0), -ENOMEM);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, board_setup, board_teardown)
    const struct CMUnitTest tests[] = {
        TEST(counter_is_the_hosts_seconds),
        TEST(counter_goes_on_from_what_is_loaded),
        TEST(match_interrupts_once_and_when_enabled),
        TEST(match_of_now_is_at_once_and_of_the_past_never),
        TEST(match_follows_a_counter_that_is_set),
        TEST(match_follows_the_hosts_clock_when_that_is_set),
        TEST(match_comes_at_once_when_the_hosts_clock_is_set_beyond_it),
        TEST(identification_is_what_drivers_look_for),
        TEST(accesses_of_every_kind_end),
        TEST(reset_forgets_all),
        TEST(taken_over_it_tells_of_a_match_that_has_passed),
        TEST(create_without_a_timer_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
