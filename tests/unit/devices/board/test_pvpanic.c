/* SPDX-License-Identifier: BSD-2-Clause */
/* The panic notifier: what each event asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"

static void start(const char *action)
{
    board_start("action", action);
}

static void event(uint64_t offset, unsigned size, uint64_t value)
{
    assert_int_equal(ringvisor_device.regions[0].write(host.device, offset, size, value, NULL), 0);
}

static int teardown(void **state)
{
    plugin_host_stop(&host);
    return 0;
}

static void both_events_are_known(void **state)
{
    uint64_t value = ~0ull;

    start("exit");
    assert_int_equal(ringvisor_device.regions[0].read(host.device, 0, 1, &value, NULL), 0);
    assert_int_equal(value, 3);
    assert_int_equal(ringvisor_device.regions[0].read(host.device, 1, 1, &value, NULL), 0);
    assert_int_equal(value, 0);
}

/* By `action` and what is written. */
static void events_ask_for_what_the_user_wants(void **state)
{
    static const struct {
        const char *action;
        unsigned size;
        uint64_t offset, value;
        unsigned requests, warnings;
        uint32_t request;
    } cases[] = {
        {"exit", 1, 0, 1, 1, 1, RV_REQUEST_PANIC},
        {"exit", 2, 0, 0x0101, 1, 1, RV_REQUEST_PANIC},
        {"exit", 1, 0, 3, 1, 1, RV_REQUEST_PANIC}, /* both: it cannot go on */
        {"reset", 1, 0, 1, 1, 1, RV_REQUEST_RESET},
        {"none", 1, 0, 1, 0, 1, 0},
        {"exit", 1, 0, 2, 0, 1, 0}, /* the crash kernel is to run: let it */
        {"reset", 1, 0, 2, 0, 1, 0},
        {"none", 1, 0, 2, 0, 1, 0},
        {"exit", 1, 0, 0, 0, 0, 0},
        {"exit", 1, 0, 0xfc, 0, 0, 0}, /* events of later versions */
        {"exit", 1, 1, 1, 0, 0, 0},    /* the byte behind is nothing */
        {"exit", 2, 0, 0x0100, 0, 0, 0},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].action);
        event(cases[i].offset, cases[i].size, cases[i].value);
        assert_int_equal(host.requests, cases[i].requests);
        assert_int_equal(host.warnings, cases[i].warnings);
        if (cases[i].requests)
            assert_int_equal(host.request, cases[i].request);
        if (i + 1 < sizeof(cases) / sizeof(cases[0]))
            plugin_host_stop(&host);
    }
}

static void guest_cannot_fill_the_log_by_panicking(void **state)
{
    start("none");
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
    start("exit");
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
