/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/soon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CALLS 4u

static struct event_base *base;
static struct soon *soon[CALLS];
static unsigned order[2 * CALLS], calls;
static void (*at_call)(unsigned which);

static void called(void *opaque)
{
    unsigned which = (unsigned)(uintptr_t)opaque;

    order[calls++] = which;
    if (at_call)
        at_call(which);
}

static int setup(void **state)
{
    base = event_base_new();
    for (unsigned i = 0; i < CALLS; i++)
        soon[i] = soon_new(base, called, (void *)(uintptr_t)i);
    at_call = NULL;
    calls = 0;
    return 0;
}

static int teardown(void **state)
{
    for (unsigned i = 0; i < CALLS; i++)
        soon_free(soon[i]);
    event_base_free(base);
    return soon_any();
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void what_is_armed_is_called_once_and_in_order(void **state)
{
    assert_false(soon_any());
    soon_arm(soon[2]);
    soon_arm(soon[0]);
    soon_arm(soon[2]);
    assert_true(soon_any());
    assert_int_equal(calls, 0);
    soon_run();
    assert_int_equal(calls, 2);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 0);
    assert_false(soon_any());
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
    turn(); /* has nothing left to call */
    soon_run();
    assert_int_equal(calls, 2);
}

static void libevent_calls_it_where_nobody_else_does(void **state)
{
    soon_arm(soon[1]);
    turn();
    assert_int_equal(calls, 1);
    assert_false(soon_any());
    soon_run();
    assert_int_equal(calls, 1);
}

static void arm_it(unsigned which)
{
    soon_arm(soon[which]);
}

static void what_a_call_arms_is_left_for_the_next_pass(void **state)
{
    at_call = arm_it;
    soon_arm(soon[1]);
    for (unsigned pass = 1; pass < 4; pass++) {
        soon_run();
        assert_int_equal(calls, pass);
        assert_true(soon_any());
    }
}

static void free_the_next(unsigned which)
{
    for (unsigned i = which + 1; i < CALLS; i++) {
        soon_free(soon[i]);
        soon[i] = NULL;
    }
    soon_arm(soon[which]);
}

static void one_that_is_freed_does_not_come(void **state)
{
    at_call = free_the_next;
    for (unsigned i = 0; i < CALLS; i++)
        soon_arm(soon[i]);
    soon_run();
    assert_int_equal(calls, 1);
    soon_free(soon[0]);
    soon[0] = NULL;
    assert_false(soon_any());
    turn();
    assert_int_equal(calls, 1);
}

static void a_time_ends_when_the_call_comes_sooner(void **state)
{
    soon_arm_in(soon[0], 3600000);
    assert_true(soon_is_timed(soon[0]));
    assert_false(soon_any());
    soon_arm(soon[0]);
    soon_run();
    assert_int_equal(calls, 1);
    assert_false(soon_is_timed(soon[0]));
    soon_arm_in(soon[0], 1);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(calls, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_armed_is_called_once_and_in_order),
        TEST(libevent_calls_it_where_nobody_else_does),
        TEST(what_a_call_arms_is_left_for_the_next_pass),
        TEST(one_that_is_freed_does_not_come),
        TEST(a_time_ends_when_the_call_comes_sooner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
