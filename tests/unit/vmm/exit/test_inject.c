/* SPDX-License-Identifier: BSD-2-Clause */
/* Exception entry into EL1 against values worked out by hand from the Arm ARM's pseudocode. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/exit/inject.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GROUPS   (RV_GROUP_CORE | RV_GROUP_EL1)
#define VBAR     0xffff800010081000ull
#define PC       0xffff800008123454ull
#define FAR      0xffff80001badf00dull
#define SPAN     (1ull << 23)
#define DSSBS    (1ull << 44)

static struct rv_vcpu_page page;
static struct vcpu vcpu;
static uint32_t fetched, dirty;
static int fetch_result;

int vcpu_fetch(struct vcpu *v, uint32_t groups)
{
    assert_ptr_equal(v, &vcpu);
    fetched |= groups;
    return fetch_result;
}

void vcpu_mark_dirty(struct vcpu *v, uint32_t groups)
{
    assert_ptr_equal(v, &vcpu);
    dirty |= groups;
}

static void guest_at(uint64_t pstate, uint64_t sctlr)
{
    memset(&page, 0, sizeof(page));
    vcpu = (struct vcpu){.page = &page};
    page.pc = PC;
    page.pstate = pstate;
    page.el1.sctlr_el1 = sctlr;
    page.el1.vbar_el1 = VBAR;
    page.el1.far_el1 = 0x5555;
    fetched = dirty = 0;
    fetch_result = 0;
}

static void inject_enters_el1_from_each_mode_and_control(void **state)
{
    static const struct {
        uint64_t pstate, sctlr;
        uint64_t vector, after;
        bool from_el1;
        const char *text;
    } cases[] = {
        /* after: EL1h (5) and DAIF (0x3c0) always */
        {0x00000000, SPAN, 0x400, 0x000003c5, false, "EL0"},
        {0x00000000, 0, 0x400, 0x004003c5, false, "EL0, SPAN 0 sets PAN"},
        {0x00000004, SPAN, 0x000, 0x000003c5, true, "EL1t"},
        {0x00000005, SPAN, 0x200, 0x000003c5, true, "EL1h"},
        {0x00000005, 0, 0x200, 0x004003c5, true, "EL1h, SPAN 0 sets PAN"},
        {0x00400005, SPAN, 0x200, 0x004003c5, true, "PAN stays"},
        {0x600003c5, SPAN, 0x200, 0x600003c5, true, "flags stay"},
        {0xf0000000, SPAN, 0x400, 0xf00003c5, false, "all flags stay"},
        {0x01000000, SPAN, 0x400, 0x010003c5, false, "DIT stays"},
        {0x02800005, SPAN, 0x200, 0x000003c5, true, "TCO and UAO go"},
        {0x00300005, SPAN, 0x200, 0x000003c5, true, "SS and IL go"},
        {0x00000c05, SPAN, 0x200, 0x000003c5, true, "BTYPE goes"},
        {0x00002005, SPAN, 0x200, 0x000003c5, true, "ALLINT goes"},
        {0x00001005, SPAN, 0x200, 0x000003c5, true, "SSBS follows DSSBS: 0"},
        {0x00000005, SPAN | DSSBS, 0x200, 0x000013c5, true, "SSBS follows DSSBS: 1"},
        {0x00000000, DSSBS, 0x400, 0x004013c5, false, "EL0, both"},
        {0xffffffe0 & ~0x10ull, SPAN, 0x400, 0xf14003c5, false, "EL0, all set"},
        /* AArch32 User mode: T, IT, GE, E, Q, J and SSBS at bit 23 go; DIT and PAN stay */
        {0x00000010, SPAN, 0x600, 0x000003c5, false, "A32"},
        {0x600f0030, SPAN, 0x600, 0x600003c5, false, "T32"},
        {0x0e00fe30, 0, 0x600, 0x004003c5, false, "T32 in an IT block"},
        {0x9fffff30 & ~0x400000ull, SPAN | DSSBS, 0x600, 0x910013c5, false, "A32, all set"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        guest_at(cases[i].pstate, cases[i].sctlr);
        assert_int_equal(inject_undef(&vcpu), 0);
        if (page.pc != VBAR + cases[i].vector || page.pstate != cases[i].after) {
            fail_msg("%s: pc %#llx pstate %#llx", cases[i].text, (unsigned long long)page.pc,
                     (unsigned long long)page.pstate);
        }
        assert_int_equal(page.el1.elr_el1, PC);
        assert_int_equal(page.el1.spsr_el1, cases[i].pstate);
        assert_int_equal(page.el1.esr_el1, 0x02000000);
        assert_int_equal(page.el1.far_el1, 0x5555);
        assert_int_equal(fetched, GROUPS);
        assert_int_equal(dirty, GROUPS);

        guest_at(cases[i].pstate, cases[i].sctlr);
        assert_int_equal(inject_data_abort(&vcpu, gva(FAR), 0x50), 0);
        assert_int_equal(page.el1.esr_el1, cases[i].from_el1 ? 0x96000050 : 0x92000050);
        assert_int_equal(page.el1.far_el1, FAR);
        assert_int_equal(page.pc, VBAR + cases[i].vector);

        guest_at(cases[i].pstate, cases[i].sctlr);
        assert_int_equal(inject_instruction_abort(&vcpu, gva(FAR), 0x10), 0);
        assert_int_equal(page.el1.esr_el1, cases[i].from_el1 ? 0x86000010 : 0x82000010);
        assert_int_equal(page.el1.far_el1, FAR);
    }
}

