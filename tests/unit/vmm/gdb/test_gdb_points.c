/* SPDX-License-Identifier: BSD-2-Clause */
/* Breakpoints in memory and in registers, and the memory as the debugger sees it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "vmm/gdb/gdb_points.h"

#define RAM_IPA  0x40000000ull
#define RAM_SIZE 0x10000ull
#define NOP      0xd503201fu
#define BRK      0xd4200000u
#define NOWHERE  0x9000000ull /* no RAM there */

/* ID_AA64DFR0_EL1: 6 breakpoints, 4 watchpoints. */
#define DFR0 (5ull << 12 | 3ull << 20)

/* MDSCR_EL1, DBGBCR, DBGWCR. */
#define MDE    (1ull << 15)
#define SS     (1ull << 0)
#define KDE    (1ull << 13)
#define EL1_0  (3ull << 1)
#define ENABLE 1ull

static uint64_t ram[RAM_SIZE / 8];
static struct gdb_memory memory = {
    .ram = {.host = (uint8_t *)ram, .ipa = RAM_IPA, .size = RAM_SIZE},
    .pa_bits = 40,
};
static struct rv_vcpu_page page;
static struct gdb_points points;
static unsigned writes;

static void written(void *opaque, ipa_t where, uint64_t size)
{
    assert_int_equal(size, 4);
    assert_true(guest_ram_has(&memory.ram, where.v, size));
    writes++;
}

static uint32_t *word(uint64_t ipa)
{
    return (uint32_t *)(void *)guest_ram_to_write(&memory.ram, ipa, 4);
}

static int setup(void **state)
{
    for (size_t i = 0; i < RAM_SIZE / 8; i++)
        ram[i] = (uint64_t)NOP << 32 | NOP;
    memset(&page, 0, sizeof(page));
    page.pstate = PSTATE_EL1h;
    gdb_points_init(&points, DFR0);
    writes = 0;
    return 0;
}

static int insert(enum gdb_point_kind kind, uint64_t address, uint64_t size)
{
    return gdb_points_insert(&points, kind, address, size, &memory, &page);
}

static void set(void)
{
    gdb_points_set(&points, &memory.ram, written, NULL);
}

static void unset(void)
{
    gdb_points_unset(&points, &memory.ram, written, NULL);
}

static void a_software_breakpoint_is_in_memory_only_while_it_is_set(void **state)
{
    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA + 8, 4), 0);
    assert_int_equal(*word(RAM_IPA + 8), NOP);
    set();
    assert_int_equal(*word(RAM_IPA + 8), BRK);
    assert_int_equal(writes, 1);
    unset();
    assert_int_equal(*word(RAM_IPA + 8), NOP);
    assert_int_equal(writes, 2);
    unset();
    assert_int_equal(writes, 2);
}

static void what_the_guest_wrote_over_a_breakpoint_stays(void **state)
{
    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA, 4), 0);
    set();
    *word(RAM_IPA) = 0x12345678;
    unset();
    assert_int_equal(*word(RAM_IPA), 0x12345678);
    assert_int_equal(writes, 1);
    set(); /* and what is there now is what comes back */
    unset();
    assert_int_equal(*word(RAM_IPA), 0x12345678);
}

/* Two addresses of one word: the second must not take the first one's BRK for the guest's. */
static void two_addresses_of_one_word_leave_the_guests_word(void **state)
{
    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA + 4, 4), 0);
    page.el1.tcr_el1 = 1ull << 37; /* TBI0: the top byte is a tag */
    assert_int_equal(insert(GDB_POINT_SOFTWARE, 0xaa00000000000000 | (RAM_IPA + 4), 4), 0);
    assert_int_equal(points.count, 2);
    set();
    unset();
    assert_int_equal(*word(RAM_IPA + 4), NOP);
}

static void a_breakpoint_where_no_memory_is_mapped_yet_is_in_a_register(void **state)
{
    struct rv_debug guest = {0}, merged;
    struct exit_info info = {.kind = EXIT_BREAKPOINT, .pc = 0xffff800008000000};

    assert_int_equal(insert(GDB_POINT_SOFTWARE, 0xffff800008000000, 4), 0);
    set();
    assert_int_equal(writes, 0);
    gdb_points_merge(&points, &guest, false, &merged);
    assert_int_equal(merged.bvr[5], 0xffff800008000000);
    assert_int_equal(merged.bcr[5], 0xf << 5 | EL1_0 | ENABLE);
    assert_int_equal(merged.mdscr, MDE);
    assert_ptr_equal(gdb_points_hit(&points, &info, NULL), &points.points[0]);
    info.pc += 4;
    assert_null(gdb_points_hit(&points, &info, NULL));
}

