/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "tests/unit/support/state_fixture.h"

static void blocks_are_aligned_zeroed_and_apart(void **state)
{
    uint8_t *a = state_alloc(*state, "a", 1, 100), *b = state_alloc(*state, "b", 1, 1);

    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_true(b >= a + 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(a[i], 0);
}

static void a_name_is_taken_once(void **state)
{
    assert_non_null(state_alloc(*state, "gic", 1, 8));
    assert_null(state_alloc(*state, "gic", 1, 8));
}

/* A device's name has 32 characters, its address 16, a block's name 12. */
static void each_name_of_legal_length_gets_its_block(void **state)
{
    char longest[] = "01234567890123456789012345678901@0123456789abcdef/0123456789ab";
    char too_long[STATE_NAME_MAX + 1];

    memset(too_long, 'x', STATE_NAME_MAX);
    too_long[STATE_NAME_MAX] = '\0';
    assert_non_null(state_alloc(*state, longest, 1, 8));
    assert_null(state_alloc(*state, too_long, 1, 8));
}

static void the_area_grows_with_its_blocks_and_they_stay_where_they_are(void **state)
{
    struct state_found found;
    char name[16];
    uint8_t *first = state_alloc(*state, "first", 1, 100);

    memset(first, 7, 100);
    for (unsigned i = 0; i < 300; i++) {
        uint8_t *block;

        snprintf(name, sizeof(name), "%u", i);
        block = state_alloc(*state, name, 1, 1 << 20);
        assert_non_null(block);
        block[(1 << 20) - 1] = 1;
    }
    assert_true(state_lookup(*state, "first", &found));
    assert_ptr_equal(found.at, first);
    assert_int_equal(first[99], 7);
    assert_null(state_alloc(*state, "huge", 1, SIZE_MAX));
    assert_non_null(state_alloc(*state, "more", 1, 1));
}

static void blocks_are_there_for_the_vmm_that_attaches(void **state)
{
    struct state_found found;

    strcpy(state_alloc(*state, "gic", 3, 100), "wired");
    assert_int_equal(attach_again(), 0);
    assert_true(state_lookup(*state, "gic", &found));
    assert_int_equal(found.version, 3);
    assert_int_equal(found.size, 100);
    assert_string_equal(found.at, "wired");
    assert_false(state_lookup(*state, "gi", &found));
    assert_non_null(state_alloc(*state, "new", 1, 8));
}

static void a_block_that_is_resized_keeps_its_bytes(void **state)
{
    struct state_found found;
    uint8_t *block = state_alloc(*state, "a", 5, 10), *old = block;

    assert_non_null(state_alloc(*state, "b", 1, 64));
    memset(block, 7, 10);
    block = state_resize(*state, block, 60); /* there is room */
    assert_ptr_equal(block, old);
    assert_int_equal(block[9], 7);
    assert_int_equal(block[10], 0);
    block = state_resize(*state, block, 1000);
    assert_ptr_not_equal(block, old);
    assert_int_equal(block[9], 7);
    assert_int_equal(block[10], 0);
    assert_int_equal(block[999], 0);
    assert_int_equal(state_size(block), 1000);
    block[500] = 1;
    block = state_resize(*state, block, 5);
    block = state_resize(*state, block, 900);
    assert_int_equal(block[4], 7);
    assert_int_equal(block[5], 0);
    assert_int_equal(block[500], 0);
    assert_true(state_lookup(*state, "a", &found));
    assert_ptr_equal(found.at, block);
    assert_int_equal(found.version, 5);
    /* What it left serves the next. */
    assert_ptr_equal(state_alloc(*state, "c", 1, 40), old);
}

/* A vmm may die between any two stores of an update. */
static void of_an_update_the_old_or_the_new_block_is_there(void **state)
{
    struct state_found found;
    void *old = state_alloc(*state, "a", 1, 8), *new;

    strcpy(old, "old");
    new = state_begin(*state, old, 2, 16);
    assert_non_null(new);
    assert_ptr_not_equal(state_alloc(*state, "b", 1, 16), new);
    strcpy(new, "new");
    assert_int_equal(attach_again(), 0);
    assert_true(state_lookup(*state, "a", &found));
    assert_string_equal(found.at, "old");
    assert_int_equal(found.version, 1);

    new = state_begin(*state, found.at, 2, 16);
    strcpy(new, "new");
    state_commit(*state, found.at, new);
    assert_int_equal(attach_again(), 0);
    assert_true(state_lookup(*state, "a", &found));
    assert_string_equal(found.at, "new");
    assert_int_equal(found.version, 2);
}

static void a_damaged_area_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint64_t value;
    } damage[] = {
        {0, 0},                                       /* the magic */
        {8, 1ull << 40},                              /* used */
        {8, 100},         {64 + 96, UINT64_MAX - 63}, /* the first block's room */
        {64 + 96, 0},     {64 + 88, 1ull << 33},      /* and size */
        {64 + 80, 1000},                              /* and sequence */
        {16, UINT64_MAX}, /* of the latest commit: the next would be 0 */
    };

    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        assert_non_null(state_alloc(*state, "a", 1, 8));
        memcpy(area.base + damage[i].at, &damage[i].value, 8);
        assert_int_equal(attach_again(), -EINVAL);
        assert_int_equal(state_create(&area), 0);
    }
}