static void inject_abort_with_fnv_leaves_far_alone(void **state)
{
    guest_at(5, SPAN);
    assert_int_equal(inject_data_abort(&vcpu, gva(FAR), 0x410), 0);
    assert_int_equal(page.el1.far_el1, 0x5555);
    assert_int_equal(page.el1.esr_el1, 0x96000410);
    guest_at(5, SPAN);
    assert_int_equal(inject_instruction_abort(&vcpu, gva(FAR), 0x410), 0);
    assert_int_equal(page.el1.far_el1, 0x5555);
}

static void inject_sync_gives_each_paired_class_its_el(void **state)
{
    static const struct {
        uint64_t ec, from_el1;
    } cases[] = {{0x20, 0x21}, {0x24, 0x25}, {0x30, 0x31}, {0x32, 0x33}, {0x34, 0x35},
                 {0x22, 0x22}, {0x26, 0x26}, {0x3c, 0x3c}, {0x0e, 0x0e}, {0x1c, 0x1c}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        guest_at(5, SPAN);
        assert_int_equal(inject_sync(&vcpu, cases[i].ec << 26 | 0x1234, NULL), 0);
        assert_int_equal(page.el1.esr_el1, cases[i].from_el1 << 26 | 0x1234);
        guest_at(0, SPAN);
        assert_int_equal(inject_sync(&vcpu, cases[i].ec << 26 | 0x1234, NULL), 0);
        assert_int_equal(page.el1.esr_el1, cases[i].ec << 26 | 0x1234);
    }
}

static void inject_ignores_the_reserved_bits_of_vbar(void **state)
{
    guest_at(5, SPAN);
    page.el1.vbar_el1 = VBAR | 0x7ff;
    assert_int_equal(inject_undef(&vcpu), 0);
    assert_int_equal(page.pc, (VBAR & ~0x7ffull) + 0x200);
}

static void inject_refuses_a_pstate_that_no_guest_can_have(void **state)
{
    /* EL2, EL3, reserved M[1], AArch32 modes that would be EL1. */
    static const uint64_t impossible[] = {0x8, 0x9, 0xc, 0xd, 0x1, 0x2, 0x6, 0x7, 0x13, 0x1f};

    for (size_t i = 0; i < COUNT(impossible); i++) {
        guest_at(impossible[i], SPAN);
        assert_int_equal(inject_undef(&vcpu), -EIO);
        assert_int_equal(dirty, 0);
        assert_int_equal(page.pc, PC);
        assert_int_equal(page.pstate, impossible[i]);
    }
}

static void inject_changes_nothing_when_the_fetch_fails(void **state)
{
    struct rv_vcpu_page before;

    guest_at(5, SPAN);
    before = page;
    fetch_result = -EIO;
    assert_int_equal(inject_data_abort(&vcpu, gva(FAR), 0x10), -EIO);
    assert_memory_equal(&before, &page, sizeof(page));
    assert_int_equal(dirty, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inject_enters_el1_from_each_mode_and_control),
        cmocka_unit_test(inject_abort_with_fnv_leaves_far_alone),
        cmocka_unit_test(inject_sync_gives_each_paired_class_its_el),
        cmocka_unit_test(inject_ignores_the_reserved_bits_of_vbar),
        cmocka_unit_test(inject_refuses_a_pstate_that_no_guest_can_have),
        cmocka_unit_test(inject_changes_nothing_when_the_fetch_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
