/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/dirty_map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/util/bits.h"

#define PAGES 300u /* no multiple of 64 */

static struct dirty_map map;
static void *memory;

static int setup(void **state)
{
    memory = calloc(1, dirty_map_size(PAGES));
    dirty_map_new(&map, memory, PAGES);
    return memory ? 0 : -1;
}

static int teardown(void **state)
{
    free(memory);
    return 0;
}

/* What the set that counts has; the newest set, if `newest`. */
static unsigned count(bool newest)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PAGES; i++)
        n += newest ? dirty_map_has(&map, i) : bits_get(dirty_map_pages(&map), i);
    return n;
}

static void snapshot(const char *name)
{
    dirty_map_cut(&map);
    dirty_map_commit(&map, name);
}

/* Another process finds what this one has left. */
static void die(void)
{
    assert_int_equal(dirty_map_attach(&map, memory, dirty_map_size(PAGES), PAGES), 0);
}

static void without_a_base_every_page_counts(void **state)
{
    assert_string_equal(dirty_map_base(&map), "");
    assert_int_equal(count(false), PAGES);
    dirty_map_cut(&map);
    dirty_map_abort(&map);
    assert_string_equal(dirty_map_base(&map), "");
    assert_int_equal(count(false), PAGES);
    assert_int_equal(count(true), PAGES);
}

static void what_is_written_since_the_base_counts(void **state)
{
    snapshot("one");
    assert_string_equal(dirty_map_base(&map), "one");
    assert_int_equal(count(false), 0);
    dirty_map_add(&map, 63, 65);
    dirty_map_add(&map, 299, 400);
    assert_int_equal(count(false), 3);
    assert_true(dirty_map_has(&map, 63) && dirty_map_has(&map, 64) && dirty_map_has(&map, 299));
    assert_false(dirty_map_has(&map, 62) || dirty_map_has(&map, 65) || dirty_map_has(&map, 300));
    snapshot("two");
    assert_string_equal(dirty_map_base(&map), "two");
    assert_int_equal(count(false), 0);
}

static void a_write_between_the_cut_and_its_end_counts_for_the_next_one(void **state)
{
    snapshot("one");
    dirty_map_add(&map, 1, 2);
    dirty_map_cut(&map);
    assert_false(dirty_map_has(&map, 1));
    dirty_map_add(&map, 2, 3);
    assert_true(dirty_map_has(&map, 2));
    dirty_map_commit(&map, "two");
    assert_int_equal(count(false), 1);
    assert_true(dirty_map_has(&map, 2));
}

static void a_snapshot_that_fails_loses_no_page(void **state)
{
    snapshot("one");
    dirty_map_add(&map, 1, 2);
    dirty_map_cut(&map);
    dirty_map_add(&map, 2, 3);
    dirty_map_abort(&map);
    assert_string_equal(dirty_map_base(&map), "one");
    assert_int_equal(count(false), 2);
    assert_int_equal(count(true), 2);
    snapshot("two"); /* what the failed one had noted does not come up again */
    assert_int_equal(count(false), 0);
}

static void a_process_that_dies_at_any_time_leaves_every_page(void **state)
{
    snapshot("one");
    dirty_map_add(&map, 1, 2);
    die();
    assert_int_equal(count(false), 1);
    dirty_map_cut(&map);
    dirty_map_add(&map, 2, 3);
    die();
    assert_string_equal(dirty_map_base(&map), "one");
    assert_int_equal(count(false), 2);
    snapshot("two");
    die();
    assert_string_equal(dirty_map_base(&map), "two");
    assert_int_equal(count(false), 0);
}

static void memory_that_is_damaged_or_of_another_size_is_refused(void **state)
{
    struct dirty_head *head = memory;
    struct dirty_map other;
    size_t size = dirty_map_size(PAGES);

    snapshot("one");
    assert_int_equal(dirty_map_attach(&other, memory, size, PAGES + 64), -EINVAL);
    assert_int_equal(dirty_map_attach(&other, memory, size - 1, PAGES), -EINVAL);
    memset(head->base[head->counts], 'x', DIRTY_BASE_MAX);
    assert_int_equal(dirty_map_attach(&other, memory, size, PAGES), -EINVAL);
    head->counts = 2;
    assert_int_equal(dirty_map_attach(&other, memory, size, PAGES), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_a_base_every_page_counts),
        TEST(what_is_written_since_the_base_counts),
        TEST(a_write_between_the_cut_and_its_end_counts_for_the_next_one),
        TEST(a_snapshot_that_fails_loses_no_page),
        TEST(a_process_that_dies_at_any_time_leaves_every_page),
        TEST(memory_that_is_damaged_or_of_another_size_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
