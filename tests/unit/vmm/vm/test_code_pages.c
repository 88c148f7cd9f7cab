/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/code_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAGE    0x1000ull
#define REGIONS 5ull
#define RAM     (REGIONS * CODE_REGION)

static struct code_pages pages;
static struct code_run run;

static int setup(void **state)
{
    return code_pages_init(&pages, RAM);
}

static int teardown(void **state)
{
    code_pages_free(&pages);
    return 0;
}

static void assert_run(uint64_t offset, uint64_t size)
{
    assert_int_equal(run.offset, offset);
    assert_int_equal(run.size, size);
}

static void write_to_code_takes_the_region_from_the_guest_once(void **state)
{
    assert_true(code_pages_written(&pages, CODE_REGION + 5 * PAGE + 8, 1, &run));
    assert_run(CODE_REGION, CODE_REGION);
    assert_false(code_pages_written(&pages, CODE_REGION, CODE_REGION, &run));
    assert_true(code_pages_written(&pages, CODE_REGION - 1, 1, &run));
    assert_run(0, CODE_REGION);
}

static void write_across_regions_takes_all_of_them(void **state)
{
    assert_true(code_pages_written(&pages, 2 * CODE_REGION - 1, CODE_REGION + 2, &run));
    assert_run(CODE_REGION, 3 * CODE_REGION);
}

static void give(uint64_t offset, uint64_t at, uint64_t size)
{
    assert_true(code_pages_give(&pages, offset, &run));
    assert_run(at, size);
}

static void fetch_gives_a_chunk_back_but_for_its_stale_pages(void **state)
{
    assert_true(code_pages_written(&pages, CODE_CHUNK + 3 * PAGE, 2 * PAGE, &run));
    assert_false(code_pages_written(&pages, CODE_CHUNK + 9 * PAGE + 7, 1, &run));
    assert_false(code_pages_written(&pages, 2 * CODE_CHUNK, PAGE, &run));
    assert_false(code_pages_fetched(&pages, CODE_CHUNK + 15 * PAGE + 4, &run));
    give(CODE_CHUNK + 15 * PAGE + 4, CODE_CHUNK, 3 * PAGE);
    give(CODE_CHUNK + 15 * PAGE + 4, CODE_CHUNK + 5 * PAGE, 4 * PAGE);
    give(CODE_CHUNK + 15 * PAGE + 4, CODE_CHUNK + 10 * PAGE, 6 * PAGE);
    assert_false(code_pages_give(&pages, CODE_CHUNK + 15 * PAGE + 4, &run));
}

static void fetch_of_a_stale_page_flushes_what_was_written_with_it(void **state)
{
    assert_true(code_pages_written(&pages, CODE_CHUNK - PAGE, 3 * PAGE, &run));
    assert_false(code_pages_written(&pages, CODE_CHUNK + 3 * PAGE, PAGE, &run));
    assert_true(code_pages_fetched(&pages, CODE_CHUNK + PAGE, &run));
    assert_run(CODE_CHUNK, 2 * PAGE); /* not what is in another chunk */
    give(CODE_CHUNK + PAGE, CODE_CHUNK, 3 * PAGE);
    give(CODE_CHUNK + PAGE, CODE_CHUNK + 4 * PAGE, 12 * PAGE);
    assert_false(code_pages_give(&pages, CODE_CHUNK + PAGE, &run));
    assert_true(code_pages_fetched(&pages, CODE_CHUNK + 3 * PAGE, &run));
    assert_run(CODE_CHUNK + 3 * PAGE, PAGE);
}

/* A disk reads into the same page again and again, and the code beside it goes on. */
static void a_buffer_beside_code_costs_one_command(void **state)
{
    assert_true(code_pages_written(&pages, 3 * PAGE, PAGE, &run));
    for (unsigned i = 0; i < 3; i++) {
        assert_false(code_pages_fetched(&pages, 4 * PAGE, &run));
        while (code_pages_give(&pages, 4 * PAGE, &run))
            ;
        assert_false(code_pages_written(&pages, 3 * PAGE, PAGE, &run));
    }
}

