/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of devices that the guest is shown: what the stub is told, and when. The stub is faked. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "vmm/vm/vm.h"

#define MIB        0x100000ull
#define LAYOUT_RAM (64 * MIB)
#define SHARE      (2 * MIB)
#define RAM        (4 * MIB)
#define ROM        (2 * MIB)
#define BASE       0x4000000ull

#define READ_FAULT  (ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_FSC_TRANSLATION | 2)
#define FETCH_FAULT (ESR_SET(ESR_EC_IABT_LOWER, ESR_ELx_EC) | ESR_FSC_TRANSLATION | 2)

static struct vm vm;
static struct cores cores;
static struct machine machine;
static uint8_t machine_ram[16 * MIB];
static char said[1024]; /* the commands of the stub */
static int call_result;
static uint8_t *memory;

int cores_call(struct cores *c, struct rv_command *command, uint64_t *value)
{
    static const char *const names[] = {
        [RV_COMMAND_MAP] = "map", [RV_COMMAND_PROTECT] = "protect", [RV_COMMAND_FLUSH] = "flush"};
    size_t len = strlen(said);

    assert_ptr_equal(c, &cores);
    assert_null(value);
    assert_int_equal(command->vm, 3);
    snprintf(said + len, sizeof(said) - len, "%s %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n",
             names[command->op], command->arg[0], command->arg[1], command->arg[2],
             command->arg[3]);
    return call_result;
}

static unsigned nr_told;

int cores_tell(struct cores *c, struct rv_command *command)
{
    nr_told++;
    return cores_call(c, command, NULL);
}

static uint64_t written_at, written_size;

void vm_dirty_written(struct vm *of, uint64_t offset, uint64_t size)
{
    written_at = offset;
    written_size = size;
}

static void check_said(const char *words)
{
    assert_string_equal(said, words);
    said[0] = '\0';
}

uint64_t vm_pvtime_offset(const struct vm *of)
{
    return of->config.ram_size + of->config.rom_size;
}

/* All of it. */
static void show(unsigned index, bool shown)
{
    vm_rom_show(&vm, index, 0, vm.roms.rom[index].size, shown);
}

/* One of 2 MiB at BASE, which is shown. */
static int setup(void **state)
{
    unsigned index;

    machine = (struct machine){.ram = machine_ram, .layout = {.ram = LAYOUT_RAM}};
    vm = (struct vm){
        .config = {.ram_size = RAM, .rom_size = 2 * ROM},
        .share = {.id = 3, .ram_offset = SHARE},
        .cores = &cores,
        .machine = &machine,
        .running = true,
    };
    said[0] = '\0';
    call_result = 0;
    assert_int_equal(vm_rom_new(&vm, ipa(BASE), ROM, false, &index, &memory), 0);
    assert_int_equal(index, 0);
    show(0, true);
    return 0;
}

static int teardown(void **state)
{
    vm_rom_free(&vm);
    return 0;
}

static bool fault(uint64_t esr, uint64_t address)
{
    const struct rv_event event = {.type = RV_EVENT_SYNC, .esr = esr, .ipa = address};

    return vm_rom_fault(&vm, &event);
}

#define MAPPED      "map 4000000 4600000 200000 5\n"
#define GONE        "protect 4000000 200000 0 0\n"
#define DATA        0x09000000ull
#define DATA_MAPPED "map 9000000 49ff000 1000 1\n"
#define DATA_GONE   "protect 9000000 1000 0 0\n"
_Static_assert(LAYOUT_RAM + SHARE + RAM == 0x4600000, "where MAPPED has the memory");
_Static_assert((RV_MAP_READ | RV_MAP_EXEC) == 5, "as MAPPED has it");

/* Data: the second one, of a page, which is shown. `clean` is what the machine did. */
static char clean[64];

static int machine_memory(struct machine *m, const struct rv_command *command)
{
    assert_int_equal(command->op, RV_COMMAND_FLUSH);
    snprintf(clean, sizeof(clean), "%" PRIx64 " %" PRIx64, command->arg[0], command->arg[1]);
    return 0;
}

static void show_data(void)
{
    unsigned index;
    uint8_t *second;

    assert_int_equal(vm_rom_new(&vm, ipa(DATA), RV_PAGE_SIZE, true, &index, &second), 0);
    assert_int_equal(index, 1);
    show(1, true);
}

