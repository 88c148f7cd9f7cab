/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's answers are the test's. */
#include "vmm/cpu/placement.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define US 1000ll
#define MS 1000000ll

static struct placement placement;
static cpu_set_t allowed;
static int here;
static unsigned moves, changes;
static bool refused;

int sched_getcpu(void)
{
    return here;
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    assert_int_equal(pid, 0);
    assert_int_equal(size, sizeof(allowed));
    *set = allowed;
    return 0;
}

/* As the kernel does: a thread that may not stay where it is goes to the first CPU that it may use. */
int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
    assert_int_equal(pid, 0);
    assert_int_equal(size, sizeof(allowed));
    assert_true(CPU_COUNT(set) > 0);
    if (refused) {
        errno = EPERM;
        return -1;
    }
    allowed = *set;
    changes++;
    if (CPU_ISSET((size_t)here, set))
        return 0;
    here = 0;
    while (!CPU_ISSET((size_t)here, set))
        here++;
    moves++;
    return 0;
}

static void allow(unsigned cpus)
{
    CPU_ZERO(&allowed);
    for (size_t cpu = 0; cpu < 8; cpu++) {
        if (cpus >> cpu & 1)
            CPU_SET(cpu, &allowed);
    }
}

static void assert_allowed(unsigned cpus)
{
    for (size_t cpu = 0; cpu < 8; cpu++)
        assert_int_equal(!!CPU_ISSET(cpu, &allowed), cpus >> cpu & 1);
}

static int setup(void **state)
{
    placement = (struct placement){0};
    allow(0xf);
    here = 1;
    moves = changes = 0;
    refused = false;
    return 0;
}

/* `n` answers, all late, from `at` on: how often the thread has left its CPU. */
static unsigned late(unsigned n, int64_t at, int64_t every)
{
    unsigned left = 0;

    for (unsigned i = 0; i < n; i++)
        left += placement_late(&placement, at + i * every);
    return left;
}

static void it_leaves_its_cpu_when_answers_are_late_one_after_the_other(void **state)
{
    assert_int_equal(late(15, 100 * MS, 30 * US), 0);
    assert_int_equal(moves, 0);
    assert_int_equal(late(1, 101 * MS, 0), 1);
    assert_int_equal(moves, 1);
    assert_int_not_equal(here, 1);
}

static void it_may_use_the_same_cpus_afterwards(void **state)
{
    allow(0x6);
    assert_int_equal(late(16, 100 * MS, 30 * US), 1);
    assert_int_equal(here, 2);
    assert_allowed(0x6);
    assert_int_equal(late(16, 200 * MS, 30 * US), 1);
    assert_int_equal(here, 1);
    assert_allowed(0x6);
}

static void an_answer_in_time_ends_the_row(void **state)
{
    assert_int_equal(late(15, 100 * MS, 30 * US), 0);
    placement_in_time(&placement);
    assert_int_equal(late(15, 101 * MS, 30 * US), 0);
    assert_int_equal(late(1, 102 * MS, 0), 1);
}

/* So many answers in time, every 1.2 us, and then a late one. */
static int64_t in_time(unsigned n, int64_t at)
{
    for (unsigned i = 0; i < n; i++)
        placement_in_time(&placement);
    at += n * 1200ll;
    placement_late(&placement, at);
    return at;
}

/* Beside one other thread: a slice each. */
static void a_move_that_pays_can_come_again_at_once(void **state)
{
    int64_t now = 100 * MS;

    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(late(16, now, 30 * US), 1);
        for (unsigned slice = 0; slice < 5; slice++)
            now = in_time(2000, now) + 3 * MS;
    }
}

/* Beside many: hardly an answer is in time. */
static void moves_that_do_not_pay_become_rare(void **state)
{
    int64_t now = 100 * MS, end = now + 60000 * MS;
    unsigned left = 0;

    for (; now < end; now += 500 * US) {
        left += late(16, now, 30 * US);
        now += 480 * US;
    }
    assert_in_range(left, 10, 50);
    /* The others are gone. */
    now += 10000 * MS;
    assert_int_equal(late(16, now, 30 * US), 1);
    for (unsigned slice = 0; slice < 5; slice++)
        now = in_time(2000, now) + 3 * MS;
    assert_int_equal(late(16, now, 30 * US), 1);
}

static void a_guest_that_is_idle_afterwards_says_nothing_of_the_move(void **state)
{
    assert_int_equal(late(16, 100 * MS, 30 * US), 1);
    assert_int_equal(late(16, 1000 * MS, 30 * US), 1);
    assert_int_equal(placement.pause, 0);
}

/* Each waits for something else than the vmm, and being late costs it little. */
static void exits_with_pauses_move_nothing(void **state)
{
    assert_int_equal(late(1000, 100 * MS, 200 * US), 0);
    assert_int_equal(changes, 0);
    assert_int_equal(late(100, 1000 * MS, 30 * US) > 0, 1);
}

static void the_only_cpu_is_not_left(void **state)
{
    allow(0x2);
    assert_int_equal(late(100, 100 * MS, 30 * US), 0);
    assert_int_equal(changes, 0);
}

static void a_refusal_changes_nothing(void **state)
{
    refused = true;
    assert_int_equal(late(100, 100 * MS, 30 * US), 0);
    assert_allowed(0xf);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(it_leaves_its_cpu_when_answers_are_late_one_after_the_other),
        TEST(it_may_use_the_same_cpus_afterwards),
        TEST(an_answer_in_time_ends_the_row),
        TEST(a_move_that_pays_can_come_again_at_once),
        TEST(moves_that_do_not_pay_become_rare),
        TEST(a_guest_that_is_idle_afterwards_says_nothing_of_the_move),
        TEST(exits_with_pauses_move_nothing),
        TEST(the_only_cpu_is_not_left),
        TEST(a_refusal_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
