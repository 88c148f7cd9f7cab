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

/* Cortex-A76 1286807, A55 2441007, A510 2441009: one TLBI and DSB may be too early. */
static void flush_of_a_vm_is_done_twice_with_its_vmid_and_no_walks(void **state)
{
    setup(state);
    REG(vttbr_el2) = 0x1234000;
    REG(tcr_el1) = 0x19;
    REG(sctlr_el1) = 0x30d00800;
    tlb_flush_vm(0x5678000);
    assert_string_equal(fake.trace, "ESVDTDTDIDVSE");
    assert_int_equal(fake.flushed_vttbr, 0x5678000);
    assert_int_equal(REG(vttbr_el2), 0x1234000);
    assert_int_equal(REG(tcr_el1), 0x19);
    assert_int_equal(REG(sctlr_el1), 0x30d00800);
}

static void flush_for_a_vcpu_stays_on_its_cpu(void **state)
{
    setup(state);
    tlb_flush_vcpu();
    assert_string_equal(fake.trace, "tid");
}

/* EPD0 and EPD1 are 1, and SCTLR_EL1.M is, so that nothing is translated without a walk. */
static void walks_are_off_while_vttbr_belongs_to_nobody(void **state)
{
    setup(state);
    REG(tcr_el1) = 0x19;
    tlb_walks_off();
    assert_int_equal(REG(tcr_el1), 0x19 | 1u << 7 | 1u << 23);
    assert_int_equal(REG(sctlr_el1) & 1, 1);
    assert_string_equal(fake.trace, "ES");
}

/* Errata 1165522, 1530923, 1319367, 1319537: walks begin when all else is the new guest's. */
static void vcpu_is_entered_without_walks_until_all_its_registers_are_there(void **state)
{
    setup(state);
    fake_create_vm(0);
    fake_create_vcpu(0, 0);
    fake_pages[0].el1.tcr_el1 = 0x77;
    fake_pages[0].el1.sctlr_el1 = 0x66;
    memset(fake.trace, 0, sizeof(fake.trace));
    fake.traced = 0;
    assert_int_equal(world_enter(&pcpus[0], &vcpus[0]), 0);
    assert_string_equal(fake.trace, "ESVtidSE");
    assert_int_equal(REG(tcr_el1), 0x77);
    assert_int_equal(REG(sctlr_el1), 0x66);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_reaches_every_line_of_the_range_and_no_other),
        cmocka_unit_test(changed_code_is_cleaned_before_instruction_caches_are_invalidated),
        cmocka_unit_test(flush_of_a_vm_is_done_twice_with_its_vmid_and_no_walks),
        cmocka_unit_test(flush_for_a_vcpu_stays_on_its_cpu),
        cmocka_unit_test(walks_are_off_while_vttbr_belongs_to_nobody),
        cmocka_unit_test(vcpu_is_entered_without_walks_until_all_its_registers_are_there),
    };

    return cmocka_run_group_tests_name("stub_maintain", tests, NULL, NULL);
}