static void memory_lies_behind_the_ram_of_the_vm(void **state)
{
    unsigned index;
    uint8_t *second;

    assert_ptr_equal(memory, machine_ram + SHARE + RAM);
    assert_int_equal(vm_rom_new(&vm, ipa(0), ROM, false, &index, &second), 0);
    assert_int_equal(index, 1);
    assert_ptr_equal(second, memory + ROM);
}

static void no_more_memory_than_the_machine_has(void **state)
{
    unsigned index;
    uint8_t *second;

    assert_int_equal(vm_rom_new(&vm, ipa(0), ROM + RV_PAGE_SIZE, false, &index, &second), -ENOSPC);
    assert_int_equal(vm_rom_new(&vm, ipa(0), ROM, false, &index, &second), 0);
    assert_int_equal(vm_rom_new(&vm, ipa(0x10000000), RV_PAGE_SIZE, false, &index, &second),
                     -ENOSPC);
}

static void memory_is_whole_pages(void **state)
{
    unsigned index;
    uint8_t *second;

    assert_int_equal(vm_rom_new(&vm, ipa(0), 0, false, &index, &second), -EINVAL);
    assert_int_equal(vm_rom_new(&vm, ipa(0), 0x1234, false, &index, &second), -EINVAL);
    assert_int_equal(vm_rom_new(&vm, ipa(0x10), RV_PAGE_SIZE, false, &index, &second), -EINVAL);
}

static void first_read_or_fetch_maps_it(void **state)
{
    check_said("");
    assert_true(fault(READ_FAULT, BASE + 8));
    check_said(MAPPED);
    assert_true(fault(FETCH_FAULT, BASE + ROM - 1)); /* of another vCPU, at the same time */
    check_said("");
    show(0, false);
    check_said(GONE);
    show(0, true);
    check_said("");
    assert_true(fault(FETCH_FAULT, BASE));
    check_said(MAPPED);
}

/* It changes its mode for each command: that alone is free. */
static void modes_that_nobody_reads_in_cost_nothing(void **state)
{
    for (unsigned i = 0; i < 10; i++) {
        show(0, false);
        show(0, true);
    }
    check_said("");
}

