/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/util/log.h"
#include "vmm/vm/state.h"

#define AREA (64u << 10)

void log_msg(enum log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
}

static int setup(void **state)
{
    static struct state_area area;
    void *base = aligned_alloc(64, AREA);

    memset(base, 0, AREA);
    state_init(&area, base, AREA);
    *state = &area;
    return 0;
}

static int teardown(void **state)
{
    free(((struct state_area *)*state)->base);
    return 0;
}

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

static void a_name_that_is_too_long_is_refused(void **state)
{
    assert_null(state_alloc(*state, "0123456789012345678901234567890123456789", 1, 8));
    assert_non_null(state_alloc(*state, "012345678901234567890123456789012345678", 1, 8));
}

static void what_does_not_fit_is_refused_and_the_rest_still_works(void **state)
{
    assert_null(state_alloc(*state, "big", 1, AREA));
    assert_null(state_alloc(*state, "huge", 1, SIZE_MAX));
    assert_non_null(state_alloc(*state, "last", 1, AREA - 4096));
    assert_null(state_alloc(*state, "more", 1, 1));
}

static void the_directory_has_an_end(void **state)
{
    char name[8] = "x00";
    unsigned n = 0;

    while (n < 100) {
        name[1] = (char)('a' + n / 26);
        name[2] = (char)('a' + n % 26);
        if (!state_alloc(*state, name, 1, 1))
            break;
        n++;
    }
    assert_int_equal(n, 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_are_aligned_zeroed_and_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_taken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_too_long_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused_and_the_rest_still_works,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_directory_has_an_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
