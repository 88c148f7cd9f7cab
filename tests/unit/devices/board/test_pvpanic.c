/* SPDX-License-Identifier: BSD-2-Clause */
/* The panic notifier: what each event asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/clock_host.h"

static void start(unsigned action)
{
    host.choice = action;
    clock_host_start();
}

static void event(uint64_t offset, unsigned size, uint64_t value)
{
    assert_int_equal(ringvisor_device.write(host.device, offset, size, value), 0);
}

static int teardown(void **state)
{
    (void)state;
    assert_true(clock_host_stop());
    return 0;
}

static void both_events_are_known(void **state)
{
    uint64_t value = ~0ull;

    (void)state;
    start(0);
    assert_int_equal(ringvisor_device.read(host.device, 0, 1, &value), 0);
    assert_int_equal(value, 3);
    assert_int_equal(ringvisor_device.read(host.device, 1, 1, &value), 0);
    assert_int_equal(value, 0);
}

/* By `action` (exit, reset, none) and what is written. */
static void events_ask_for_what_the_user_wants(void **state)
{
    static const struct {
        unsigned action, size;
        uint64_t offset, value;
        unsigned requests, warnings;
        enum rv_request request;
    } cases[] = {
        {0, 1, 0, 1, 1, 1, RV_REQUEST_PANIC},
        {0, 2, 0, 0x0101, 1, 1, RV_REQUEST_PANIC},
        {0, 1, 0, 3, 1, 1, RV_REQUEST_PANIC}, /* both: it cannot go on */
        {1, 1, 0, 1, 1, 1, RV_REQUEST_RESET},
        {2, 1, 0, 1, 0, 1, 0},
        {0, 1, 0, 2, 0, 1, 0}, /* the crash kernel is to run: let it */
        {1, 1, 0, 2, 0, 1, 0},
        {2, 1, 0, 2, 0, 1, 0},
        {0, 1, 0, 0, 0, 0, 0},
        {0, 1, 0, 0xfc, 0, 0, 0}, /* events of later versions */
        {0, 1, 1, 1, 0, 0, 0},    /* the byte behind is nothing */
        {0, 2, 0, 0x0100, 0, 0, 0},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].action);
        event(cases[i].offset, cases[i].size, cases[i].value);
        assert_int_equal(host.requests, cases[i].requests);
        assert_int_equal(host.warnings, cases[i].warnings);
        if (cases[i].requests)
            assert_int_equal(host.request, cases[i].request);
        if (i + 1 < sizeof(cases) / sizeof(cases[0]))
            clock_host_stop();
    }
}

static void guest_cannot_fill_the_log_by_panicking(void **state)
{
    (void)state;
    start(2);
    for (unsigned i = 0; i < 1000; i++)
        event(0, 1, 1 + i % 2);
    assert_int_equal(host.warnings, 2);
    ringvisor_device.reset(host.device);
    event(0, 1, 1);
    assert_int_equal(host.warnings, 2); /* nor by booting */
    pass(10 * S);
    event(0, 1, 1);
    assert_int_equal(host.warnings, 3);
}

static void accesses_of_every_kind_end(void **state)
{
    (void)state;
    start(0);
    every_access(2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_events_are_known),
        TEST(events_ask_for_what_the_user_wants),
        TEST(guest_cannot_fill_the_log_by_panicking),
        TEST(accesses_of_every_kind_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