static void page_that_runs_again_is_taken_again(void **state)
{
    assert_true(code_pages_written(&pages, 0, PAGE, &run));
    assert_true(code_pages_fetched(&pages, 0, &run));
    assert_run(0, PAGE);
    give(0, 0, CODE_CHUNK);
    assert_false(code_pages_written(&pages, CODE_CHUNK, PAGE, &run)); /* data beside it */
    assert_true(code_pages_written(&pages, CODE_CHUNK - 1, 1, &run));
    assert_run(0, CODE_REGION);
}

static void nothing_outside_of_ram_is_touched(void **state)
{
    assert_false(code_pages_written(&pages, RAM, PAGE, &run));
    assert_false(code_pages_written(&pages, UINT64_MAX - 5, 3, &run));
    assert_false(code_pages_written(&pages, 7 * PAGE, 0, &run));
    assert_true(code_pages_written(&pages, RAM - PAGE, UINT64_MAX, &run));
    assert_run(RAM - CODE_REGION, CODE_REGION);
    assert_true(code_pages_fetched(&pages, RAM - PAGE, &run));
    assert_run(RAM - PAGE, PAGE);
    assert_false(code_pages_fetched(&pages, RAM - PAGE, &run));
}

/* Against one byte a page: random writes and fetches. */
static void random_writes_and_fetches_agree_with_a_plain_model(void **state)
{
    static uint8_t executable[RAM / PAGE], stale[RAM / PAGE];
    const uint64_t nr = RAM / PAGE, region = CODE_REGION / PAGE, chunk = CODE_CHUNK / PAGE;

    srand(1);
    for (uint64_t i = 0; i < nr; i++) {
        executable[i] = 1;
        stale[i] = 0;
    }
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t page = (uint64_t)rand() % nr, n = 1 + (uint64_t)rand() % 200, first, last;
        bool revoked = false;

        if (rand() % 3) {
            for (uint64_t i = page; i < page + n && i < nr; i++) {
                revoked |= executable[i];
                stale[i] = 1;
            }
            assert_int_equal(code_pages_written(&pages, page * PAGE, n * PAGE, &run), revoked);
            if (!revoked)
                continue;
            first = page / region * region;
            last = page + n < nr ? (page + n + region - 1) / region * region : nr;
            for (uint64_t i = first; i < last; i++)
                executable[i] = 0;
            assert_run(first * PAGE, (last - first) * PAGE);
            continue;
        }
        first = page / chunk * chunk;
        if (code_pages_fetched(&pages, page * PAGE, &run)) {
            assert_in_range(page, run.offset / PAGE, (run.offset + run.size) / PAGE - 1);
            for (uint64_t i = run.offset / PAGE; i < (run.offset + run.size) / PAGE; i++) {
                assert_in_range(i, first, first + chunk - 1);
                assert_int_equal(stale[i], 1);
                stale[i] = 0;
            }
        }
        assert_int_equal(stale[page], 0); /* what is executed has been flushed */
        while (code_pages_give(&pages, page * PAGE, &run)) {
            for (uint64_t i = run.offset / PAGE; i < (run.offset + run.size) / PAGE; i++) {
                assert_in_range(i, first, first + chunk - 1);
                assert_int_equal(stale[i] | executable[i], 0);
                executable[i] = 1;
            }
        }
        assert_int_equal(executable[page], 1);
        for (uint64_t i = first; i < first + chunk; i++)
            assert_true(executable[i] || stale[i]);
    }
}

static void machine_that_sees_all_has_no_pages(void **state)
{
    struct code_pages none = {0};

    assert_false(code_pages_written(&none, 0, PAGE, &run));
    code_pages_free(&none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(write_to_code_takes_the_region_from_the_guest_once),
        TEST(write_across_regions_takes_all_of_them),
        TEST(fetch_gives_a_chunk_back_but_for_its_stale_pages),
        TEST(fetch_of_a_stale_page_flushes_what_was_written_with_it),
        TEST(a_buffer_beside_code_costs_one_command),
        TEST(page_that_runs_again_is_taken_again),
        TEST(nothing_outside_of_ram_is_touched),
        TEST(random_writes_and_fetches_agree_with_a_plain_model),
        cmocka_unit_test(machine_that_sees_all_has_no_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
