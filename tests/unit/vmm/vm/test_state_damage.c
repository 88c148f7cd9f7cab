/* SPDX-License-Identifier: BSD-2-Clause */
/* A state area whose bytes are wrong. Attaching maps all of it, which an emulator does slowly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "tests/unit/support/state_fixture.h"

/* What is there after an attach is inside of the area, and more can be made. */
static void check_usable(void)
{
    struct state_found found;
    uint8_t *more;

    if (state_lookup(&area, "gic", &found)) {
        assert_true((uint8_t *)found.at > area.base);
        assert_true((uint8_t *)found.at + found.size <= area.base + state_used(&area));
    }
    (void)state_unclaimed(&area);
    more = state_alloc(&area, "more", 1, 3000);
    assert_non_null(more);
    memset(more, 1, 3000);
}

static void with_any_byte_wrong_an_area_is_refused_or_usable(void **state)
{
    static uint8_t whole[1024];
    unsigned refused = 0;
    size_t used;

    assert_non_null(state_alloc(*state, "gic", 1, 100));
    assert_non_null(state_alloc(*state, "psci", 1, 64));
    used = state_used(*state);
    assert_true(used <= sizeof(whole));
    memcpy(whole, area.base, used);
    for (size_t at = 0; at < used; at++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            memcpy(area.base, whole, used);
            area.base[at] ^= (uint8_t)(1u << bit);
            if (attach_again()) {
                refused++;
                assert_int_equal(state_create(&area), 0);
                assert_non_null(state_alloc(&area, "gic", 1, 100));
                assert_non_null(state_alloc(&area, "psci", 1, 64));
            } else {
                check_usable();
            }
        }
    }
    assert_true(refused > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_any_byte_wrong_an_area_is_refused_or_usable, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
