/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/stale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAGE  0x1000ull
#define PAGES 200ull

static struct stale stale;

static int setup(void **state)
{
    (void)state;
    return stale_init(&stale, PAGES * PAGE);
}

static int teardown(void **state)
{
    (void)state;
    stale_free(&stale);
    return 0;
}

static void page_that_was_touched_is_taken_once(void **state)
{
    (void)state;
    assert_false(stale_take(&stale, 0));
    stale_mark(&stale, 5 * PAGE + 0xfff, 2);
    assert_int_equal(stale.count, 2);
    assert_false(stale_take(&stale, 4 * PAGE));
    assert_true(stale_take(&stale, 5 * PAGE));
    assert_true(stale_take(&stale, 6 * PAGE + 0x123));
    assert_false(stale_take(&stale, 5 * PAGE));
    assert_int_equal(stale.count, 0);
}

static void nothing_outside_of_ram_is_touched(void **state)
{
    (void)state;
    stale_mark(&stale, (PAGES - 1) * PAGE, 3 * PAGE);
    stale_mark(&stale, 7 * PAGE, 0);
    stale_mark(&stale, UINT64_MAX - 5, 3);
    assert_int_equal(stale.count, 1);
    assert_false(stale_take(&stale, PAGES * PAGE));
    assert_false(stale_take(&stale, UINT64_MAX));
    assert_true(stale_take(&stale, (PAGES - 1) * PAGE));
}

static void each_range_is_marked_exactly(void **state)
{
    (void)state;
    for (uint64_t first = 0; first < PAGES; first += 7) {
        for (uint64_t end = first + 1; end <= PAGES; end += 5) {
            stale_mark(&stale, first * PAGE, (end - first) * PAGE);
            assert_int_equal(stale.count, end - first);
            for (uint64_t page = 0; page < PAGES; page++)
                assert_int_equal(stale_take(&stale, page * PAGE), page >= first && page < end);
        }
    }
}

static void runs_are_what_was_marked(void **state)
{
    uint64_t offset = 0, size;

    (void)state;
    stale_mark(&stale, 0, PAGE);
    stale_mark(&stale, 60 * PAGE, 10 * PAGE);
    stale_mark(&stale, 65 * PAGE, 1); /* a second time */
    stale_mark(&stale, (PAGES - 1) * PAGE, PAGE);
    assert_int_equal(stale.count, 12);
    assert_true(stale_take_run(&stale, &offset, &size));
    assert_int_equal(offset, 0);
    assert_int_equal(size, PAGE);
    offset += size;
    assert_true(stale_take_run(&stale, &offset, &size));
    assert_int_equal(offset, 60 * PAGE);
    assert_int_equal(size, 10 * PAGE);
    offset += size;
    assert_true(stale_take_run(&stale, &offset, &size));
    assert_int_equal(offset, (PAGES - 1) * PAGE);
    assert_int_equal(size, PAGE);
    offset += size;
    assert_false(stale_take_run(&stale, &offset, &size));
    assert_int_equal(stale.count, 0);
}

static void clear_takes_all_out(void **state)
{
    (void)state;
    stale_mark(&stale, 0, PAGES * PAGE);
    assert_int_equal(stale.count, PAGES);
    stale_clear(&stale);
    assert_int_equal(stale.count, 0);
    assert_false(stale_take(&stale, 3 * PAGE));
}

/* A machine that sees all has no list. */
static void without_a_list_nothing_is_marked(void **state)
{
    struct stale none = {0};

    (void)state;
    stale_mark(&none, 0, PAGE);
    assert_false(stale_take(&none, 0));
    stale_clear(&none);
    stale_free(&none);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(page_that_was_touched_is_taken_once),
        TEST(nothing_outside_of_ram_is_touched),
        TEST(each_range_is_marked_exactly),
        TEST(runs_are_what_was_marked),
        TEST(clear_takes_all_out),
        cmocka_unit_test(without_a_list_nothing_is_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
