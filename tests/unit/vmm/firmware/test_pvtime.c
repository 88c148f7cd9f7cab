/* SPDX-License-Identifier: BSD-2-Clause */
/* Stolen time: the guest's calls, and the structure's bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/firmware/pvtime.h"

static const struct pvtime there = {true, 0x50000000};

static bool call(const struct pvtime *pvtime, unsigned vcpu, uint32_t function, uint64_t x1,
                 uint64_t *x0)
{
    struct call c = {.vcpu = vcpu, .function = function, .x = {0, x1, 0, 0}};
    struct call_result result = {0};
    bool known = pvtime_call(pvtime, &c, &result);

    assert_false(result.has_x1_to_x3 || result.wait || result.hold || result.restart);
    *x0 = result.x[0];
    return known;
}

static void pvtime_features_names_both_functions(void **state)
{
    uint64_t x0;

    assert_true(call(&there, 0, 0xc5000020, 0xc5000020, &x0));
    assert_int_equal(x0, 0);
    assert_true(call(&there, 0, 0xc5000020, 0xc5000021, &x0));
    assert_int_equal(x0, 0);
    assert_true(call(&there, 0, 0xc5000020, 0xc5000022, &x0));
    assert_int_equal(x0, ~0ull);
    assert_true(call(&there, 0, 0xc5000020, 0x85000021, &x0));
    assert_int_equal(x0, ~0ull);
}

static void pvtime_st_is_each_vcpus_own(void **state)
{
    uint64_t x0;

    assert_true(call(&there, 0, 0xc5000021, 0, &x0));
    assert_int_equal(x0, 0x50000000);
    assert_true(call(&there, 63, 0xc5000021, 0, &x0));
    assert_int_equal(x0, 0x50000000 + 63 * 64);
}

static void pvtime_has_no_other_function(void **state)
{
    uint64_t x0;

    assert_false(call(&there, 0, 0x85000020, 0xc5000020, &x0)); /* no 32-bit form */
    assert_false(call(&there, 0, 0x85000021, 0, &x0));
    assert_false(call(&there, 0, 0xc5000022, 0, &x0));
}

static void pvtime_that_is_not_available_answers_nothing(void **state)
{
    static const struct pvtime absent;
    uint64_t x0;

    assert_false(call(&absent, 0, 0xc5000020, 0xc5000020, &x0));
    assert_false(call(&absent, 0, 0xc5000021, 0, &x0));
}

/* DEN0057A: revision and attributes, 32 bits each, 0; stolen time, 64 bits, little-endian. */
static void pvtime_structure_has_the_documents_layout(void **state)
{
    static _Alignas(64) uint8_t memory[4 * 64];
    static const uint8_t want[] = {0,    0,    0,    0,    0,    0,    0,    0,
                                   0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};
    struct pvtime_region region;

    memset(memory, 0xff, sizeof(memory));
    assert_int_equal(pvtime_region_init(&region, memory, sizeof(memory), 3), 0);
    pvtime_account(&region, 1, 0x0123456789abcdef);
    assert_memory_equal(memory + 64, want, sizeof(want));
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(memory[i], 0);
        assert_int_equal(memory[128 + i], 0);
        assert_int_equal(memory[192 + i], 0xff); /* not a vCPU's */
        if (i >= 16)
            assert_int_equal(memory[64 + i], 0);
    }
}

static void pvtime_region_that_does_not_fit_is_refused(void **state)
{
    static _Alignas(64) uint8_t memory[4 * 64];
    struct pvtime_region region;

    assert_int_equal(pvtime_region_init(&region, memory + 8, sizeof(memory) - 64, 1), -EINVAL);
    assert_int_equal(pvtime_region_init(&region, memory, sizeof(memory), 5), -EINVAL);
    assert_int_equal(pvtime_region_init(&region, memory, 255, 4), -EINVAL);
    assert_int_equal(pvtime_region_init(&region, memory, sizeof(memory), 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pvtime_features_names_both_functions),
        cmocka_unit_test(pvtime_st_is_each_vcpus_own),
        cmocka_unit_test(pvtime_has_no_other_function),
        cmocka_unit_test(pvtime_that_is_not_available_answers_nothing),
        cmocka_unit_test(pvtime_structure_has_the_documents_layout),
        cmocka_unit_test(pvtime_region_that_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
