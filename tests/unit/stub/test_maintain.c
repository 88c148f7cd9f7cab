/* SPDX-License-Identifier: BSD-2-Clause */
/* Caches and TLBs: which instructions, in which order, on which addresses. */
#include <string.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"

static uint64_t first_line, last_line;
static unsigned nr_lines;

static void on_clean(uint64_t va)
{
    assert_true(nr_lines == 0 || va > last_line);
    if (!nr_lines++)
        first_line = va;
    last_line = va;
}

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    fake.on_clean = on_clean;
    fake.traced = 0;
    memset(fake.trace, 0, sizeof(fake.trace));
    nr_lines = 0;
    return 0;
}

static void clean_reaches_every_line_of_the_range_and_no_other(void **state)
{
    static const struct {
        uint64_t dminline, start, size, first, last, lines;
    } ranges[] = {
        {4, 0x1000, 0x1000, 0x1000, 0x1fc0, 64}, {4, 0x1001, 0x1000, 0x1000, 0x2000, 65},
        {4, 0x103f, 2, 0x1000, 0x1040, 2},       {4, 0x1040, 1, 0x1040, 0x1040, 1},
        {3, 0x1000, 0x100, 0x1000, 0x10e0, 8},   {5, 0x1040, 0x100, 0x1000, 0x1100, 3},
        {9, 0x1000, 0x1000, 0x1000, 0x1800, 2},
    };

    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        setup(state);
        /* IminLine and CWG are other fields. */
        REG(ctr_el0) = 0x84408003ull | ranges[i].dminline << 16;
        cache_clean(ranges[i].start, ranges[i].size);
        assert_int_equal(first_line, ranges[i].first);
        assert_int_equal(last_line, ranges[i].last);
        assert_int_equal(nr_lines, ranges[i].lines);
        assert_int_equal(fake.trace[fake.traced - 1], 'Y');
    }
    setup(state);
    cache_clean(0x1000, 0);
    assert_int_equal(nr_lines, 0);
}

/* Data reach memory before any instruction cache asks for them (Arm ARM B2, IC after DC). */
static void changed_code_is_cleaned_before_instruction_caches_are_invalidated(void **state)
{
    setup(state);
    cache_code_changed(0x1000, 128);
    assert_string_equal(fake.trace, "CCYID");
}

/*
 * Errata 1165522, 1530923, 1319367, 1319537: what a speculative AT instruction left in the TLB
 * while VTTBR_EL2 and EL1's registers were of two guests.
 */
static void entries_are_dropped_when_all_registers_of_the_vcpu_are_there(void **state)
{
    setup(state);
    fake_create_vm(0);
    fake_create_vcpu(0, 0);
    memset(fake.trace, 0, sizeof(fake.trace));
    fake.traced = 0;
    assert_int_equal(world_enter(&pcpus[0], &vcpus[0]), 0);
    assert_string_equal(fake.trace, "VDYYEt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_reaches_every_line_of_the_range_and_no_other),
        cmocka_unit_test(changed_code_is_cleaned_before_instruction_caches_are_invalidated),
        cmocka_unit_test(entries_are_dropped_when_all_registers_of_the_vcpu_are_there),
    };

    return cmocka_run_group_tests_name("stub_maintain", tests, NULL, NULL);
}
