/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "vmm/util/size.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define UNTOUCHED     UINT64_C(0x5555555555555555)

static void size_parse_reads_numbers_with_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } table[] = {
        {"0", 0},
        {"1", 1},
        {"4096", 4096},
        {"010", 10}, /* decimal, not octal */
        {"1k", UINT64_C(1) << 10},
        {"1K", UINT64_C(1) << 10},
        {"512M", UINT64_C(512) << 20},
        {"512m", UINT64_C(512) << 20},
        {"1G", UINT64_C(1) << 30},
        {"3g", UINT64_C(3) << 30},
        {"2T", UINT64_C(2) << 40},
        {"2t", UINT64_C(2) << 40},
        {"0G", 0},
        {"0x1000", 0x1000},
        {"0X1000", 0x1000},
        {"0xdeadBEEF", 0xdeadbeef},
        {"0x10M", UINT64_C(16) << 20},
        {"0x0", 0},
        {"18446744073709551615", UINT64_MAX},
        {"0xffffffffffffffff", UINT64_MAX},
        {"000000000000000000000000000001", 1},
        {"16777215T", UINT64_C(16777215) << 40},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        uint64_t bytes = UNTOUCHED;

        if (size_parse(table[i].text, &bytes) != 0 || bytes != table[i].bytes)
            fail_msg("'%s' gave 0x%llx", table[i].text, (unsigned long long)bytes);
    }
}

static void size_parse_refuses_everything_else(void **state)
{
    static const struct {
        const char *text;
        int error;
    } table[] = {
        {"", -EINVAL},
        {" ", -EINVAL},
        {"M", -EINVAL},
        {"x", -EINVAL},
        {"0x", -EINVAL},
        {"0xM", -EINVAL},
        {"-1", -EINVAL},
        {"+1", -EINVAL},
        {" 1", -EINVAL},
        {"1 ", -EINVAL},
        {"1 M", -EINVAL},
        {"1\n", -EINVAL},
        {"1MB", -EINVAL},
        {"1MiB", -EINVAL},
        {"1MM", -EINVAL},
        {"1.5G", -EINVAL},
        {"1e6", -EINVAL},
        {"12a", -EINVAL},
        {"1P", -EINVAL},
        {"0x1g0", -EINVAL},
        {"0x0x1", -EINVAL},
        {"512M,maxmem=1G", -EINVAL},
        {"18446744073709551616", -ERANGE},
        {"99999999999999999999999999", -ERANGE},
        {"0x10000000000000000", -ERANGE},
        {"16777216T", -ERANGE},
        {"18014398509481984K", -ERANGE},
        {"99999999999999999999999999x", -EINVAL}, /* garbage first of all */
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        uint64_t bytes = UNTOUCHED;
        int error = size_parse(table[i].text, &bytes);

        if (error != table[i].error || bytes != UNTOUCHED)
            fail_msg("'%s' gave %d, 0x%llx", table[i].text, error, (unsigned long long)bytes);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_parse_reads_numbers_with_units),
        cmocka_unit_test(size_parse_refuses_everything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
