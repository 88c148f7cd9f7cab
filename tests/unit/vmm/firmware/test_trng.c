/* SPDX-License-Identifier: BSD-2-Clause */
/* The TRNG's functions; its entropy is ours here, but for one test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/firmware/trng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int source_result;
static unsigned reads;

/* Every bit is 1: what is zero in a result was made so. */
static int ones(void *buffer, size_t size)
{
    reads++;
    memset(buffer, 0xff, size);
    return source_result;
}

static struct call_result call(uint32_t function, uint64_t x1)
{
    struct call c = {.function = function, .x = {0, x1, 0, 0}};
    struct call_result result = {0};

    assert_true(trng_call(ones, &c, &result));
    assert_false(result.wait || result.hold || result.restart);
    return result;
}

static void trng_version_and_features(void **state)
{
    static const uint32_t there[] = {0x84000050, 0x84000051, 0x84000052, 0x84000053, 0xc4000053};
    struct call_result result = {0};

    assert_int_equal(call(0x84000050, 0).x[0], 0x10000);
    assert_false(call(0x84000050, 0).has_x1_to_x3);
    for (uint32_t width = 0; width < 2; width++) {
        for (uint32_t n = 0x40; n < 0x70; n++) {
            uint32_t function = 0x84000000 | width << 30 | n;
            struct call c = {.function = function, .x = {0, 8, 0, 0}};
            bool known = false;

            for (size_t i = 0; i < COUNT(there); i++)
                known = known || there[i] == function;
            assert_int_equal(call(0x84000051, function).x[0], known ? 0 : ~0ull);
            assert_int_equal(trng_call(ones, &c, &result), known);
        }
    }
}

/* RFC 4122's string is the bytes in their order; w0 has the first in its lowest bits. */
static void trng_uuid_is_in_w0_to_w3(void **state)
{
    struct call_result r = call(0x84000052, 0);

    assert_true(r.has_x1_to_x3);
    assert_int_equal(r.x[0], 0x1e7c1f6b);
    assert_int_equal(r.x[1], 0x074cd952);
    assert_int_equal(r.x[2], 0x408f3e9a);
    assert_int_equal(r.x[3], 0xb7516cd2);
}

static void trng_rnd_places_its_bits(void **state)
{
    static const struct {
        uint32_t function;
        uint64_t bits;
        int64_t x0;
        uint64_t x1, x2, x3;
    } cases[] = {
        {0x84000053, 0, -2, 0, 0, 0},
        {0x84000053, 1, 0, 0, 0, 1},
        {0x84000053, 31, 0, 0, 0, 0x7fffffff},
        {0x84000053, 32, 0, 0, 0, 0xffffffff},
        {0x84000053, 33, 0, 0, 1, 0xffffffff},
        {0x84000053, 64, 0, 0, 0xffffffff, 0xffffffff},
        {0x84000053, 65, 0, 1, 0xffffffff, 0xffffffff},
        {0x84000053, 96, 0, 0xffffffff, 0xffffffff, 0xffffffff},
        {0x84000053, 97, -2, 0, 0, 0},
        {0x84000053, 0xffffffff, -2, 0, 0, 0},
        {0xc4000053, 0, -2, 0, 0, 0},
        {0xc4000053, 1, 0, 0, 0, 1},
        {0xc4000053, 63, 0, 0, 0, ~0ull >> 1},
        {0xc4000053, 64, 0, 0, 0, ~0ull},
        {0xc4000053, 65, 0, 0, 1, ~0ull},
        {0xc4000053, 130, 0, 3, ~0ull, ~0ull},
        {0xc4000053, 192, 0, ~0ull, ~0ull, ~0ull},
        {0xc4000053, 193, -2, 0, 0, 0},
        {0xc4000053, 0x100000040, -2, 0, 0, 0}, /* all 64 bits of x1 count */
        {0xc4000053, ~0ull, -2, 0, 0, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call_result r;

        reads = 0;
        r = call(cases[i].function, cases[i].bits);
        if (r.x[0] != (uint64_t)cases[i].x0 || r.x[1] != cases[i].x1 || r.x[2] != cases[i].x2 ||
            r.x[3] != cases[i].x3)
            fail_msg("case %zu: %#llx %#llx %#llx %#llx", i, (unsigned long long)r.x[0],
                     (unsigned long long)r.x[1], (unsigned long long)r.x[2],
                     (unsigned long long)r.x[3]);
        assert_true(r.has_x1_to_x3);
        assert_int_equal(reads, cases[i].x0 == 0);
    }
}

static void trng_without_entropy_says_so(void **state)
{
    struct call_result r;

    source_result = -EAGAIN;
    r = call(0xc4000053, 192);
    source_result = 0;
    assert_int_equal((int64_t)r.x[0], -3);
    assert_true(r.has_x1_to_x3);
    assert_int_equal(r.x[1] | r.x[2] | r.x[3], 0);
}

/* Each of the host's bits is 0 and 1 in time. */
static void trng_host_gives_changing_bits(void **state)
{
    uint64_t all_or[3] = {0}, all_and[3] = {~0ull, ~0ull, ~0ull}, words[3];

    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(trng_host(words, sizeof(words)), 0);
        for (unsigned n = 0; n < 3; n++) {
            all_or[n] |= words[n];
            all_and[n] &= words[n];
        }
    }
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(all_or[n], ~0ull);
        assert_int_equal(all_and[n], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trng_version_and_features),
        cmocka_unit_test(trng_uuid_is_in_w0_to_w3),
        cmocka_unit_test(trng_rnd_places_its_bits),
        cmocka_unit_test(trng_without_entropy_says_so),
        cmocka_unit_test(trng_host_gives_changing_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
