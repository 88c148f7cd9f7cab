/* SPDX-License-Identifier: BSD-2-Clause */
/* The SP805 watchdog on a host whose clock is the test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"

#define LOAD    0x00
#define VALUE   0x04
#define CONTROL 0x08
#define INTCLR  0x0c
#define RIS     0x10
#define MIS     0x14
#define LOCK    0xc00

#define SECOND 24000000u /* ticks */
#define UNLOCK 0x1acce551u

static void counter_stands_until_it_is_enabled(void **state)
{
    assert_int_equal(get(LOAD), 0xffffffff);
    assert_int_equal(get(CONTROL), 0);
    put(LOAD, SECOND);
    pass(100 * S);
    assert_int_equal(get(VALUE), SECOND);
    assert_false(host.irq);
    put(CONTROL, 2); /* RESEN alone does not count */
    pass(100 * S);
    assert_int_equal(host.requests, 0);
}

static void counter_counts_down_at_24_mhz(void **state)
{
    put(LOAD, 2 * SECOND - 1);
    put(CONTROL, 1);
    pass(S / 2);
    assert_in_range(get(VALUE), SECOND + SECOND / 2 - 2, SECOND + SECOND / 2);
    put(LOAD, SECOND); /* a write begins anew */
    assert_in_range(get(VALUE), SECOND - 1, SECOND);
    pass(S / 2);
    put(CONTROL, 0);
    pass(10 * S);
    assert_in_range(get(VALUE), SECOND / 2 - 1, SECOND / 2 + 1); /* stands */
    put(CONTROL, 1);
    assert_in_range(get(VALUE), SECOND - 1, SECOND); /* and begins anew */
}

static void first_time_interrupts_second_time_resets(void **state)
{
    put(LOAD, SECOND - 1);
    put(CONTROL, 3);
    pass(S - 1);
    assert_false(host.irq);
    pass(1);
    assert_true(host.irq);
    assert_int_equal(get(RIS), 1);
    assert_int_equal(get(MIS), 1);
    assert_int_equal(host.requests, 0);
    pass(S - 1);
    assert_int_equal(host.requests, 0);
    pass(1);
    assert_int_equal(host.requests, 1);
    assert_int_equal(host.request, RV_REQUEST_RESET);
    assert_int_equal(host.warnings, 1);
}

static void guest_that_serves_it_is_left_alone(void **state)
{
    put(LOAD, SECOND - 1);
    put(CONTROL, 3);
    for (unsigned i = 0; i < 100; i++) {
        pass(3 * S / 2); /* between the interrupt and the reset */
        assert_true(host.irq);
        put(INTCLR, 0); /* any value */
        assert_false(host.irq);
    }
    assert_int_equal(host.requests, 0);
}

static void without_resen_it_only_interrupts(void **state)
{
    put(LOAD, SECOND - 1);
    put(CONTROL, 1);
    pass(100 * S);
    assert_true(host.irq);
    assert_int_equal(host.requests, 0);
    put(CONTROL, 0);
    assert_false(host.irq);
    assert_int_equal(get(RIS), 1);
    assert_int_equal(get(MIS), 0);
}

static void load_of_0_does_not_hold_the_loop(void **state)
{
    plugin_host_stop(&host);
    board_start("action", "none");
    put(LOAD, 0);
    put(CONTROL, 3);
    pass(2000); /* 42 ns each */
    assert_int_equal(host.warnings, 0);
    assert_true(plugin_host_timer_at(&host) > host.now);
}

static void guest_cannot_fill_the_log_by_expiring(void **state)
{
    plugin_host_stop(&host);
    board_start("action", "none");
    put(LOAD, 0);
    for (unsigned i = 0; i < 10; i++) {
        put(CONTROL, 3);
        pass(S / 2);
        put(CONTROL, 0);
    }
    assert_int_equal(host.warnings, 1);
    for (unsigned i = 0; i < 4; i++) { /* and by being reset neither */
        ringvisor_device.reset(host.device);
        put(LOAD, 0);
        put(CONTROL, 3);
        pass(S);
    }
    assert_int_equal(host.warnings, 1);
    pass(2 * S);
    assert_int_equal(host.warnings, 2);
}

static void lock_refuses_writes_but_its_own(void **state)
{
    put(LOCK, 1);
    assert_int_equal(get(LOCK), 1);
    put(LOAD, 5);
    put(CONTROL, 3);
    assert_int_equal(get(LOAD), 0xffffffff);
    assert_int_equal(get(CONTROL), 0);
    put(LOCK, UNLOCK);
    assert_int_equal(get(LOCK), 0);
    put(LOAD, SECOND);
    assert_int_equal(get(LOAD), SECOND);
}

static void action_is_the_users(void **state)
{
    static const struct {
        const char *action;
        unsigned requests;
        uint32_t request;
    } wanted[] = {{"reset", 1, RV_REQUEST_RESET},
                  {"poweroff", 1, RV_REQUEST_POWER_OFF},
                  {"exit", 1, RV_REQUEST_PANIC},
                  {"none", 0, RV_REQUEST_RESET}};

    for (unsigned i = 0; i < 4; i++) {
        plugin_host_stop(&host);
        board_start("action", wanted[i].action);
        put(LOAD, SECOND - 1);
        put(CONTROL, 3);
        pass(2 * S);
        assert_int_equal(host.requests, wanted[i].requests);
        assert_int_equal(host.request, wanted[i].request);
        assert_int_equal(host.warnings, 1);
    }
}

/* The vmm was stopped: the guest could not be served, and is not to blame. */
static void vmm_that_did_not_run_gives_the_time_anew(void **state)
{
    put(LOAD, SECOND - 1);
    put(CONTROL, 3);
    pass(S);
    assert_true(host.irq);
    host.now += 60 * S;
    pass(0);
    assert_int_equal(host.requests, 0);
    pass(S);
    assert_int_equal(host.requests, 1);
}

static void guest_that_stands_still_does_not_count(void **state)
{
    put(LOAD, 10 * SECOND);
    put(CONTROL, 3);
    pass(4 * S);
    assert_int_equal(ringvisor_device.quiesce(host.device), 0);
    pass(1000 * S);
    ringvisor_device.resume(host.device);
    assert_in_range(get(VALUE), 6 * SECOND - 9, 6 * SECOND + 9);
    pass(7 * S);
    assert_true(host.irq);
}

static void next_process_goes_on_with_it(void **state)
{
    put(LOAD, 10 * SECOND);
    put(CONTROL, 3);
    pass(11 * S);
    assert_true(host.irq);
    plugin_host_stop(&host);
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_true(host.irq);
    pass(11 * S);
    assert_int_equal(host.requests, 1);
}

static void identification_is_what_drivers_look_for(void **state)
{
    static const uint8_t id[] = {0x05, 0x18, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(0xfe0 + 4 * i), id[i]);
    every_access(0x1000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, board_setup, board_teardown)
    const struct CMUnitTest tests[] = {
        TEST(counter_stands_until_it_is_enabled),
        TEST(counter_counts_down_at_24_mhz),
        TEST(first_time_interrupts_second_time_resets),
        TEST(guest_that_serves_it_is_left_alone),
        TEST(without_resen_it_only_interrupts),
        TEST(load_of_0_does_not_hold_the_loop),
        TEST(guest_cannot_fill_the_log_by_expiring),
        TEST(lock_refuses_writes_but_its_own),
        TEST(action_is_the_users),
        TEST(vmm_that_did_not_run_gives_the_time_anew),
        TEST(guest_that_stands_still_does_not_count),
        TEST(next_process_goes_on_with_it),
        TEST(identification_is_what_drivers_look_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