static void there_are_as_many_as_the_cpu_has_registers(void **state)
{
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(insert(GDB_POINT_HARDWARE, 0x1000 + 4 * i, 4), 0);
    assert_int_equal(insert(GDB_POINT_HARDWARE, 0x2000, 4), -ENOSPC);
    assert_int_equal(insert(GDB_POINT_SOFTWARE, NOWHERE, 4), -ENOSPC);
    assert_int_equal(insert(GDB_POINT_HARDWARE, 0x1000, 4), 0); /* the first again */
    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA, 4), 0);
    assert_int_equal(insert(GDB_POINT_WRITE, 0x1001, 25), 0); /* 7 + 8 + 8 + 2 bytes */
    assert_int_equal(insert(GDB_POINT_READ, 0x1000, 1), -ENOSPC);
    assert_int_equal(gdb_points_remove(&points, GDB_POINT_WRITE, 0x1001, 24), -ENOENT);
    assert_int_equal(gdb_points_remove(&points, GDB_POINT_WRITE, 0x1001, 25), 0);
    assert_int_equal(insert(GDB_POINT_READ, 0x1000, 1), 0);
    assert_int_equal(insert(GDB_POINT_READ, 0, UINT64_MAX), -ENOSPC);
}

static void a_list_of_any_length_has_an_end(void **state)
{
    for (unsigned i = 0; i < GDB_POINTS_MAX; i++)
        assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA + 4 * i, 4), 0);
    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA + 4 * GDB_POINTS_MAX, 4), -ENOSPC);
    set();
    unset();
    for (unsigned i = 0; i < GDB_POINTS_MAX; i++)
        assert_int_equal(*word(RAM_IPA + 4 * i), NOP);
}

static void odd_addresses_and_sizes_are_refused(void **state)
{
    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA + 2, 4), -EINVAL);
    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA, 2), -EINVAL);
    assert_int_equal(insert(GDB_POINT_HARDWARE, RAM_IPA, 3), -EINVAL);
    assert_int_equal(insert(GDB_POINT_ACCESS, RAM_IPA, 0), -EINVAL);
}

/* Arm ARM D24.3.11: BAS for bytes of one doubleword, MASK for more. */
static void a_watchpoint_covers_its_bytes_and_no_others(void **state)
{
    static const struct {
        enum gdb_point_kind kind;
        uint64_t address, size, wvr, wcr;
    } cases[] = {
        {GDB_POINT_WRITE, 0x1004, 4, 0x1000, 0xf0ull << 5 | 2 << 3},
        {GDB_POINT_READ, 0x1007, 1, 0x1000, 0x80ull << 5 | 1 << 3},
        {GDB_POINT_ACCESS, 0x1000, 8, 0x1000, 0xffull << 5 | 3 << 3},
        {GDB_POINT_ACCESS, 0x1000, 4096, 0x1000, 12ull << 24 | 0xff << 5 | 3 << 3},
    };
    struct rv_debug guest = {0}, merged;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        setup(NULL);
        assert_int_equal(insert(cases[i].kind, cases[i].address, cases[i].size), 0);
        gdb_points_merge(&points, &guest, false, &merged);
        assert_int_equal(merged.wvr[3], cases[i].wvr);
        assert_int_equal(merged.wcr[3], cases[i].wcr | EL1_0 | ENABLE);
        assert_int_equal(merged.wcr[2], 0);
    }
    setup(NULL);
    assert_int_equal(insert(GDB_POINT_WRITE, 0x1006, 4), 0);
    gdb_points_merge(&points, &guest, false, &merged);
    assert_int_equal(merged.wvr[3], 0x1000);
    assert_int_equal(merged.wcr[3] >> 5 & 0xff, 0xc0);
    assert_int_equal(merged.wvr[2], 0x1008);
    assert_int_equal(merged.wcr[2] >> 5 & 0xff, 0x03);
}