static void a_block_of_another_version_or_size_is_not_opened(void **state)
{
    void *made = state_open(*state, false, "gic", 3, 100);

    assert_non_null(made);
    assert_int_equal(attach_again(), 0);
    assert_null(state_open(*state, true, "gic", 2, 100));
    assert_null(state_open(*state, true, "gic", 3, 101));
    assert_null(state_open(*state, true, "psci", 3, 100));
    assert_non_null(state_open(*state, true, "gic", 3, 100));
}

static void who_attaches_learns_of_a_block_that_nobody_wants(void **state)
{
    struct state_found found;

    assert_non_null(state_alloc(*state, "gic", 1, 8));
    assert_non_null(state_alloc(*state, "virtio-blk@a000000", 1, 8));
    assert_null(state_unclaimed(*state));
    assert_int_equal(attach_again(), 0);
    assert_true(state_lookup(*state, "gic", &found));
    assert_string_equal(state_unclaimed(*state), "virtio-blk@a000000");
    assert_non_null(state_open(*state, true, "virtio-blk@a000000", 1, 8));
    assert_null(state_unclaimed(*state));
}

static void a_copy_has_all_blocks_and_a_change_there_is_not_one_of_the_original(void **state)
{
    struct state_area *area = *state, copy = {0};
    uint8_t *block = state_alloc(area, "gic", 3, 300000), *copied;

    memset(block, 5, 300000);
    assert_int_equal(state_attach(&copy, state_copy(area->fd)), 0);
    copied = state_open(&copy, true, "gic", 3, 300000);
    assert_non_null(copied);
    assert_memory_equal(block, copied, 300000);
    copied[0] = 6;
    assert_non_null(state_alloc(&copy, "psci", 1, 8));
    assert_int_equal(block[0], 5);
    assert_null(state_open(area, true, "psci", 1, 8));
    state_close(&copy);
    assert_true(state_copy(-1) < 0);
}

static void blocks_are_claimed_by_the_beginning_of_their_names(void **state)
{
    assert_non_null(state_alloc(*state, "virtio-fs@a000000/map", 1, 8));
    assert_non_null(state_alloc(*state, "virtio-fs@a000200/map", 1, 8));
    assert_int_equal(attach_again(), 0);
    state_claim(*state, "virtio-fs@a000000/");
    assert_string_equal(state_unclaimed(*state), "virtio-fs@a000200/map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_are_aligned_zeroed_and_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_taken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(each_name_of_legal_length_gets_its_block, setup, teardown),
        cmocka_unit_test_setup_teardown(the_area_grows_with_its_blocks_and_they_stay_where_they_are,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(blocks_are_there_for_the_vmm_that_attaches, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_block_that_is_resized_keeps_its_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(of_an_update_the_old_or_the_new_block_is_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_damaged_area_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_copy_has_all_blocks_and_a_change_there_is_not_one_of_the_original, setup, teardown),
        cmocka_unit_test_setup_teardown(blocks_are_claimed_by_the_beginning_of_their_names, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_block_of_another_version_or_size_is_not_opened, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_attaches_learns_of_a_block_that_nobody_wants, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
