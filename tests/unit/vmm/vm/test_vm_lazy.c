/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM that is read when it is needed: what is read, and what the stub is told. The stub is faked. */
#include "vmm/vm/vm_lazy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "vmm/board/board.h"
#include "vmm/vm/vm.h"

#define MIB    0x100000ull
#define BLOCKS 4u
#define LAYOUT (64 * MIB)

#define WRITE_FAULT \
    (ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ISS_DABT_WNR | ESR_FSC_TRANSLATION | 2)
#define FETCH_FAULT (ESR_SET(ESR_EC_IABT_LOWER, ESR_ELx_EC) | ESR_FSC_TRANSLATION | 2)

static struct vm vm;
static struct cores cores;
static struct machine machine;
static uint8_t ram[BLOCKS * RV_BLOCK_SIZE];
static unsigned loads[BLOCKS], maps[BLOCKS], ends;
static int load_result;
static bool is_late; /* block 1, until it is loaded */

int cores_call(struct cores *c, struct rv_command *command, uint64_t *value)
{
    uint64_t offset = command->arg[0] - BOARD_RAM_BASE;

    assert_int_equal(command->op, RV_COMMAND_MAP);
    assert_int_equal(command->vm, 3);
    assert_int_equal(command->arg[1], LAYOUT + offset);
    assert_int_equal(command->arg[2], RV_BLOCK_SIZE);
    assert_int_equal(command->arg[3], RV_MAP_READ | RV_MAP_WRITE | RV_MAP_EXEC | RV_MAP_PAGES_ONLY);
    assert_int_equal(loads[offset / RV_BLOCK_SIZE], 1); /* never before it is there */
    maps[offset / RV_BLOCK_SIZE]++;
    return 0;
}

static int load(void *opaque, uint64_t index)
{
    assert_ptr_equal(opaque, ram);
    loads[index]++;
    ram[index * RV_BLOCK_SIZE] = (uint8_t)(index + 1);
    return load_result;
}

static bool has(void *opaque, uint64_t index)
{
    assert_ptr_equal(opaque, ram);
    return !is_late || index != 1;
}

static void end(void *opaque)
{
    ends++;
}

static const struct vm_lazy_source source = {.load = load, .has = has, .end = end, .opaque = ram};

static int setup(void **state)
{
    memset(&vm, 0, sizeof(vm));
    memset(ram, 0, sizeof(ram));
    memset(loads, 0, sizeof(loads));
    memset(maps, 0, sizeof(maps));
    ends = 0;
    load_result = 0;
    is_late = false;
    machine.layout.ram = LAYOUT;
    machine.blind = true;
    vm.cores = &cores;
    vm.machine = &machine;
    vm.share.id = 3;
    vm.config.ram_size = sizeof(ram);
    vm.config.lazy = &source;
    vm.ram = (struct guest_ram){.host = ram, .ipa = BOARD_RAM_BASE, .size = sizeof(ram)};
    vm.base = event_base_new();
    return vm_lazy_open(&vm);
}

static int teardown(void **state)
{
    vm_lazy_free(&vm);
    event_base_free(vm.base);
    return 0;
}

static bool fault(uint64_t esr, uint64_t ipa)
{
    const struct rv_event event = {.type = RV_EVENT_SYNC, .esr = esr, .ipa = ipa};

    return vm_lazy_fault(&vm, &event);
}

/* A device has its rings in block 1, and a walk reads a word at the end of it and the next. */
static void what_the_vmm_uses_is_read_first_and_mapped_when_the_stub_knows_the_vm(void **state)
{
    assert_int_equal(*guest_ram_at(&vm.ram, BOARD_RAM_BASE + RV_BLOCK_SIZE, 16), 2);
    assert_int_equal(maps[1], 0);
    assert_int_equal(vm_lazy_map(&vm), 0);
    assert_int_equal(maps[1], 1);
    assert_int_equal(maps[0] + maps[2] + maps[3], 0);
    assert_non_null(guest_ram_at(&vm.ram, BOARD_RAM_BASE + 2 * RV_BLOCK_SIZE - 4, 8));
    assert_int_equal(loads[1], 1);
    assert_int_equal(loads[2], 1);
    assert_int_equal(maps[2], 1);
    assert_int_equal(loads[0] + loads[3], 0);
    assert_null(guest_ram_at(&vm.ram, BOARD_RAM_BASE + sizeof(ram) - 4, 8));
    assert_int_equal(loads[3], 0);
}