static void a_watchpoint_is_found_by_an_access_that_begins_before_it(void **state)
{
    struct exit_info info = {.kind = EXIT_WATCHPOINT};

    assert_int_equal(insert(GDB_POINT_WRITE, 0x1010, 4), 0);
    assert_int_equal(insert(GDB_POINT_WRITE, 0x2000, 4), 0);
    info.u.debug.far = gva(0x1013);
    assert_ptr_equal(gdb_points_hit(&points, &info, NULL), &points.points[0]);
    info.u.debug.far = gva(0x1008); /* as of a pair of registers */
    assert_ptr_equal(gdb_points_hit(&points, &info, NULL), &points.points[0]);
    info.u.debug.far = gva(0x1014);
    assert_null(gdb_points_hit(&points, &info, NULL));
    info.u.debug.far = gva(0x1fff);
    assert_ptr_equal(gdb_points_hit(&points, &info, NULL), &points.points[1]);
}

static void a_brk_of_the_guest_is_the_guests(void **state)
{
    struct exit_info info = {.kind = EXIT_BRK64, .pc = 0xffff800008000004};
    ipa_t ours = ipa(RAM_IPA + 4), other = ipa(RAM_IPA + 8);

    assert_int_equal(insert(GDB_POINT_SOFTWARE, RAM_IPA + 4, 4), 0);
    assert_null(gdb_points_hit(&points, &info, &ours)); /* it is not set */
    set();
    assert_ptr_equal(gdb_points_hit(&points, &info, &ours), &points.points[0]);
    assert_null(gdb_points_hit(&points, &info, &other));
    assert_null(gdb_points_hit(&points, &info, NULL));
}

/* The guest's stay where the debugger has none, for EL0; a disabled one does not become enabled. */
static void the_guests_own_registers_stay_beside_the_debuggers(void **state)
{
    struct rv_debug guest = {.mdscr = MDE | KDE | SS | 1ull << 12}, merged;

    guest.bvr[0] = 0x400000;
    guest.bcr[0] = 0xf << 5 | 2ull << 1 | ENABLE; /* EL0 */
    guest.bvr[1] = 0xffff000000400000;
    guest.bcr[1] = 0xf << 5 | 1ull << 1 | ENABLE; /* EL1 */
    guest.bcr[5] = 0xf << 5 | EL1_0 | ENABLE;
    guest.wcr[0] = 0xff << 5 | EL1_0 | 1 << 3 | ENABLE;
    assert_int_equal(insert(GDB_POINT_HARDWARE, 0x1000, 4), 0);
    gdb_points_merge(&points, &guest, true, &merged);
    assert_int_equal(merged.bvr[0], 0x400000);
    assert_int_equal(merged.bcr[0], guest.bcr[0]);
    assert_int_equal(merged.bcr[1], 0);
    assert_int_equal(merged.bvr[5], 0x1000);
    assert_int_equal(merged.wcr[0], (guest.wcr[0] & ~EL1_0) | 2ull << 1);
    assert_int_equal(merged.mdscr, MDE | SS | 1ull << 12);
    guest.mdscr = 0;
    gdb_points_merge(&points, &guest, false, &merged);
    assert_int_equal(merged.bcr[0], 0);
    assert_int_equal(merged.wcr[0], 0);
    assert_int_equal(merged.mdscr, MDE);
}

/* VMSAv8-64, 4 KiB granule, 39 bits: RAM's second page at VA 0x5000, third read-only and not seen. */
static void make_tables(void)
{
    uint64_t *l1 = ram + 0x8000 / 8, *l2 = ram + 0x9000 / 8, *l3 = ram + 0xa000 / 8;

    memset(l1, 0, 0x3000);
    l1[0] = (RAM_IPA + 0x9000) | 3;
    l2[0] = (RAM_IPA + 0xa000) | 3;
    l3[5] = (RAM_IPA + 0x1000) | 1ull << 10 | 3;
    l3[6] = (RAM_IPA + 0x3000) | 1ull << 7 | 3; /* AP[2]: read-only; AF is clear */
    page.el1.sctlr_el1 = 1;
    page.el1.tcr_el1 = 25 | 1ull << 23 /* EPD1 */ | 2ull << 32;
    page.el1.ttbr0_el1 = RAM_IPA + 0x8000;
}

