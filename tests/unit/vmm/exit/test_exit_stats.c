/* SPDX-License-Identifier: BSD-2-Clause */
/* Which exits there were, and how long they took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/exit/exit_stats.h"
#include "vmm/util/clock.h"

static struct exit_stats_row rows[EXIT_STATS_KINDS + 1];
static unsigned nr_rows;

static void collect(void *opaque, const struct exit_stats_row *row)
{
    assert_ptr_equal(opaque, rows);
    assert_true(nr_rows < EXIT_STATS_KINDS);
    rows[nr_rows++] = *row;
}

static void show(const struct exit_stats *stats)
{
    nr_rows = 0;
    exit_stats_each(stats, collect, rows);
}

static void kinds_that_occurred_are_shown_the_most_frequent_first(void **state)
{
    struct exit_stats stats = {0};

    stats.kind[EXIT_WFX].count = 250;
    stats.kind[EXIT_DATA_ABORT].count = 700;
    stats.kind[EXIT_STATS_POSTED].count = 49;
    stats.kind[EXIT_RESERVED].count = 1;
    show(&stats);
    assert_int_equal(nr_rows, 4);
    assert_string_equal(rows[0].name, decode_kind_name(EXIT_DATA_ABORT));
    assert_int_equal(rows[0].count, 700);
    assert_int_equal(rows[0].permille, 700);
    assert_string_equal(rows[1].name, decode_kind_name(EXIT_WFX));
    assert_string_equal(rows[2].name, "posted write");
    assert_int_equal(rows[2].permille, 49);
    assert_int_equal(rows[3].permille, 1);
    assert_int_equal(exit_stats_total(&stats), 1000);
}

static void every_kind_can_be_shown_and_none_needs_to(void **state)
{
    struct exit_stats stats = {0};

    show(&stats);
    assert_int_equal(nr_rows, 0);
    for (unsigned kind = 0; kind < EXIT_STATS_KINDS; kind++)
        stats.kind[kind].count = UINT64_MAX / EXIT_STATS_KINDS;
    show(&stats);
    assert_int_equal(nr_rows, EXIT_STATS_KINDS);
    for (unsigned i = 0; i < nr_rows; i++) {
        assert_true(rows[i].name[0] != '\0');
        assert_int_equal(rows[i].permille, 1000 / EXIT_STATS_KINDS);
    }
}

static void the_first_and_every_16th_of_a_kind_is_timed(void **state)
{
    struct exit_stats stats = {0};
    int64_t start = clock_now_ns(), took;
    unsigned timed = 0;

    for (unsigned i = 0; i < 33; i++) {
        int64_t begun = exit_stats_begin(&stats, EXIT_HVC64);

        assert_int_equal(begun != 0, i % 16 == 0);
        timed += begun != 0;
        while (begun && clock_now_ns() < begun + 1000)
            ;
        exit_stats_end(&stats, EXIT_HVC64, begun);
    }
    took = clock_now_ns() - start;
    assert_int_equal(exit_stats_begin(&stats, EXIT_SMC64) != 0, 1); /* each kind has its own */
    show(&stats);
    assert_int_equal(stats.kind[EXIT_HVC64].count, 33);
    assert_int_equal(stats.kind[EXIT_HVC64].timed, timed);
    assert_true(rows[0].mean_ns >= 1000 && (int64_t)rows[0].mean_ns * timed <= took);
}

static void times_are_counted_by_powers_of_two(void **state)
{
    struct exit_stats stats = {0};
    uint64_t sum = 0;

    for (unsigned i = 0; i < 3 * 16; i++) {
        int64_t begun = exit_stats_begin(&stats, EXIT_WFX);

        /* 70000 ns are at least in the bucket up to 131072, and days are in the last one. */
        if (begun)
            exit_stats_end(&stats, EXIT_WFX,
                           i == 0    ? clock_now_ns()
                           : i == 16 ? clock_now_ns() - 70000
                                     : 1);
    }
    for (unsigned i = 0; i < EXIT_STATS_BUCKETS; i++) {
        uint64_t n = stats.kind[EXIT_WFX].bucket[i];

        sum += n;
        if (n && i < EXIT_STATS_BUCKETS - 1 && sum == 2)
            assert_true(1u << (i + EXIT_STATS_SHIFT) > 70000);
    }
    assert_int_equal(sum, 3);
    assert_int_equal(stats.kind[EXIT_WFX].bucket[EXIT_STATS_BUCKETS - 1], 1);
}

