/* SPDX-License-Identifier: BSD-2-Clause */
/* Where GDB's registers are in a vCPU's page, and what it is told of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "vmm/gdb/gdb_registers.h"

static struct gdb_registers registers;
static struct rv_vcpu_page page;

static void use(unsigned vl, bool pauth)
{
    gdb_registers_free(&registers);
    assert_int_equal(gdb_registers_init(&registers, vl, pauth), 0);
    for (size_t i = 0; i < sizeof(page) / 8; i++)
        ((uint64_t *)&page)[i] = 0x0123456700000000ull + i;
    page.pstate = PSTATE_EL1h | PSTATE_DAIF;
}

/* Its number, by counting in the description as GDB does; all of them: NULL. */
static unsigned number_of(const char *name)
{
    const char *at = registers.description;
    unsigned n = 0;

    while ((at = strstr(at, "<reg name=\""))) {
        at += strlen("<reg name=\"");
        if (name && strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == '"')
            return n;
        n++;
    }
    assert_null(name);
    return n;
}

static uint64_t get(const char *name)
{
    uint8_t bytes[GDB_REGISTER_SIZE_MAX] = {0};
    uint64_t value = 0;

    gdb_register_read(&registers, &page, number_of(name), bytes);
    for (unsigned i = 8; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static int set(const char *name, uint64_t value)
{
    uint8_t bytes[GDB_REGISTER_SIZE_MAX] = {0};

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    return gdb_register_write(&registers, &page, number_of(name), bytes);
}

/* The sizes that the description tells are those of the values, for each register. */
static void the_description_tells_each_register_and_its_size(void **state)
{
    static const struct {
        unsigned vl;
        bool pauth;
    } cases[] = {{0, false}, {0, true}, {16, true}, {64, false}, {256, true}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *at;

        use(cases[i].vl, cases[i].pauth);
        assert_int_equal(number_of(NULL), registers.count);
        assert_int_equal(registers.description_size, strlen(registers.description));
        at = registers.description;
        for (unsigned n = 0; n < registers.count; n++) {
            at = strstr(at, "<reg name=");
            at = strstr(at, "bitsize=\"") + strlen("bitsize=\"");
            assert_int_equal(strtoul(at, NULL, 10), 8 * gdb_register_size(&registers, n));
            assert_true(gdb_register_size(&registers, n) <= GDB_REGISTER_SIZE_MAX);
        }
        assert_int_equal(gdb_register_size(&registers, registers.count), 0);
        assert_int_equal(gdb_register_size(&registers, UINT32_MAX), 0);
        assert_int_equal(number_of("pc"), GDB_REGISTER_PC);
        assert_int_equal(number_of("cpsr"), GDB_REGISTERS_CORE - 1);
    }
}

static void what_is_written_is_read_and_nothing_else_changes(void **state)
{
    use(32, true);
    for (unsigned n = 0; n < registers.count; n++) {
        size_t size = gdb_register_size(&registers, n);
        uint8_t before[GDB_REGISTER_SIZE_MAX], other[GDB_REGISTER_SIZE_MAX],
            after[GDB_REGISTER_SIZE_MAX];
        struct rv_vcpu_page old = page;

        gdb_register_read(&registers, &page, n, before);
        for (size_t i = 0; i < size; i++)
            other[i] = before[i] ^ (n == GDB_REGISTERS_CORE - 1 ? 0 : 0x5a);
        if (gdb_register_write(&registers, &page, n, other) == -EROFS) {
            assert_memory_equal(&page, &old, sizeof(page));
            continue;
        }
        gdb_register_read(&registers, &page, n, after);
        assert_memory_equal(after, other, size);
        assert_int_equal(gdb_register_write(&registers, &page, n, before), 0);
        assert_true(n >= number_of("z0") || memcmp(&page, &old, sizeof(page)) == 0);
        page = old;
    }
}

static void sp_is_that_of_the_mode(void **state)
{
    use(0, false);
    assert_int_equal(get("sp"), page.el1.sp_el1);
    page.pstate = PSTATE_EL1t;
    assert_int_equal(get("sp"), page.el1.sp_el0);
    page.pstate = PSTATE_EL0t;
    assert_int_equal(set("sp", 4096), 0);
    assert_int_equal(page.el1.sp_el0, 4096);
}

/* The stub refuses a vCPU in another mode, and stops its VM. */
static void pstate_takes_only_modes_that_the_guest_can_be_in(void **state)
{
    use(0, false);
    for (unsigned mode = 0; mode < 32; mode++) {
        bool legal = mode == PSTATE_EL0t || mode == PSTATE_EL1t || mode == PSTATE_EL1h;

        page.pstate = PSTATE_EL1h;
        assert_int_equal(set("cpsr", PSTATE_N | mode), legal ? 0 : -EINVAL);
        assert_int_equal(page.pstate, legal ? PSTATE_N | mode : PSTATE_EL1h);
        page.pstate = PSTATE_nRW; /* EL0 in AArch32 */
        assert_int_equal(set("cpsr", PSTATE_Z | mode), mode == PSTATE_nRW ? 0 : -EINVAL);
    }
}

static void constants_cannot_be_written(void **state)
{
    use(16, true);
    assert_int_equal(set("MPIDR_EL1", 1), -EROFS);
    assert_int_equal(set("MIDR_EL1", 1), -EROFS);
    assert_int_equal(set("vg", 1), -EROFS);
    assert_int_equal(set("pauth_cmask", 1), -EROFS);
    assert_int_equal(get("vg"), 2);
}

/* V is the low end of Z, and the stub loads both groups. */
static void a_z_register_is_written_in_both_groups(void **state)
{
    uint8_t z[32], *sve = page.sve;

    use(32, false);
    for (unsigned i = 0; i < sizeof(z); i++)
        z[i] = (uint8_t)(0x80 + i);
    assert_int_equal(gdb_register_write(&registers, &page, number_of("z3"), z), 0);
    assert_memory_equal(&page.fp.v[6], z, 16);
    assert_memory_equal(sve + 3 * 32, z, 32);
    assert_int_equal(get("ffr") & 0xffffffff,
                     *(uint64_t *)(void *)(sve + 32 * 32 + 16 * 4) & 0xffffffff);
}

/* Arm ARM D8.10.4: from the top of the address to bit 54, and the top byte unless it is a tag. */
static void the_pauth_masks_follow_tcr(void **state)
{
    use(0, true);
    page.el1.tcr_el1 = 16 | 25ull << 16;
    assert_int_equal(get("pauth_dmask"), 0xff7f000000000000);
    assert_int_equal(get("pauth_cmask"), 0xff7f000000000000);
    assert_int_equal(get("pauth_dmask_high"), 0xff7fff8000000000);
    page.el1.tcr_el1 |= 3ull << 37; /* TBI0, TBI1 */
    assert_int_equal(get("pauth_dmask"), 0x007f000000000000);
    assert_int_equal(get("pauth_cmask_high"), 0x007fff8000000000);
    page.el1.tcr_el1 |= 1ull << 52; /* TBID1: not for instructions */
    assert_int_equal(get("pauth_dmask_high"), 0x007fff8000000000);
    assert_int_equal(get("pauth_cmask_high"), 0xff7fff8000000000);
}

static int teardown(void **state)
{
    gdb_registers_free(&registers);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_description_tells_each_register_and_its_size),
        cmocka_unit_test(what_is_written_is_read_and_nothing_else_changes),
        cmocka_unit_test(sp_is_that_of_the_mode),
        cmocka_unit_test(pstate_takes_only_modes_that_the_guest_can_be_in),
        cmocka_unit_test(constants_cannot_be_written),
        cmocka_unit_test(a_z_register_is_written_in_both_groups),
        cmocka_unit_test(the_pauth_masks_follow_tcr),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
