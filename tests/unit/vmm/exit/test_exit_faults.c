/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits that are faults: memory errors, the guest's tables, SErrors; and steps in AArch32. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmm/exit/test_exit_fake.h"
#include "vmm/exit/inject.h"

#define BIT(n) (1ull << (n))

/* What EL1 is told of each DFSC, and of each IFSC that an instruction can have. */
static void exit_each_fault_status_has_its_answer(void **state)
{
    static const struct {
        unsigned first, last, data, insn; /* `data`, `insn`: the status that the guest gets */
    } codes[] = {
        {0x00, 0x03, 0x00, 0x00}, /* address size: as stage 1 would give it, level 0 */
        {0x08, 0x0b, 0x10, 0x10}, /* access flag: of stage 2, which the guest has not */
        {0x10, 0x10, 0x10, 0x10}, /* external abort */
        {0x11, 0x11, 0x10, 0x10}, /* tag check: it has no tags */
        {0x12, 0x17, 0x10, 0x10}, /* external abort on a stage 2 table */
        {0x18, 0x18, 0x10, 0x10}, /* parity */
        {0x19, 0x1a, 0x10, 0x10}, /* reserved */
        {0x1b, 0x1f, 0x10, 0x10}, /* parity on a stage 2 table */
        {0x20, 0x20, 0x10, 0x10}, /* reserved */
        {0x21, 0x21, 0x21, 0x21}, /* alignment */
        {0x22, 0x28, 0x10, 0x10}, /* granule protection */
        {0x29, 0x29, 0x00, 0x00}, /* address size, level -1 */
        {0x2c, 0x2c, 0x00, 0x00}, /* ... -2 */
        {0x2d, 0x2f, 0x10, 0x10}, /* reserved */
        {0x30, 0x30, 0x30, 0x30}, /* TLB conflict */
        {0x31, 0x31, 0x31, 0x31}, /* unsupported atomic update of the tables */
        {0x32, 0x34, 0x10, 0x10}, /* reserved, lockdown */
        {0x35, 0x35, 0x35, 0x35}, /* unsupported exclusive or atomic access */
        {0x36, 0x3f, 0x10, 0x10}, /* reserved */
    };
    unsigned told = 0;

    for (size_t i = 0; i < COUNT(codes); i++) {
        for (unsigned code = codes[i].first; code <= codes[i].last; code++) {
            struct exit_reply r;

            setup(NULL);
            r = handle(0x24, code | BIT(6), 0, DEVICE);
            assert_injected(&r, 0x96000040 | codes[i].data);
            assert_int_equal(page.el1.far_el1, FAR);
            assert_int_equal(bus.reads + bus.writes, 0);
            told += lines;
            setup(NULL);
            r = handle(0x20, code, 0, DEVICE);
            assert_injected(&r, 0x86000000 | codes[i].insn);
            assert_int_equal(page.el1.far_el1, FAR);
            told += lines;
        }
    }
    assert_int_equal(told, 2 * (64 - 4 - 4 - 2)); /* all but translation and permission faults */
}

static void exit_external_abort_without_an_address_leaves_far(void **state)
{
    struct exit_reply r = handle(0x24, 0x10 | BIT(10), 0, DEVICE);

    assert_injected(&r, 0x96000410);
    assert_int_equal(page.el1.far_el1, 0);
    setup(NULL);
    r = handle(0x20, 0x10 | BIT(10), 0, DEVICE);
    assert_injected(&r, 0x86000410);
    assert_int_equal(page.el1.far_el1, 0);
}

/* VA 0x40201234 by 4 KiB pages from level 0: 0, 1, 1, 1. Table n is at RAM + n * 4 KiB. */
#define RAM   0x40000000ull
#define VA    0x0000008040201234ull
#define HOLE  0x0e000000ull
#define TABLE 3ull

static uint64_t tables[4][512] __attribute__((aligned(4096)));

