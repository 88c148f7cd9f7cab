/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/polling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define US 1000ll
#define MS 1000000ll

static struct polling polling;
static int64_t now, cpu, switches;

static int64_t preemptions(void)
{
    return switches;
}

static int setup(void **state)
{
    now = 1000 * MS;
    cpu = 17 * MS;
    switches = 7;
    polling_init(&polling, now, cpu, preemptions);
    return 0;
}

/*
 * A round of looks that took `wall`, `used` of it on a processor: another thread had the
 * processor for the rest. True: sleep.
 */
static bool turn(int64_t wall, int64_t used, bool found)
{
    now += wall;
    cpu += used;
    switches += wall - used > 0;
    return polling_turn(&polling, now, cpu, found, !found);
}

/* A round in which the thread waited in a system call. */
static bool blocked(int64_t wall, int64_t used)
{
    now += wall;
    cpu += used;
    return polling_turn(&polling, now, cpu, 0, true);
}

static void sleep_for(int64_t ns)
{
    int64_t from = now;

    now += ns;
    polling_woke(&polling, from, now, cpu);
}

/* How long it looks in vain before it sleeps, on a processor of its own. */
static int64_t look_until_sleep(void)
{
    int64_t from = now;

    while (!turn(10 * US, 10 * US, false))
        assert_true(now - from < 10 * MS);
    return now - from;
}

static void looks_for_a_while_and_less_when_that_is_in_vain(void **state)
{
    int64_t first, last;

    first = last = look_until_sleep();
    assert_in_range(first, 900 * US, 1100 * US);
    for (unsigned i = 0; i < 10; i++) {
        sleep_for(50 * MS);
        last = look_until_sleep();
    }
    assert_in_range(last, 50 * US, 150 * US);
    sleep_for(20 * US); /* looking would have found it */
    assert_in_range(look_until_sleep(), 900 * US, 1100 * US);
}

static void work_that_is_found_starts_the_time_again(void **state)
{
    for (unsigned i = 0; i < 1000; i++)
        assert_false(turn(900 * US, 900 * US, i % 2));
}

static void a_lost_time_slice_means_that_processors_are_scarce(void **state)
{
    assert_false(polling_contended(&polling, now));
    assert_true(turn(3 * MS, 10 * US, false));
    assert_true(polling_contended(&polling, now));
    sleep_for(100 * US);
    assert_true(turn(10 * US, 10 * US, false)); /* one round of looks, no more */
}

static void a_system_call_that_blocks_is_not_contention(void **state)
{
    for (unsigned i = 0; i < 100; i++) {
        blocked(700 * US, 10 * US);
        assert_false(polling_contended(&polling, now));
        sleep_for(100 * US);
    }
    /* Not even after a preemption that was too short to matter. */
    turn(100 * US, 50 * US, true);
    blocked(700 * US, 10 * US);
    assert_false(polling_contended(&polling, now));
}

static void a_sleep_in_the_same_turn_does_not_hide_a_lost_slice(void **state)
{
    switches++;
    blocked(700 * US, 10 * US);
    assert_true(polling_contended(&polling, now));
}

/* What was found a moment ago is no reason to look for long. */
static void a_round_after_work_is_as_short_while_processors_are_scarce(void **state)
{
    assert_true(turn(3 * MS, 10 * US, false));
    sleep_for(20 * US);
    now += 10 * US;
    cpu += 10 * US;
    assert_true(polling_turn(&polling, now, cpu, 3, true));
}

/* Sleep and what a sleeper does not use are no sign. */
static void sleep_is_not_contention(void **state)
{
    for (unsigned i = 0; i < 100; i++) {
        look_until_sleep();
        sleep_for(100 * MS);
        assert_false(polling_contended(&polling, now));
    }
}

/* Beside busy threads: each poll of full length loses a slice. What that costs in a second. */
static void polls_in_vain_are_rare_while_contention_lasts(void **state)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < 100; i++) { /* let it converge */
        if (!polling_contended(&polling, now))
            turn(3 * MS, 100 * US, false);
        sleep_for(10 * MS);
    }
    for (int64_t end = now + 10000 * MS; now < end;) {
        if (!polling_contended(&polling, now)) {
            lost++;
            turn(3 * MS, 100 * US, false);
        }
        turn(10 * US, 10 * US, true);
        turn(10 * US, 10 * US, false);
        sleep_for(1 * MS);
    }
    assert_in_range(lost, 1, 30);
}

static void contention_that_is_over_is_forgotten(void **state)
{
    for (unsigned i = 0; i < 20; i++)
        turn(3 * MS, 10 * US, true);
    assert_true(polling_contended(&polling, now));
    for (unsigned i = 0; i < 60000; i++) /* half a minute of a busy guest, and a slice lost in it */
        turn(500 * US, 500 * US, true);
    assert_false(polling_contended(&polling, now));
    turn(3 * MS, 10 * US, true);
    assert_true(polling_contended(&polling, now));
    for (unsigned i = 0; i < 4; i++)
        turn(5 * MS, 5 * MS, true);
    assert_false(polling_contended(&polling, now));
}

/* The start of a guest takes the processor many times within some milliseconds, and then never again. */
static void a_burst_of_lost_slices_is_one_contention(void **state)
{
    for (unsigned i = 0; i < 20; i++)
        turn(400 * US, 10 * US, true);
    for (unsigned i = 0; i < 40; i++)
        turn(500 * US, 500 * US, true);
    assert_false(polling_contended(&polling, now));
}

static void where_polling_pays_scarce_processors_do_not_end_it(void **state)
{
    int64_t hold;

    turn(4 * MS, 1 * MS, true);
    assert_true(polling_contended(&polling, now));
    polling_insist(&polling, now + 20 * MS);
    assert_false(polling_contended(&polling, now));
    assert_in_range(look_until_sleep(), 900 * US, 1100 * US);
    /* A slice that is lost meanwhile was expected: nobody has said that CPUs are free. */
    hold = polling.hold;
    turn(2 * MS, 1 * MS, true);
    assert_int_equal(polling.hold, hold);
    for (unsigned i = 0; i < 5; i++)
        turn(4 * MS, 1 * MS, true);
    assert_true(polling_contended(&polling, now));
    assert_true(turn(5 * US, 5 * US, false));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(looks_for_a_while_and_less_when_that_is_in_vain),
        TEST(work_that_is_found_starts_the_time_again),
        TEST(a_lost_time_slice_means_that_processors_are_scarce),
        TEST(a_system_call_that_blocks_is_not_contention),
        TEST(a_sleep_in_the_same_turn_does_not_hide_a_lost_slice),
        TEST(a_round_after_work_is_as_short_while_processors_are_scarce),
        TEST(sleep_is_not_contention),
        TEST(polls_in_vain_are_rare_while_contention_lasts),
        TEST(contention_that_is_over_is_forgotten),
        TEST(a_burst_of_lost_slices_is_one_contention),
        TEST(where_polling_pays_scarce_processors_do_not_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