static void places_are_shown_the_most_frequent_first(void **state)
{
    struct exit_stats stats = {.by_place = true};
    struct exit_stats_place places[3];

    assert_int_equal(exit_stats_places(&stats, places, 3), 0);
    for (unsigned i = 0; i < 4; i++) {
        exit_stats_at(&stats, EXIT_DATA_ABORT, false, 0x9000018);
        if (i < 3)
            exit_stats_at(&stats, EXIT_DATA_ABORT, true, 0x9000018);
        if (i < 2)
            exit_stats_at(&stats, EXIT_STATS_POSTED, true, 0x9000018);
        if (i < 1)
            exit_stats_at(&stats, EXIT_HVC64, false, 0x84000000);
    }
    assert_int_equal(exit_stats_places(&stats, places, 3), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(places[i].what, 0x9000018);
        assert_int_equal(places[i].count, 4 - i);
        assert_int_equal(places[i].write, i > 0);
        assert_int_equal(places[i].kind, i < 2 ? EXIT_DATA_ABORT : EXIT_STATS_POSTED);
    }
    assert_int_equal(stats.elsewhere, 0);
}

/* No exit is lost: what has no row of its own is in `elsewhere`. */
static void more_places_than_there_is_room_for_are_counted_together(void **state)
{
    static struct exit_stats_place places[EXIT_STATS_PLACES + 1];
    struct exit_stats stats = {.by_place = true};
    uint64_t counted = 0;
    unsigned n;

    for (unsigned i = 0; i < 10000; i++)
        exit_stats_at(&stats, EXIT_DATA_ABORT, i % 2, 0x9000000 + 4ull * i);
    n = exit_stats_places(&stats, places, EXIT_STATS_PLACES + 1);
    assert_in_range(n, EXIT_STATS_PLACES / 2, EXIT_STATS_PLACES);
    for (unsigned i = 0; i < n; i++)
        counted += places[i].count;
    assert_int_equal(counted + stats.elsewhere, 10000);
}

/* As Linux does: each register of the GIC once, and then the UART. */
static void a_place_that_is_frequent_late_is_not_lost(void **state)
{
    struct exit_stats stats = {.by_place = true};
    struct exit_stats_place place;

    for (unsigned i = 0; i < 1000; i++)
        exit_stats_at(&stats, EXIT_DATA_ABORT, true, 0x8000000 + 4ull * i);
    for (unsigned i = 0; i < 50; i++)
        exit_stats_at(&stats, EXIT_DATA_ABORT, false, 0x9000018);
    assert_int_equal(exit_stats_places(&stats, &place, 1), 1);
    assert_int_equal(place.what, 0x9000018);
    assert_int_equal(place.count, 50);
}

static void places_are_counted_on_request_only(void **state)
{
    struct exit_stats stats = {0};
    struct exit_stats_place place;

    exit_stats_at(&stats, EXIT_DATA_ABORT, true, 0x9000000);
    assert_int_equal(exit_stats_places(&stats, &place, 1), 0);
    assert_int_equal(stats.elsewhere, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_that_occurred_are_shown_the_most_frequent_first),
        cmocka_unit_test(every_kind_can_be_shown_and_none_needs_to),
        cmocka_unit_test(times_are_counted_by_powers_of_two),
        cmocka_unit_test(the_first_and_every_16th_of_a_kind_is_timed),
        cmocka_unit_test(places_are_shown_the_most_frequent_first),
        cmocka_unit_test(more_places_than_there_is_room_for_are_counted_together),
        cmocka_unit_test(a_place_that_is_frequent_late_is_not_lost),
        cmocka_unit_test(places_are_counted_on_request_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