static void map(void)
{
    memset(tables, 0, sizeof(tables));
    tables[0][1] = (RAM + 0x1000) | TABLE;
    tables[1][1] = (RAM + 0x2000) | TABLE;
    tables[2][1] = (RAM + 0x3000) | TABLE;
    tables[3][1] = DEVICE | BIT(10) | 3u; /* AF, page */
    ctx.insn_mmio.ram =
        (struct guest_ram){.host = (uint8_t *)tables, .ipa = RAM, .size = sizeof(tables)};
    ctx.insn_mmio.pa_bits = 40;
    page.el1.sctlr_el1 = BIT(23) | 1u;
    page.el1.tcr_el1 = 16u | 2ull << 32; /* T0SZ 16, 4 KiB, 40 bits */
    page.el1.ttbr0_el1 = RAM;
}

/* The walk's table of each level moved where nothing is: a data and an instruction abort. */
static void exit_page_table_in_a_hole_tells_the_level(void **state)
{
    for (unsigned level = 0; level < 4; level++) {
        for (unsigned fetch = 0; fetch < 2; fetch++) {
            struct exit_reply r;

            setup(NULL);
            map();
            if (level == 0)
                page.el1.ttbr0_el1 = HOLE;
            else
                tables[level - 1][1] = HOLE | TABLE;
            r = handle_at(fetch ? 0x20 : 0x24, BIT(7) | 5, 0, HOLE + 8, VA);
            assert_injected(&r, (fetch ? 0x86000014 : 0x96000014) + level);
            assert_int_equal(page.el1.far_el1, VA);
            assert_int_equal(bus.reads + bus.writes, 0);
        }
    }
    setup(NULL);
    map();
    tables[1][1] = HOLE | TABLE;
    page.pstate = 0; /* from EL0, a write */
    handle_at(0x24, BIT(7) | BIT(6) | 5, 0, HOLE + 8, VA);
    assert_int_equal(page.el1.esr_el1, 0x92000056);
    assert_int_equal(page.pc, VBAR + 0x400);
}

static void exit_page_table_beyond_the_physical_addresses_is_an_address_size_fault(void **state)
{
    struct exit_reply r;

    map();
    tables[1][1] = BIT(44) | TABLE;
    r = handle_at(0x24, BIT(7) | 4, 0, BIT(44), VA);
    assert_injected(&r, 0x96000001);
    setup(NULL);
    map();
    page.el1.ttbr0_el1 = BIT(44);
    r = handle_at(0x20, BIT(7) | 4, 0, BIT(44), VA);
    assert_injected(&r, 0x86000000);
}

/* A page whose address is too wide: the level is that of the page's descriptor. */
static void
exit_page_beyond_the_physical_addresses_is_an_address_size_fault_of_its_level(void **state)
{
    struct exit_reply r;

    map();
    tables[3][1] |= BIT(41);
    r = handle_at(0x24, dabt(2, 0, 0, 5, 0), 0, BIT(41) | DEVICE, VA);
    assert_injected(&r, 0x96000003);
    setup(NULL);
    map();
    tables[2][1] = BIT(41) | BIT(10) | 1u; /* block */
    r = handle_at(0x20, 4, 0, BIT(41), VA);
    assert_injected(&r, 0x86000002);
    assert_int_equal(bus.reads, 0);
}

/* The CPU was to set the access flag in a table that stage 2 has read-only. */
static void exit_page_table_in_rom_is_an_external_abort_on_the_walk(void **state)
{
    struct exit_reply r;

    map();
    page.el1.tcr_el1 |= BIT(39);
    tables[3][1] &= ~BIT(10);
    r = handle_at(0x24, BIT(7) | 0x0f, 0, RAM + 0x3008, VA);
    assert_injected(&r, 0x96000017);
    assert_int_equal(tables[3][1], DEVICE | 3u); /* as it was */
}

