/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/keyval.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* `wanted`: key, value, key, value, ...; NULL for a value: there is none; ends with a NULL key. */
static void check(const char *text, const char *const *wanted)
{
    const char *at = text;
    struct keyval keyval;

    for (; wanted[0]; wanted += 2) {
        assert_int_equal(keyval_next(&at, &keyval), 1);
        assert_string_equal(keyval.key, wanted[0]);
        if (wanted[1])
            assert_string_equal(keyval.value, wanted[1]);
        else
            assert_null(keyval.value);
        keyval_free(&keyval);
    }
    assert_int_equal(keyval_next(&at, &keyval), 0);
}

#define CHECK(text, ...) check(text, (const char *const[]){__VA_ARGS__, NULL})

static void elements_come_in_their_order(void **state)
{
    CHECK("a=1", "a", "1");
    CHECK("a=1,b,c=3", "a", "1", "b", NULL, "c", "3");
    CHECK("a=,b=x=y", "a", "", "b", "x=y");
}

static void doubled_comma_is_one_of_the_value(void **state)
{
    CHECK("a=1,,2", "a", "1,2");
    CHECK("a=,,,,b=1", "a", ",,b=1");
    CHECK("a=1,,,b=2", "a", "1,", "b", "2");
    CHECK("a=,,", "a", ",");
}

static void empty_elements_are_there(void **state)
{
    CHECK("", "", NULL);
    CHECK("a=1,", "a", "1", "", NULL);
    CHECK(",a", "", NULL, "a", NULL);
    CHECK("ro,,x", "ro", NULL, "", NULL, "x", NULL);
    CHECK("=v", "", "v");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_in_their_order),
        cmocka_unit_test(doubled_comma_is_one_of_the_value),
        cmocka_unit_test(empty_elements_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
