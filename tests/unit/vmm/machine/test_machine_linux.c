/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine `linux`, as far as it needs no module: its options, and which CPUs it takes. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "vmm/machine/linux_cpus.h"
#include "vmm/machine/machine.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void lists_of_cpus_are_read(void **state)
{
    static const struct {
        const char *list;
        uint64_t mask;
    } rows[] = {
        {"0", 1},        {"3", 8},       {"0-3", 0xf},       {"1,3", 0xa},
        {"0-1,6", 0x43}, {"0-3\n", 0xf}, {"63", 1ull << 63}, {"0-63", ~0ull},
    };

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        uint64_t mask = 0;

        assert_int_equal(linux_cpus_parse(rows[i].list, &mask), 0);
        assert_int_equal(mask, rows[i].mask);
    }
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const lists[] = {
        "",     "\n",  "x",  "-1",   "1-", "3-2", "1,",
        ",1",   "1;2", "64", "0-64", " 1", "1 ",  "99999999999999999999",
        "1\n2", "+1"};

    for (unsigned i = 0; i < COUNT_OF(lists); i++) {
        uint64_t mask = 0;

        assert_int_equal(linux_cpus_parse(lists[i], &mask), -EINVAL);
    }
}

static void the_last_free_cpus_are_picked_and_one_stays(void **state)
{
    static const struct {
        uint64_t online, taken;
        unsigned wanted;
        uint64_t picked;
    } rows[] = {
        {0xf, 0, 1, 0x8},   {0xf, 0, 3, 0xe},   {0xf, 0, 4, 0}, /* none would be left */
        {0x7, 0x8, 2, 0x6}, {0xf, 0x8, 1, 0x4},                 /* taken, but still listed */
        {0x1, 0, 1, 0},     {0, 0, 1, 0},       {~0ull, 0, 63, ~1ull},
        {~0ull, 0, 64, 0},  {0xa, 0, 1, 0x8},
    };

    for (unsigned i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(linux_cpus_pick(rows[i].online, rows[i].taken, rows[i].wanted),
                         rows[i].picked);
}

static void only_its_options_are_taken(void **state)
{
    static const char *const bad[] = {"cpus",    "cpus=",    "cpus=x",
                                      "cpu=max", "cpus=2,3", "session=a"};

    assert_int_equal(machine_linux_check(NULL), 0);
    assert_int_equal(machine_linux_check(""), 0);
    assert_int_equal(machine_linux_check("cpus=2-3"), 0);
    assert_int_equal(machine_linux_check("cpus=1,,3"), 0);
    for (unsigned i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(machine_linux_check(bad[i]), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_cpus_are_read),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(the_last_free_cpus_are_picked_and_one_stays),
        cmocka_unit_test(only_its_options_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