static void exit_page_table_that_is_there_again_is_tried_again_but_not_for_ever(void **state)
{
    struct exit_reply r;

    map();
    for (unsigned i = 0; i < 15; i++) {
        r = handle_at(0x24, BIT(7) | 5, 0, HOLE, VA);
        assert_int_equal(r.flags, 0);
        assert_false(r.hold);
        assert_int_equal(vcpu.dirty, 0);
    }
    r = handle_at(0x24, BIT(7) | 5, 0, HOLE, VA);
    assert_injected(&r, 0x96000014);
    /* Count from the start. */
    setup(NULL);
    map();
    r = handle_at(0x20, 4, 0, BIT(41), VA);
    assert_int_equal(vcpu.dirty, 0);
}

static void exit_page_table_of_a_lost_machine_holds_the_vcpu(void **state)
{
    map();
    fetch_result = -EIO;
    assert_true(handle_at(0x24, BIT(7) | 5, 0, HOLE, VA).hold);
    assert_true(handle_at(0x24, dabt(2, 0, 0, 1, 1) | 0xf, 0, RV_NO_IPA, VA).hold);
}

/* The stub could not tell where. */
static void exit_write_to_read_only_memory_finds_its_address_by_the_tables(void **state)
{
    struct exit_reply r;

    map();
    page.el1.tcr_el1 |= BIT(39); /* hardware sets the access flag, and has not yet */
    tables[3][1] &= ~BIT(10);
    r = handle_at(0x24, (dabt(2, 0, 0, 1, 1) & ~0x3full) | 0xf, 0x98, RV_NO_IPA, VA);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.writes, 1);
    assert_int_equal(bus.addr, DEVICE + 0x234);
    assert_int_equal(bus.value, 0x98);
    assert_int_equal(tables[3][1], DEVICE | 3u);
    /* MMU off. */
    setup(NULL);
    r = handle_at(0x24, (dabt(1, 0, 0, 1, 1) & ~0x3full) | 0xf, 0x98, RV_NO_IPA, 0x55aa);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.addr, 0x55aa);
    /* A ROM that takes no writes. */
    setup(NULL);
    bus.result = -ENXIO;
    r = handle_at(0x24, (dabt(1, 0, 0, 1, 1) & ~0x3full) | 0xf, 0x98, RV_NO_IPA, 0x55aa);
    assert_injected(&r, 0x96000050);
}

static void exit_write_to_memory_that_is_mapped_no_more_is_tried_again(void **state)
{
    struct exit_reply r;

    map();
    tables[3][1] = 0;
    for (unsigned i = 0; i < 15; i++) {
        r = handle_at(0x24, (dabt(2, 0, 0, 1, 1) & ~0x3full) | 0xf, 0x98, RV_NO_IPA, VA);
        assert_int_equal(r.flags, 0);
        assert_int_equal(vcpu.dirty, 0);
    }
    r = handle_at(0x24, (dabt(2, 0, 0, 1, 1) & ~0x3full) | 0xf, 0x98, RV_NO_IPA, VA);
    assert_injected(&r, 0x96000050);
    assert_int_equal(bus.writes, 0);
}

static void exit_write_to_read_only_memory_is_where_the_stub_says(void **state)
{
    struct exit_reply r =
        handle_at(0x24, (dabt(2, 0, 0, 1, 1) & ~0x3full) | 0xf, 0x98, DEVICE + 0x18, VA);

    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.addr, DEVICE + 0x18);
    assert_int_equal(bus.value, 0x98);
    assert_int_equal(fetches, 0);
}

static void exit_fetch_that_stage_2_forbids_is_an_external_abort(void **state)
{
    struct exit_reply r = handle(0x20, 0xf, 0, 0);

    assert_injected(&r, 0x86000010);
}

/* What SCTLR_EL1.EE makes of an access is not looked at: idregs.c hides it, so it is RES0. */
static void exit_mmio_is_little_endian_whatever_ee(void **state)
{
    page.el1.sctlr_el1 |= BIT(25);
    handle(0x24, dabt(2, 0, 0, 3, 1), 0x11223344, DEVICE);
    assert_int_equal(bus.value, 0x11223344);
    assert_int_equal(fetches, 0);
}

