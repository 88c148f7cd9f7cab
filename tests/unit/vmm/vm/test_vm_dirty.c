/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Write protection for snapshots: what the stub is told, and what the guest may write. The stub is
 * faked: it has the permissions of each page, and refuses what the real one refuses.
 */
#include "vmm/vm/vm_dirty.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/board/board.h"
#include "vmm/util/bits.h"
#include "vmm/vm/vm.h"

#define MIB    0x100000ull
#define GIB    (1ull << 30)
#define BIG    (2 * GIB + 4 * MIB)
#define SMALL  (8 * MIB)
#define ROM    (4 * MIB)
#define LAYOUT GIB
#define PAGES  (BIG / RV_PAGE_SIZE)

static struct vm vm;
static struct cores cores;
static struct machine machine;
static uint8_t stage2[PAGES]; /* RV_MAP_*, of each page of RAM; 0: not mapped */
static uint8_t block[PAGES];  /* it is a part of a block of RV_BLOCK_SIZE */
static unsigned calls;

static uint64_t pages_of(uint64_t bytes)
{
    return bytes / RV_PAGE_SIZE;
}

static void map(uint64_t page, uint64_t end, uint64_t prot)
{
    uint64_t gib = pages_of(GIB);

    assert_in_range(end - page, 1, prot & RV_MAP_PAGES_ONLY ? RV_MAX_ENTRIES : gib);
    for (; page < end; page++) {
        assert_int_equal(stage2[page], 0);
        stage2[page] = (uint8_t)(prot & ~(uint64_t)RV_MAP_PAGES_ONLY);
        block[page] = !(prot & RV_MAP_PAGES_ONLY); /* a machine has no larger ones */
    }
}

/* As pgtable_protect(): its ends cut no block, and what has permissions is mapped. */
static void protect(uint64_t page, uint64_t end, uint64_t prot)
{
    static const uint64_t sizes[] = {1, RV_BLOCK_SIZE / RV_PAGE_SIZE};
    unsigned entries = 0;

    while (page < end) {
        uint64_t size = sizes[block[page]];

        assert_true(page % size == 0 && end - page >= size);
        assert_true(prot == 0 || stage2[page]);
        if (stage2[page])
            assert_in_range(++entries, 1, RV_MAX_ENTRIES);
        memset(&stage2[page], (int)prot, size);
        if (!prot)
            memset(&block[page], 0, size);
        page += size;
    }
}

int cores_call(struct cores *c, struct rv_command *command, uint64_t *value)
{
    uint64_t page = pages_of(command->arg[0] - BOARD_RAM_BASE);

    assert_int_equal(command->vm, 3);
    calls++;
    if (command->op == RV_COMMAND_MAP) {
        assert_int_equal(command->arg[1], LAYOUT + page * RV_PAGE_SIZE);
        map(page, page + pages_of(command->arg[2]), command->arg[3]);
    } else {
        assert_int_equal(command->op, RV_COMMAND_PROTECT);
        protect(page, page + pages_of(command->arg[1]), command->arg[2]);
    }
    return 0;
}

uint64_t vm_memory_size(uint64_t ram_size, uint64_t rom_size)
{
    return ram_size + rom_size + BOARD_PVTIME_SIZE;
}

uint64_t vm_pvtime_offset(const struct vm *of)
{
    return of->config.ram_size + of->config.rom_size;
}

static void prepare(bool blind, uint64_t ram)
{
    memset(stage2, 0, sizeof(stage2));
    memset(block, 0, sizeof(block));
    calls = 0;
    machine = (struct machine){.layout = {.ram = LAYOUT}, .blind = blind};
    vm = (struct vm){
        .config = {.ram_size = ram, .rom_size = ROM},
        .share = {.id = 3},
        .cores = &cores,
        .machine = &machine,
        .rom_data_used = RV_PAGE_SIZE,
        .ram = {.ipa = BOARD_RAM_BASE, .size = ram},
    };
    if (blind)
        code_pages_init(&vm.code, ram);
    assert_int_equal(state_create(&vm.state), 0);
}

static void begin(bool blind, uint64_t ram)
{
    prepare(blind, ram);
    assert_int_equal(vm_map_all_ram(&vm), 0);
}

static int end(void **state)
{
    code_pages_free(&vm.code);
    state_close(&vm.state);
    return 0;
}

static bool writable(uint64_t page)
{
    return stage2[page] & RV_MAP_WRITE;
}

static unsigned count_writable(void)
{
    unsigned n = 0;

    for (uint64_t i = 0; i < pages_of(vm.config.ram_size); i++)
        n += writable(i);
    return n;
}