static void memory_is_seen_through_the_tables_of_the_vcpu(void **state)
{
    size_t size = 0x3000;
    ipa_t where;

    make_tables();
    assert_ptr_equal(gdb_memory_at(&memory, &page, 0x5ff8, &size, &where), (uint8_t *)ram + 0x1ff8);
    assert_int_equal(size, 8);
    assert_int_equal(where.v, RAM_IPA + 0x1ff8);
    size = 16;
    assert_ptr_equal(gdb_memory_at(&memory, &page, 0x6000, &size, &where), (uint8_t *)ram + 0x3000);
    assert_int_equal(ram[0xa000 / 8 + 6], (RAM_IPA + 0x3000) | 1ull << 7 | 3); /* not touched */
    assert_null(gdb_memory_at(&memory, &page, 0x7000, &size, &where));
    assert_null(gdb_memory_at(&memory, &page, 0xffff000000005000, &size, &where));
}

static void without_tables_addresses_are_physical_and_only_ram_is_there(void **state)
{
    size_t size = RAM_SIZE;
    ipa_t where;

    assert_ptr_equal(gdb_memory_at(&memory, &page, RAM_IPA + 16, &size, &where),
                     (uint8_t *)ram + 16);
    assert_int_equal(size, RAM_SIZE - 16);
    make_tables();
    size = 1;
    assert_ptr_equal(gdb_memory_at(&memory, NULL, RAM_IPA + RAM_SIZE - 1, &size, &where),
                     (uint8_t *)ram + RAM_SIZE - 1);
    assert_null(gdb_memory_at(&memory, NULL, RAM_IPA + RAM_SIZE, &size, &where));
    assert_null(gdb_memory_at(&memory, NULL, NOWHERE, &size, &where));
    assert_null(gdb_memory_at(&memory, NULL, UINT64_MAX, &size, &where));
}

/* Firmware in flash can be read, and stopped in by a register. */
static void a_rom_is_read_and_never_written(void **state)
{
    static uint8_t flash[64] = {[63] = 0x5a};
    static struct guest_roms roms = {.rom = {{flash, 0x1000, 64, false}}, .count = 1};
    size_t size = 8;
    ipa_t where;

    memory.roms = &roms;
    assert_null(gdb_memory_look(&memory, &page, 0x103f, &size));
    roms.rom[0].shown = true;
    assert_ptr_equal(gdb_memory_look(&memory, &page, 0x103f, &size), flash + 63);
    assert_int_equal(size, 1);
    assert_null(gdb_memory_look(&memory, &page, 0x1040, &size));
    assert_null(gdb_memory_at(&memory, &page, 0x103f, &size, &where));
    assert_int_equal(insert(GDB_POINT_SOFTWARE, 0x1000, 4), 0);
    assert_true(points.points[0].in_register);
    memory.roms = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_software_breakpoint_is_in_memory_only_while_it_is_set, setup),
        cmocka_unit_test_setup(what_the_guest_wrote_over_a_breakpoint_stays, setup),
        cmocka_unit_test_setup(two_addresses_of_one_word_leave_the_guests_word, setup),
        cmocka_unit_test_setup(a_breakpoint_where_no_memory_is_mapped_yet_is_in_a_register, setup),
        cmocka_unit_test_setup(there_are_as_many_as_the_cpu_has_registers, setup),
        cmocka_unit_test_setup(a_list_of_any_length_has_an_end, setup),
        cmocka_unit_test_setup(odd_addresses_and_sizes_are_refused, setup),
        cmocka_unit_test_setup(a_watchpoint_covers_its_bytes_and_no_others, setup),
        cmocka_unit_test_setup(a_watchpoint_is_found_by_an_access_that_begins_before_it, setup),
        cmocka_unit_test_setup(a_brk_of_the_guest_is_the_guests, setup),
        cmocka_unit_test_setup(the_guests_own_registers_stay_beside_the_debuggers, setup),
        cmocka_unit_test_setup(memory_is_seen_through_the_tables_of_the_vcpu, setup),
        cmocka_unit_test_setup(a_rom_is_read_and_never_written, setup),
        cmocka_unit_test_setup(without_tables_addresses_are_physical_and_only_ram_is_there, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