static void exit_serror_that_harms_nobody_is_told_to_people(void **state)
{
    static const uint64_t harmless[] = {6ull << 10 | 0x11, 2ull << 10 | 0x11};

    for (size_t i = 0; i < COUNT(harmless); i++) {
        struct exit_reply r;

        setup(NULL);
        page.pstate = 5;
        r = handle(0x2f, harmless[i], 0, 0);
        assert_int_equal(r.flags, 0);
        assert_false(r.hold);
        assert_int_equal(lines, 1);
        assert_int_equal(vcpu.dirty, 0);
        assert_int_equal(page.el1.hcr_el2, 0);
    }
}

static void exit_serror_that_may_harm_is_the_guests_too(void **state)
{
    static const uint64_t harmful[] = {
        0x11,
        1ull << 10 | 0x11,
        3ull << 10 | 0x11, /* UC, UEU, UER */
        4ull << 10 | 0x11,
        6ull << 10, /* reserved; no severity without DFSC 0x11 */
        0,
        BIT(24) | 6ull << 10 | 0x11, /* uncategorized; IMPLEMENTATION DEFINED */
    };

    for (size_t i = 0; i < COUNT(harmful); i++) {
        struct exit_reply r;

        setup(NULL);
        page.el1.hcr_el2 = HCR_TWI;
        r = handle(0x2f, harmful[i], 0, 0);
        assert_int_equal(r.flags, 0);
        assert_false(r.hold);
        assert_int_equal(page.el1.hcr_el2, HCR_TWI | HCR_VSE);
        assert_int_equal(page.el1.vsesr_el2, 0x1000000); /* IDS, and nothing of the host's */
        assert_int_equal(vcpu.dirty, RV_GROUP_EL1);
        fetch_result = -EIO;
        assert_true(handle(0x2f, harmful[i], 0, 0).hold);
    }
}

static void exit_debug_rom_of_aarch32_reads_zero(void **state)
{
    struct exit_reply r;

    page.pstate = 0x10;
    r = handle(0x05, BIT(24) | 14u << 20 | 1u << 10 | 5u << 5 | 1, 0, 0); /* mrc p14,0,r5,c1,c0,0 */
    assert_int_equal(r.flags, RV_REPLY_ADVANCE | RV_REPLY_REG);
    assert_int_equal(r.reg, 5);
    assert_int_equal(r.value, 0);
    r = handle(0x05, BIT(24) | 14u << 20 | 2u << 10 | 6u << 5 | 1, 0, 0); /* DBGDSAR */
    assert_int_equal(r.reg, 6);
    r = handle(0x0c, BIT(24) | 14u << 20 | 8u << 10 | 7u << 5 | 1u << 1 | 1, 0, 0); /* mrrc r7,r8 */
    assert_int_equal(r.flags, RV_REPLY_ADVANCE | RV_REPLY_REG);
    assert_int_equal(r.reg, 7);
    assert_int_equal(page.x[8], 0);
    assert_int_equal(vcpu.dirty, 0);
    /* MRCEQ with Z clear is a NOP; a write, and any other register, UNDEFINED. */
    r = handle(0x05, BIT(24) | 1u << 10 | 5u << 5 | 1, 0, 0);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    handle(0x05, BIT(24) | 14u << 20 | 1u << 10 | 5u << 5, 0, 0);
    assert_int_equal(page.el1.esr_el1, 0x02000000);
    setup(NULL);
    page.pstate = 0x10;
    handle(0x05, BIT(24) | 14u << 20 | 3u << 10 | 5u << 5 | 1, 0, 0);
    assert_int_equal(page.el1.esr_el1, 0x02000000);
}

static void exit_watchpoint_without_an_address_leaves_far(void **state)
{
    struct exit_reply r = handle(0x34, BIT(10) | BIT(13) | 0x22, 0, 0);

    assert_injected(&r, 0xd6000422); /* VNCR is EL2's */
    assert_int_equal(page.el1.far_el1, 0);
}