/* What the guest may write counts as written, at any moment. */
static void check_invariant(void)
{
    for (uint64_t i = 0; i < pages_of(vm.config.ram_size); i++)
        if (writable(i))
            assert_true(bits_get(dirty_map_pages(&vm.dirty.map), i));
}

static enum exit_ram_write store(uint64_t page)
{
    return vm.exits.ram_write(vm.exits.opaque, ipa(BOARD_RAM_BASE + page * RV_PAGE_SIZE + 8));
}

static void snapshot(const char *name)
{
    assert_int_equal(vm_dirty_cut(&vm), 0);
    check_invariant();
    vm_dirty_end(&vm, name);
    check_invariant();
}

static bool counts(uint64_t page)
{
    return bits_get(dirty_map_pages(&vm.dirty.map), page);
}

static void nothing_is_asked_of_the_stub_until_a_cut(void **state)
{
    begin(true, SMALL);
    calls = 0;
    vm_dirty_written(&vm, 0, SMALL);
    vm_dirty_end(&vm, "one");
    assert_int_equal(calls, 0);
    assert_null(vm.exits.ram_write);
    assert_true(vm_dirty_may_write(&vm.dirty, 0));
}

static void a_cut_protects_all_and_a_write_gives_it_back_around_it(void **state)
{
    begin(true, SMALL);
    snapshot("one");
    assert_int_equal(count_writable(), 0);
    assert_int_equal(store(21), EXIT_RAM_WRITE_GIVEN);
    assert_true(writable(21) && counts(21));
    assert_int_equal(store(21), EXIT_RAM_WRITE_HAD); /* of another vCPU, at the same time */
    assert_in_range(count_writable(), 1, 32);
    check_invariant();
    assert_false(counts(500));
    snapshot("two");
    assert_int_equal(count_writable(), 0);
    assert_false(counts(21));
    assert_int_equal(store(pages_of(SMALL) - 1), EXIT_RAM_WRITE_GIVEN);
    assert_true(writable(pages_of(SMALL) - 1));
}

static void writes_one_after_another_take_fewer_faults_each_time(void **state)
{
    unsigned faults = 0;

    begin(true, SMALL);
    snapshot("one");
    for (uint64_t page = 0; page < pages_of(SMALL); page++) {
        if (writable(page))
            continue;
        assert_int_equal(store(page), EXIT_RAM_WRITE_GIVEN);
        faults++;
    }
    assert_in_range(faults, 2, 16);
    check_invariant();
}

static void permission_to_execute_stays_as_it_was(void **state)
{
    struct code_run revoked;

    begin(true, SMALL);
    snapshot("one");
    assert_int_equal(stage2[600], RV_MAP_READ | RV_MAP_EXEC);
    /* A device writes there. */
    vm_dirty_written(&vm, 600 * RV_PAGE_SIZE, 1);
    assert_true(code_pages_written(&vm.code, 600 * RV_PAGE_SIZE, 1, &revoked));
    assert_int_equal(
        vm_protect_ram(&vm, pages_of(revoked.offset), pages_of(revoked.offset + revoked.size)), 0);
    assert_true(counts(600));
    assert_int_equal(stage2[600], RV_MAP_READ | RV_MAP_WRITE);
    assert_int_equal(stage2[601], RV_MAP_READ);
    assert_int_equal(store(601), EXIT_RAM_WRITE_GIVEN);
    assert_int_equal(stage2[601], RV_MAP_READ | RV_MAP_WRITE);
    assert_int_equal(store(5), EXIT_RAM_WRITE_GIVEN);
    assert_int_equal(stage2[5], RV_MAP_READ | RV_MAP_WRITE | RV_MAP_EXEC);
    check_invariant();
}

static void a_write_elsewhere_is_not_for_the_map(void **state)
{
    begin(true, SMALL);
    snapshot("one");
    assert_int_equal(store(pages_of(SMALL)), EXIT_RAM_WRITE_ELSEWHERE);
    assert_int_equal(vm.exits.ram_write(vm.exits.opaque, ipa(BOARD_PVTIME_BASE)),
                     EXIT_RAM_WRITE_ELSEWHERE);
    assert_int_equal(count_writable(), 0);
    /* One that cannot be found: all of RAM. */
    assert_int_equal(vm.exits.ram_write(vm.exits.opaque, ipa(RV_NO_IPA)), EXIT_RAM_WRITE_GIVEN);
    assert_int_equal(count_writable(), pages_of(SMALL));
    check_invariant();
}