static void other_exits_are_the_devices(void **state)
{
    static const struct {
        uint64_t esr, address;
    } cases[] = {
        {READ_FAULT | ESR_ISS_DABT_WNR, BASE},                   /* a write */
        {READ_FAULT | ESR_ISS_DABT_WNR | ESR_ISS_DABT_CM, BASE}, /* cache maintenance */
        {READ_FAULT, BASE - 1},
        {READ_FAULT, BASE + ROM},
        {(READ_FAULT & ~(uint64_t)ESR_FSC_TYPE) | ESR_FSC_PERMISSION | 2, BASE},
        {ESR_SET(ESR_EC_DABT_SAME, ESR_ELx_EC) | ESR_FSC_TRANSLATION | 2, BASE},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_false(fault(cases[i].esr, cases[i].address));
    show(0, false);
    assert_false(fault(READ_FAULT, BASE));
    check_said("");
}

static void walk_of_tables_in_it_maps_it(void **state)
{
    assert_true(fault(READ_FAULT | ESR_ISS_DABT_S1PTW | ESR_ISS_DABT_WNR, BASE));
    check_said(MAPPED);
}

static void what_was_written_is_flushed_before_it_is_shown(void **state)
{
    show(0, false);
    vm_rom_written(&vm, 0, 0x1fff, 2);        /* pages 1 and 2 */
    vm_rom_written(&vm, 0, ROM - 1, 1);       /* the last */
    vm_rom_written(&vm, 0, 0x80000, 0x41000); /* more than one command has */
    vm_rom_written(&vm, 0, 0x100000, 0);
    check_said("");
    show(0, true);
    assert_true(fault(READ_FAULT, BASE));
    check_said("flush 4601000 2000 0 0\n"
               "flush 4680000 40000 0 0\n"
               "flush 46c0000 1000 0 0\n"
               "flush 47ff000 1000 0 0\n" MAPPED);
    show(0, false);
    show(0, true);
    assert_true(fault(READ_FAULT, BASE));
    check_said(GONE MAPPED); /* once */
}

static void what_is_written_while_it_is_mapped_is_flushed_at_once(void **state)
{
    assert_true(fault(READ_FAULT, BASE));
    check_said(MAPPED);
    vm_rom_written(&vm, 0, 0x3000, 4);
    check_said("flush 4603000 1000 0 0\n");
    assert_int_equal(written_at, RAM + 0x3000); /* what is tracked is told, too */
    assert_int_equal(written_size, 4);
}

static void before_the_vm_runs_nothing_is_flushed(void **state)
{
    vm.running = false;
    vm_rom_written(&vm, 0, 0, ROM);
    vm.running = true;
    assert_true(fault(FETCH_FAULT, BASE));
    check_said(MAPPED);
}

/* It knows of nothing that is mapped, as the one before may have been killed at any time. */
static void vmm_that_takes_over_unmaps_whatever_was_mapped(void **state)
{
    show_data();
    check_said("");
    vm_rom_take_over(&vm);
    check_said(GONE DATA_GONE);
    assert_true(fault(READ_FAULT, DATA));
    check_said(DATA_MAPPED);
}

static void refusal_of_the_stub_breaks_the_vm(void **state)
{
    call_result = -EIO;
    assert_true(fault(READ_FAULT, BASE));
    assert_true(vm.broken);
}

/* The vmm reads instructions and tables there as the guest's MMU does. */
static void vmm_reads_what_is_shown(void **state)
{
    assert_ptr_equal(guest_rom_at(&vm.roms, BASE + 16, 8), memory + 16);
    assert_ptr_equal(guest_rom_at(&vm.roms, BASE + ROM - 8, 8), memory + ROM - 8);
    assert_null(guest_rom_at(&vm.roms, BASE + ROM - 4, 8));
    assert_null(guest_rom_at(&vm.roms, BASE - 8, 8));
    assert_null(guest_rom_at(NULL, BASE, 8));
    show(0, false);
    assert_null(guest_rom_at(&vm.roms, BASE, 8));
}

/* A MAP of 64 MiB in pages would be too much for one command. */
static void code_behind_data_is_where_it_can_be_mapped_in_blocks(void **state)
{
    unsigned index;
    uint8_t *data;

    vm_rom_free(&vm);
    vm.rom_code_used = 0;
    assert_int_equal(vm_rom_new(&vm, ipa(DATA), RV_PAGE_SIZE, true, &index, &data), 0);
    assert_int_equal(vm_rom_new(&vm, ipa(BASE), ROM, false, &index, &memory), 0);
    assert_ptr_equal(memory, machine_ram + SHARE + RAM);
    show(index, true);
    assert_true(fault(READ_FAULT, BASE));
    check_said(MAPPED);
}

static void data_is_read_and_not_executed(void **state)
{
    show_data();
    assert_false(fault(FETCH_FAULT, DATA));
    check_said("");
    assert_true(fault(READ_FAULT, DATA + 0x18));
    check_said(DATA_MAPPED);
}

static void data_that_changes_is_cleaned_where_caches_need_it_and_costs_no_command(void **state)
{
    static const struct machine_ops with_caches = {.memory = machine_memory}, without = {0};

    show_data();
    assert_true(fault(READ_FAULT, DATA));
    check_said(DATA_MAPPED);
    machine.ops = &without;
    vm_rom_written(&vm, 1, 0x18, 4);
    assert_string_equal(clean, "");
    machine.ops = &with_caches;
    vm_rom_written(&vm, 1, 0x18, 4);
    assert_string_equal(clean, "49ff018 4");
    check_said("");
}

static void data_can_be_hidden_for_a_while_and_code_stays(void **state)
{
    show_data();
    assert_true(fault(READ_FAULT, DATA));
    assert_true(fault(READ_FAULT, BASE));
    check_said(DATA_MAPPED MAPPED);
    assert_true(vm_rom_has_code(&vm));
    vm_rom_show_data(&vm, false);
    check_said(DATA_GONE);
    show(1, false);
    show(1, true);
    assert_false(fault(READ_FAULT, DATA));
    vm_rom_show_data(&vm, true);
    check_said("");
    assert_true(fault(READ_FAULT, DATA));
    check_said(DATA_MAPPED);
}

/* What the device changes after that, no vCPU reads: neither the one whose exit it is nor another one. */
static void hiding_waits_for_the_stub_where_there_is_another_vcpu(void **state)
{
    for (unsigned vcpus = 1; vcpus <= 2; vcpus++) {
        vm.config.nr_vcpus = vcpus;
        assert_true(fault(READ_FAULT, BASE));
        nr_told = 0;
        show(0, false);
        assert_int_equal(nr_told, vcpus == 1 ? 1 : 0);
        show(0, true);
    }
}

#define PARTS        0x0a000000ull
#define PARTS_MAPPED "map a000000 4a0f000 1000 1\n"
#define PARTS_GONE   "protect a000000 1000 0 0\n"
_Static_assert(LAYOUT_RAM + SHARE + RAM + 2 * ROM == 0x4a00000,
               "where PARTS_MAPPED has the memory");

static void a_page_is_shown_when_all_of_its_parts_are(void **state)
{
    uint8_t *first = NULL, *part;
    unsigned index;

    for (unsigned i = 0; i < 8; i++) {
        assert_false(fault(READ_FAULT, PARTS + 0x60));
        assert_int_equal(vm_rom_part(&vm, ipa(PARTS + i * VM_ROM_PART), &index, &part), 0);
        assert_int_equal(index, 1);
        first = first ? first : part;
        assert_ptr_equal(part, first + i * VM_ROM_PART);
        vm_rom_show(&vm, index, i * VM_ROM_PART, VM_ROM_PART, true);
    }
    assert_ptr_equal(first, machine_ram + SHARE + RAM + 2 * ROM + BOARD_PVTIME_SIZE - RV_PAGE_SIZE);
    check_said("");
    assert_true(fault(READ_FAULT, PARTS + 0x60));
    check_said(PARTS_MAPPED);
    assert_false(fault(FETCH_FAULT, PARTS));
    vm_rom_show(&vm, index, 3 * VM_ROM_PART, VM_ROM_PART, false);
    check_said(PARTS_GONE);
    assert_false(fault(READ_FAULT, PARTS + 0x60));
    vm_rom_show(&vm, index, 3 * VM_ROM_PART, VM_ROM_PART, true);
    assert_true(fault(READ_FAULT, PARTS + 0x60));
    check_said(PARTS_MAPPED);
}

/* The first page of the stolen time is not theirs. */
static void parts_have_room_for_15_pages(void **state)
{
    uint8_t *part = NULL;
    unsigned index, n = 0;

    while (vm_rom_part(&vm, ipa(PARTS + n * RV_PAGE_SIZE), &index, &part) == 0)
        assert_in_range(n++, 0, 15);
    assert_int_equal(n, 15);
    assert_ptr_equal(part, machine_ram + SHARE + RAM + 2 * ROM + RV_PAGE_SIZE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(memory_lies_behind_the_ram_of_the_vm),
        TEST(no_more_memory_than_the_machine_has),
        TEST(memory_is_whole_pages),
        TEST(first_read_or_fetch_maps_it),
        TEST(modes_that_nobody_reads_in_cost_nothing),
        TEST(other_exits_are_the_devices),
        TEST(walk_of_tables_in_it_maps_it),
        TEST(what_was_written_is_flushed_before_it_is_shown),
        TEST(what_is_written_while_it_is_mapped_is_flushed_at_once),
        TEST(before_the_vm_runs_nothing_is_flushed),
        TEST(vmm_that_takes_over_unmaps_whatever_was_mapped),
        TEST(refusal_of_the_stub_breaks_the_vm),
        TEST(vmm_reads_what_is_shown),
        TEST(code_behind_data_is_where_it_can_be_mapped_in_blocks),
        TEST(data_is_read_and_not_executed),
        TEST(data_that_changes_is_cleaned_where_caches_need_it_and_costs_no_command),
        TEST(data_can_be_hidden_for_a_while_and_code_stays),
        TEST(a_page_is_shown_when_all_of_its_parts_are),
        TEST(parts_have_room_for_15_pages),
        TEST(hiding_waits_for_the_stub_where_there_is_another_vcpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