/* A fake of vm_dirty.c. */
static enum exit_ram_write ram_answer;
static unsigned asked;
static uint64_t asked_at;

static enum exit_ram_write ram_write(void *opaque, ipa_t where)
{
    assert_ptr_equal(opaque, &asked);
    asked++;
    asked_at = where.v;
    return where.v == RV_NO_IPA ? EXIT_RAM_WRITE_GIVEN : ram_answer;
}

/* The page at VA is in RAM, which stage 2 protects. */
static void protect(void)
{
    setup(NULL);
    map();
    tables[3][1] = (RAM + 0x2000) | BIT(10) | 3u;
    ctx.ram_write = ram_write;
    ctx.opaque = &asked;
    ram_answer = EXIT_RAM_WRITE_GIVEN;
    asked = 0;
    asked_at = 0;
}

static bool is_made_again(const struct exit_reply *r)
{
    return !r->flags && !r->hold && !vcpu.dirty && bus.reads + bus.writes == 0;
}

static void exit_each_kind_of_write_to_protected_ram_is_made_again(void **state)
{
    const uint64_t store = (dabt(3, 0, 1, 5, 1) & ~0x3full) | 0x0f, found = RAM + 0x2234;
    const struct {
        uint64_t ec, iss, ipa, at;
    } kinds[] = {
        {0x24, store, found, found},                 /* STR: the stub has asked stage 1 */
        {0x24, store, RV_NO_IPA, found},             /* ... and stage 1 did not know */
        {0x24, BIT(6) | 0x0f, HOLE, found},          /* STP, atomics, DC ZVA: HPFAR is UNKNOWN */
        {0x24, BIT(6) | BIT(8) | 0x0e, HOLE, found}, /* DC IVAC */
        {0x24, BIT(7) | 0x0f, RAM + 0x3008, RAM + 0x3008}, /* the MMU sets a flag: of a load */
        {0x24, BIT(7) | BIT(6) | 0x0f, RAM + 0x3008, RAM + 0x3008},
        {0x20, BIT(7) | 0x0f, RAM + 0x3008, RAM + 0x3008}, /* of a fetch */
    };

    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct exit_reply r;

        protect();
        r = handle_at(kinds[i].ec, kinds[i].iss, 0, kinds[i].ipa, VA);
        assert_true(is_made_again(&r));
        assert_int_equal(asked, 1);
        assert_int_equal(asked_at, kinds[i].at);
    }
}

/* PAN, or that it is EL1 for EL0 (STTR), does not hide where it was; nor does a clear access flag. */
static void exit_write_to_protected_ram_is_found_whoever_made_it(void **state)
{
    struct exit_reply r;

    protect();
    page.pstate |= PSTATE_PAN;
    tables[3][1] = (RAM + 0x2000) | BIT(6) | 3u; /* EL0's */
    r = handle_at(0x24, BIT(6) | 0x0f, 0, HOLE, VA);
    assert_true(is_made_again(&r));
    assert_int_equal(asked_at, RAM + 0x2234);
    assert_int_equal(tables[3][1], (RAM + 0x2000) | BIT(6) | 3u);
}

static void exit_fault_that_is_no_write_or_not_of_permission_is_none(void **state)
{
    const uint64_t isses[] = {0x0f, BIT(6) | 0x07, BIT(6) | 0x10, BIT(7) | 0x07};

    for (size_t i = 0; i < COUNT(isses); i++) {
        protect();
        handle_at(0x24, isses[i], 0, RAM + 0x2234, VA);
        handle_at(0x20, isses[i] & ~BIT(6), 0, RAM + 0x2234, VA);
        assert_int_equal(asked, 0);
    }
}

static void exit_write_that_is_not_to_ram_goes_to_the_device(void **state)
{
    struct exit_reply r;

    protect();
    ram_answer = EXIT_RAM_WRITE_ELSEWHERE;
    r = handle_at(0x24, (dabt(3, 0, 1, 5, 1) & ~0x3full) | 0x0f, 7, DEVICE, VA);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.writes, 1);
    assert_int_equal(bus.addr, DEVICE);
}