static void roms_that_are_written_and_stolen_time_count(void **state)
{
    uint64_t rom = pages_of(SMALL), data = pages_of(SMALL + ROM) - 1;
    const struct dirty_map *dirty;

    begin(true, SMALL);
    snapshot("one");
    vm_dirty_written(&vm, SMALL + 5 * RV_PAGE_SIZE, 2 * RV_PAGE_SIZE);
    dirty = vm_dirty_map(&vm);
    assert_true(bits_get(dirty_map_pages(dirty), rom + 6));
    assert_false(bits_get(dirty_map_pages(dirty), rom + 7));
    assert_false(bits_get(dirty_map_pages(dirty), data - 1));
    assert_int_equal(bits_next(dirty_map_pages(dirty), data, dirty->nr_pages), data);
    assert_true(bits_get(dirty_map_pages(dirty), data + BOARD_PVTIME_SIZE / RV_PAGE_SIZE));
}

static void a_snapshot_that_fails_is_in_the_next_one(void **state)
{
    begin(true, SMALL);
    snapshot("one");
    store(21);
    assert_int_equal(vm_dirty_cut(&vm), 0);
    store(700);
    vm_dirty_end(&vm, NULL);
    assert_true(counts(21) && counts(700));
    assert_false(writable(21));
    assert_int_equal(store(21), EXIT_RAM_WRITE_HAD); /* and it is made */
    assert_true(writable(21));
    check_invariant();
}

/* Another process goes on; stage 2 is as it was. */
static int take_over(void)
{
    int fd = dup(vm.state.fd);

    state_close(&vm.state);
    assert_int_equal(state_attach(&vm.state, fd), 0);
    memset(&vm.dirty, 0, sizeof(vm.dirty));
    memset(&vm.exits, 0, sizeof(vm.exits));
    vm.config.origin = VM_TAKEN_OVER;
    return vm_dirty_open(&vm);
}

static void a_map_outlives_its_process(void **state)
{
    begin(true, SMALL);
    snapshot("one");
    store(21);
    assert_int_equal(take_over(), 0);
    assert_string_equal(dirty_map_base(&vm.dirty.map), "one");
    assert_true(counts(21));
    assert_false(counts(500));
    assert_true(
        counts(pages_of(SMALL))); /* a device may have written to its ROM, and not said so */
    check_invariant();
    assert_int_equal(store(500), EXIT_RAM_WRITE_GIVEN);
    assert_int_equal(vm_dirty_cut(&vm), 0); /* dies within the next one */
    assert_int_equal(take_over(), 0);
    assert_true(counts(21) && counts(500));
    check_invariant();
}

static void a_map_that_is_damaged_is_refused(void **state)
{
    begin(true, SMALL);
    snapshot("one");
    vm.dirty.map.head->counts = 7;
    assert_int_equal(take_over(), -EINVAL);
}

/* On the machine linux, where the stub refuses to cut a block. */
static void a_block_is_written_as_a_whole(void **state)
{
    const uint64_t unit = pages_of(RV_BLOCK_SIZE);

    begin(false, SMALL);
    snapshot("one");
    assert_int_equal(count_writable(), 0);
    assert_int_equal(store(unit + 21), EXIT_RAM_WRITE_GIVEN);
    assert_int_equal(count_writable(), unit);
    assert_true(counts(unit) && counts(2 * unit - 1) && !counts(unit - 1) && !counts(2 * unit));
    vm_dirty_written(&vm, 3 * RV_BLOCK_SIZE + 5, 1); /* a device */
    assert_true(counts(3 * unit) && counts(4 * unit - 1) && !counts(3 * unit - 1));
    assert_int_equal(store(4 * unit - 1), EXIT_RAM_WRITE_HAD);
    assert_int_equal(count_writable(), 2 * unit);
    check_invariant();
    vm_dirty_written(&vm, SMALL + 5 * RV_PAGE_SIZE, 1); /* ROMs are not in stage 2's RAM */
    assert_true(counts(4 * unit + 5) && !counts(4 * unit + 6));
    assert_int_equal(take_over(), 0);
    assert_int_equal(store(21), EXIT_RAM_WRITE_GIVEN);
    assert_int_equal(count_writable(), 3 * unit);
    check_invariant();
    snapshot("two");
    assert_int_equal(count_writable(), 0);
    for (uint64_t i = 0; i < pages_of(SMALL); i++)
        assert_true(block[i] && !counts(i));
}

/* A snapshot has no map: the VM that it becomes is not tracked. */
static void a_snapshot_has_no_map(void **state)
{
    struct state_found found;
    size_t size;
    void *copy;
    int fd;

    begin(true, SMALL);
    assert_non_null(state_alloc(&vm.state, "other", 1, 100));
    snapshot("one");
    size = state_used(&vm.state);
    copy = malloc(size);
    memcpy(copy, vm.state.base, size);
    vm_dirty_omit(copy);
    fd = memfd_create("copy", 0);
    assert_int_equal(write(fd, copy, size), (ssize_t)size);
    free(copy);
    state_close(&vm.state);
    assert_int_equal(state_attach(&vm.state, fd), 0);
    assert_false(state_lookup(&vm.state, "dirty", &found));
    assert_true(state_lookup(&vm.state, "other", &found));
    assert_null(state_unclaimed(&vm.state));
}

