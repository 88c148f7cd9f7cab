/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's answers are the test's. */
#include "vmm/cpu/placement.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS 1000000ll

static struct placement placement;
static cpu_set_t affinity;
static int here;
static unsigned changes;
static bool refused;

int sched_getcpu(void)
{
    return here;
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    assert_int_equal(pid, 0);
    assert_int_equal(size, sizeof(affinity));
    *set = affinity;
    return 0;
}

int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
    assert_int_equal(pid, 0);
    assert_int_equal(size, sizeof(affinity));
    if (refused) {
        errno = EPERM;
        return -1;
    }
    assert_true(CPU_COUNT(set) > 0);
    affinity = *set;
    changes++;
    return 0;
}

static void allow(unsigned cpus)
{
    CPU_ZERO(&affinity);
    for (size_t cpu = 0; cpu < 8; cpu++)
        if (cpus >> cpu & 1)
            CPU_SET(cpu, &affinity);
}

static unsigned allowed(void)
{
    unsigned cpus = 0;

    for (size_t cpu = 0; cpu < 8; cpu++)
        cpus |= CPU_ISSET(cpu, &affinity) ? 1u << cpu : 0;
    return cpus;
}

static int setup(void **state)
{
    placement_init(&placement);
    allow(0xf);
    here = 1;
    changes = 0;
    refused = false;
    return 0;
}

static void it_leaves_the_cpu_that_it_is_on(void **state)
{
    placement_leave(&placement, 100 * MS);
    assert_int_equal(allowed(), 0xd);
    here = 2;
    placement_leave(&placement, 200 * MS);
    assert_int_equal(allowed(), 0xb);
    assert_int_equal(placement.moves, 2);
}

static void it_stays_for_a_while(void **state)
{
    placement_leave(&placement, 100 * MS);
    here = 2;
    placement_leave(&placement, 104 * MS);
    assert_int_equal(changes, 1);
    placement_leave(&placement, 105 * MS);
    assert_int_equal(allowed(), 0xb);
}

static void it_uses_any_cpu_again_later(void **state)
{
    placement_relax(&placement, 50 * MS);
    placement_leave(&placement, 100 * MS);
    placement_relax(&placement, 1099 * MS);
    assert_int_equal(allowed(), 0xd);
    placement_relax(&placement, 1100 * MS);
    assert_int_equal(allowed(), 0xf);
    placement_relax(&placement, 3000 * MS);
    assert_int_equal(changes, 2);
}

static void the_only_cpu_is_not_left(void **state)
{
    allow(0x2);
    placement_leave(&placement, 100 * MS);
    assert_int_equal(changes, 0);
    assert_int_equal(placement.moves, 0);
}

static void cpus_that_are_not_allowed_are_never_used(void **state)
{
    allow(0x6);
    placement_leave(&placement, 100 * MS);
    assert_int_equal(allowed(), 0x4);
    here = 2;
    placement_leave(&placement, 200 * MS);
    assert_int_equal(allowed(), 0x2);
    placement_relax(&placement, 2000 * MS);
    assert_int_equal(allowed(), 0x6);
}

/* By taskset, for example. */
static void what_somebody_else_sets_is_respected(void **state)
{
    placement_leave(&placement, 100 * MS);
    allow(0x30);
    placement_relax(&placement, 2000 * MS);
    assert_int_equal(allowed(), 0x30);
    here = 4;
    placement_leave(&placement, 3000 * MS);
    assert_int_equal(allowed(), 0x20);
    allow(0xc0);
    here = 6;
    placement_leave(&placement, 3100 * MS);
    assert_int_equal(allowed(), 0x80);
    placement_relax(&placement, 9000 * MS);
    assert_int_equal(allowed(), 0xc0);
}

static void a_refusal_changes_nothing(void **state)
{
    refused = true;
    placement_leave(&placement, 100 * MS);
    placement_relax(&placement, 9000 * MS);
    assert_int_equal(allowed(), 0xf);
    assert_int_equal(placement.moves, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(it_leaves_the_cpu_that_it_is_on),
        TEST(it_stays_for_a_while),
        TEST(it_uses_any_cpu_again_later),
        TEST(the_only_cpu_is_not_left),
        TEST(cpus_that_are_not_allowed_are_never_used),
        TEST(what_somebody_else_sets_is_respected),
        TEST(a_refusal_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