/* A TLB may have what the tables no longer say, and FAR need not be precise. */
static void exit_write_that_is_made_again_in_vain_has_all_of_ram_in_the_end(void **state)
{
    unsigned n = 0;

    protect();
    ram_answer = EXIT_RAM_WRITE_HAD;
    for (; asked_at != RV_NO_IPA && n < 100; n++)
        handle_at(0x24, BIT(6) | 0x0f, 0, HOLE, VA);
    assert_in_range(n, 10, 20);
    protect();
    tables[3][1] = 0; /* the walk finds nothing */
    for (n = 0; asked_at != RV_NO_IPA && n < 100; n++)
        handle_at(0x24, BIT(6) | 0x0f, 0, HOLE, VA);
    assert_in_range(n, 10, 20);
    /* Other vCPUs write there, too: that is no reason. */
    protect();
    ram_answer = EXIT_RAM_WRITE_HAD;
    for (n = 0; n < 100; n++)
        handle_at(0x24, BIT(6) | 0x0f, 0, HOLE, VA + n % 2 * 8);
    assert_int_not_equal(asked_at, RV_NO_IPA);
}

static void exit_write_of_a_lost_machine_holds_the_vcpu(void **state)
{
    struct exit_reply r;

    protect();
    fetch_result = -EIO;
    r = handle_at(0x24, BIT(6) | 0x0f, 0, HOLE, VA);
    assert_true(r.hold);
    assert_int_equal(asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(exit_each_fault_status_has_its_answer, setup),
        cmocka_unit_test_setup(exit_external_abort_without_an_address_leaves_far, setup),
        cmocka_unit_test_setup(exit_page_table_in_a_hole_tells_the_level, setup),
        cmocka_unit_test_setup(
            exit_page_table_beyond_the_physical_addresses_is_an_address_size_fault, setup),
        cmocka_unit_test_setup(
            exit_page_beyond_the_physical_addresses_is_an_address_size_fault_of_its_level, setup),
        cmocka_unit_test(exit_each_kind_of_write_to_protected_ram_is_made_again),
        cmocka_unit_test(exit_write_to_protected_ram_is_found_whoever_made_it),
        cmocka_unit_test(exit_fault_that_is_no_write_or_not_of_permission_is_none),
        cmocka_unit_test(exit_write_that_is_not_to_ram_goes_to_the_device),
        cmocka_unit_test(exit_write_that_is_made_again_in_vain_has_all_of_ram_in_the_end),
        cmocka_unit_test(exit_write_of_a_lost_machine_holds_the_vcpu),
        cmocka_unit_test_setup(exit_page_table_in_rom_is_an_external_abort_on_the_walk, setup),
        cmocka_unit_test_setup(exit_page_table_that_is_there_again_is_tried_again_but_not_for_ever,
                               setup),
        cmocka_unit_test_setup(exit_page_table_of_a_lost_machine_holds_the_vcpu, setup),
        cmocka_unit_test_setup(exit_write_to_read_only_memory_finds_its_address_by_the_tables,
                               setup),
        cmocka_unit_test_setup(exit_write_to_memory_that_is_mapped_no_more_is_tried_again, setup),
        cmocka_unit_test_setup(exit_write_to_read_only_memory_is_where_the_stub_says, setup),
        cmocka_unit_test_setup(exit_fetch_that_stage_2_forbids_is_an_external_abort, setup),
        cmocka_unit_test_setup(exit_mmio_is_little_endian_whatever_ee, setup),
        cmocka_unit_test_setup(exit_serror_that_harms_nobody_is_told_to_people, setup),
        cmocka_unit_test_setup(exit_serror_that_may_harm_is_the_guests_too, setup),
        cmocka_unit_test_setup(exit_debug_rom_of_aarch32_reads_zero, setup),
        cmocka_unit_test_setup(exit_watchpoint_without_an_address_leaves_far, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