/* What it was restored from is the base of the next snapshot. */
static void a_vm_that_was_restored_is_tracked_from_its_snapshot_on(void **state)
{
    for (unsigned blind = 0; blind < 2; blind++) {
        prepare(blind, BIG);
        vm.config.origin = VM_RESTORED;
        vm.config.tracks = "one";
        assert_int_equal(vm_dirty_open(&vm), 0);
        assert_string_equal(dirty_map_base(&vm.dirty.map), "one");
        vm_dirty_written(&vm, 70 * RV_PAGE_SIZE, 1); /* a device, when it is made */
        assert_int_equal(vm_map_all_ram(&vm), 0);
        check_invariant();
        for (uint64_t i = 0; i < PAGES; i++)
            assert_true(block[i] == !blind && stage2[i] == (RV_MAP_READ | RV_MAP_EXEC) &&
                        counts(i) == (blind ? i == 70 : i < pages_of(RV_BLOCK_SIZE)));
        assert_int_equal(store(21), blind ? EXIT_RAM_WRITE_GIVEN : EXIT_RAM_WRITE_HAD);
        assert_int_equal(store(70), EXIT_RAM_WRITE_HAD);
        assert_true(writable(21) && writable(70) && counts(21) && !counts(1500));
        assert_int_equal(take_over(), 0);
        assert_string_equal(dirty_map_base(&vm.dirty.map), "one");
        assert_true(counts(21) && !counts(1500) && !writable(1500));
        check_invariant();
        snapshot("two");
        assert_int_equal(count_writable(), 0);
        if (!blind)
            end(NULL);
    }
}

static int load(void *opaque, uint64_t index)
{
    return 0;
}

static void let_go(void *opaque)
{
}

/* A block that has not been read is not mapped, and gets no permission. */
static void a_vm_that_is_restored_lazily_is_tracked_block_by_block(void **state)
{
    static uint8_t memory[SMALL];
    static const struct vm_lazy_source source = {.load = load, .end = let_go};
    uint64_t pages = pages_of(RV_BLOCK_SIZE);

    prepare(false, SMALL);
    vm.ram.host = memory;
    vm.config.origin = VM_RESTORED;
    vm.config.tracks = "one";
    vm.config.lazy = &source;
    assert_int_equal(vm_lazy_open(&vm), 0);
    assert_int_equal(vm_dirty_open(&vm), 0);
    assert_non_null(guest_ram_at(&vm.ram, BOARD_RAM_BASE + RV_BLOCK_SIZE, 8));
    assert_int_equal(vm_lazy_map(&vm), 0);
    for (uint64_t i = pages; i < 2 * pages; i++) {
        assert_int_equal(stage2[i] & ~RV_MAP_WRITE, RV_MAP_READ | RV_MAP_EXEC);
        assert_true(i > pages || !writable(i));
        if (!writable(i))
            assert_int_equal(store(i), EXIT_RAM_WRITE_GIVEN);
    }
    assert_int_equal(stage2[0], 0);
    assert_int_equal(stage2[2 * pages], 0);
    assert_false(counts(2 * pages));
    check_invariant();
    /* One that cannot be found is in all of RAM. */
    assert_int_equal(vm.exits.ram_write(vm.exits.opaque, ipa(RV_NO_IPA)), EXIT_RAM_WRITE_GIVEN);
    assert_false(vm_lazy_is_on(&vm));
    assert_int_equal(count_writable(), pages_of(SMALL));
    vm_lazy_free(&vm);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_asked_of_the_stub_until_a_cut),
        TEST(a_cut_protects_all_and_a_write_gives_it_back_around_it),
        TEST(writes_one_after_another_take_fewer_faults_each_time),
        TEST(permission_to_execute_stays_as_it_was),
        TEST(a_write_elsewhere_is_not_for_the_map),
        TEST(roms_that_are_written_and_stolen_time_count),
        TEST(a_snapshot_that_fails_is_in_the_next_one),
        TEST(a_map_outlives_its_process),
        TEST(a_map_that_is_damaged_is_refused),
        TEST(a_block_is_written_as_a_whole),
        TEST(a_snapshot_has_no_map),
        TEST(a_vm_that_was_restored_is_tracked_from_its_snapshot_on),
        TEST(a_vm_that_is_restored_lazily_is_tracked_block_by_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