static void block_that_the_guest_needs_is_read_and_mapped_once(void **state)
{
    vm_lazy_map(&vm);
    assert_true(fault(WRITE_FAULT, BOARD_RAM_BASE + 3 * RV_BLOCK_SIZE + 8));
    assert_true(fault(FETCH_FAULT, BOARD_RAM_BASE + 4 * RV_BLOCK_SIZE - 4)); /* another vCPU's */
    assert_int_equal(loads[3], 1);
    assert_int_equal(maps[3], 1);
    assert_int_equal(ram[3 * RV_BLOCK_SIZE], 4);
    assert_false(fault(WRITE_FAULT, BOARD_RAM_BASE + sizeof(ram)));
    assert_false(fault(WRITE_FAULT, BOARD_RAM_BASE - 4));
    assert_false(
        fault((WRITE_FAULT & ~(uint64_t)ESR_FSC_TYPE) | ESR_FSC_PERMISSION, BOARD_RAM_BASE));
    assert_int_equal(loads[0], 0);
    assert_true(vm_lazy_is_on(&vm));
}

static void rest_is_read_in_the_loop_and_then_the_source_is_let_go(void **state)
{
    vm_lazy_map(&vm);
    assert_true(fault(WRITE_FAULT, BOARD_RAM_BASE + RV_BLOCK_SIZE));
    assert_int_equal(vm_lazy_start(&vm), 0);
    assert_int_equal(ends, 0);
    event_base_dispatch(vm.base);
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_int_equal(loads[i], 1);
        assert_int_equal(maps[i], 1);
    }
    assert_int_equal(ends, 1);
    assert_false(vm_lazy_is_on(&vm));
    assert_true(fault(WRITE_FAULT, BOARD_RAM_BASE)); /* was on its way: the access is made again */
    vm_lazy_finish(&vm);
    vm_lazy_free(&vm);
    assert_int_equal(ends, 1);
    assert_false(vm.broken);
}

static void nothing_waits_for_a_block_that_only_the_loop_wants(void **state)
{
    vm_lazy_map(&vm);
    is_late = true;
    assert_int_equal(vm_lazy_start(&vm), 0);
    for (unsigned i = 0; i < 5; i++)
        event_base_loop(vm.base, EVLOOP_ONCE);
    assert_int_equal(loads[0], 1);
    assert_int_equal(loads[1] + loads[2] + loads[3], 0);
    assert_true(fault(WRITE_FAULT, BOARD_RAM_BASE + RV_BLOCK_SIZE));
    assert_int_equal(maps[1], 1);
    event_base_dispatch(vm.base);
    assert_int_equal(ends, 1);
}

static void snapshot_that_cannot_be_read_ends_the_vm(void **state)
{
    vm_lazy_map(&vm);
    load_result = -EBADMSG;
    assert_true(fault(WRITE_FAULT, BOARD_RAM_BASE));
    assert_true(vm.broken);
    vm_lazy_free(&vm);
    assert_int_equal(ends, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_the_vmm_uses_is_read_first_and_mapped_when_the_stub_knows_the_vm),
        TEST(block_that_the_guest_needs_is_read_and_mapped_once),
        TEST(rest_is_read_in_the_loop_and_then_the_source_is_let_go),
        TEST(nothing_waits_for_a_block_that_only_the_loop_wants),
        TEST(snapshot_that_cannot_be_read_ends_the_vm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
