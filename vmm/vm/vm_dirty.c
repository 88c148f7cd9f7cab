/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_dirty.h"

#include <errno.h>

#include "vmm/util/bits.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

#define DIRTY_VERSION 1u
#define DIRTY_BLOCK   "dirty"

#define BLOCK_PAGES (RV_BLOCK_SIZE / RV_PAGE_SIZE)

/* Pages that get their permission back at once: more, as long as the guest writes one after another. */
#define GRANT_MIN 16u
#define GRANT_MAX BLOCK_PAGES

static uint64_t pages_of(const struct vm *vm)
{
    return vm_memory_size(vm->config.ram_size, vm->config.rom_size) / RV_PAGE_SIZE;
}

static uint64_t ram_pages(const struct vm *vm)
{
    return vm->config.ram_size / RV_PAGE_SIZE;
}

/* The range of RAM grows to all that has one entry in stage 2, and so one permission. */
static void grow(const struct vm *vm, uint64_t *first, uint64_t *end)
{
    uint64_t unit = vm_ram_has_pages(vm) ? 1 : BLOCK_PAGES;

    if (*first < ram_pages(vm))
        *first = *first / unit * unit;
    if (*end < ram_pages(vm))
        *end = (*end + unit - 1) / unit * unit;
}

static void add_bytes(struct vm *vm, uint64_t offset, uint64_t size)
{
    uint64_t first = offset / RV_PAGE_SIZE, end = (offset + size + RV_PAGE_SIZE - 1) / RV_PAGE_SIZE;

    grow(vm, &first, &end);
    dirty_map_add(&vm->dirty.map, first, end);
}

void vm_dirty_written(struct vm *vm, uint64_t offset, uint64_t size)
{
    if (vm_dirty_is_on(&vm->dirty))
        add_bytes(vm, offset, size);
}

static int refused(struct vm *vm, int error)
{
    if (error) {
        log_error("the stub does not protect the guest's memory: %d", error);
        vm->broken = true;
    }
    return error ? -EIO : 0;
}

/* The pages [*first, *end) around `page` get the permission. */
static void choose(struct vm_dirty *dirty, uint64_t page, uint64_t *first, uint64_t *end)
{
    bool goes_on = dirty->grant && page >= dirty->next && page - dirty->next < dirty->grant;

    dirty->grant = !goes_on ? GRANT_MIN : dirty->grant < GRANT_MAX ? 2 * dirty->grant : GRANT_MAX;
    *first = page / GRANT_MIN * GRANT_MIN;
    *end = *first + dirty->grant;
    dirty->next = *end;
}

/* A struct exit_ctx's `ram_write`. */
static enum exit_ram_write fault(void *opaque, ipa_t where)
{
    struct vm *vm = opaque;
    uint64_t first = 0, end = ram_pages(vm), limit = end, page;
    bool had;

    if (where.v != RV_NO_IPA && !guest_ram_has(&vm->ram, where.v, 1))
        return EXIT_RAM_WRITE_ELSEWHERE;
    if (!vm_dirty_is_on(&vm->dirty)) /* a replay */
        return EXIT_RAM_WRITE_HAD;
    if (where.v == RV_NO_IPA) {
        log_warn(
            "a write to protected memory cannot be followed: all of the guest's memory counts as "
            "written since the last snapshot");
        vm_lazy_finish(vm); /* a part that is not mapped cannot get a permission */
        had = false;
    } else {
        page = (where.v - vm->ram.ipa) / RV_PAGE_SIZE;
        had = dirty_map_has(&vm->dirty.map, page);
        if (vm_lazy_is_on(vm)) /* the next block may not be mapped */
            limit = page / BLOCK_PAGES * BLOCK_PAGES + BLOCK_PAGES;
        choose(&vm->dirty, page, &first, &end);
        grow(vm, &first, &end);
        if (end > limit)
            end = limit;
    }
    dirty_map_add(&vm->dirty.map, first, end);
    (void)refused(vm, vm_protect_ram(vm, first, end));
    return had ? EXIT_RAM_WRITE_HAD : EXIT_RAM_WRITE_GIVEN;
}

/* From now on. */
static void take_faults(struct vm *vm)
{
    vm->exits.ram_write = fault;
    vm->exits.opaque = vm;
}

/* A new map, in which all pages are written. */
static int make_map(struct vm *vm)
{
    void *memory =
        state_alloc(&vm->state, DIRTY_BLOCK, DIRTY_VERSION, dirty_map_size(pages_of(vm)));

    if (!memory)
        return -ENOMEM;
    dirty_map_new(&vm->dirty.map, memory, pages_of(vm));
    take_faults(vm);
    return 0;
}

/* Memory is what that snapshot has: nothing is written since, and nothing is mapped yet. */
static int go_on_from(struct vm *vm, const char *snapshot)
{
    int error = make_map(vm);

    if (error)
        return error;
    dirty_map_cut(&vm->dirty.map);
    dirty_map_commit(&vm->dirty.map, snapshot);
    return 0;
}

int vm_dirty_open(struct vm *vm)
{
    struct state_found found;

    /* The faults of a recording were answered as they are now, but there is no stage 2 to protect. */
    if (vm->config.origin == VM_REPLAYED)
        take_faults(vm);
    if (vm->config.origin == VM_RESTORED && vm->config.tracks)
        return go_on_from(vm, vm->config.tracks);
    if (!state_lookup(&vm->state, DIRTY_BLOCK, &found) || vm->config.origin != VM_TAKEN_OVER)
        return 0;
    if (found.version != DIRTY_VERSION ||
        dirty_map_attach(&vm->dirty.map, found.at, found.size, pages_of(vm))) {
        log_error("state block '%s' is damaged, or of another version: the guest cannot be taken "
                  "over",
                  DIRTY_BLOCK);
        return -EINVAL;
    }
    take_faults(vm);
    /* A device may have written to its ROM, and not said so any more. */
    add_bytes(vm, vm->config.ram_size, vm->config.rom_size);
    return 0;
}

/* What the guest may have had written so far: the rest has no write permission. */
static int protect_written(struct vm *vm, const uint64_t *written)
{
    uint64_t end = ram_pages(vm), window = RV_MAX_ENTRIES;
    int error = 0;

    for (uint64_t page = 0; page < end && !error; page += window) {
        uint64_t last = page + window < end ? page + window : end;

        /* One command for all of them is less than one for each run. */
        if (bits_next(written, page, last) < last)
            error = vm_protect_ram(vm, page, last);
    }
    return error;
}

int vm_dirty_cut(struct vm *vm)
{
    int error = vm_dirty_is_on(&vm->dirty) ? 0 : make_map(vm);

    if (error)
        return error;
    dirty_map_cut(&vm->dirty.map);
    vm->dirty.grant = 0;
    return refused(vm, protect_written(vm, dirty_map_pages(&vm->dirty.map)));
}

void vm_dirty_end(struct vm *vm, const char *base)
{
    if (!vm_dirty_is_on(&vm->dirty) || !vm->dirty.map.cut)
        return;
    if (base)
        dirty_map_commit(&vm->dirty.map, base);
    else
        dirty_map_abort(&vm->dirty.map);
}

void vm_dirty_omit(void *state)
{
    state_omit(state, DIRTY_BLOCK);
}

const struct dirty_map *vm_dirty_map(struct vm *vm)
{
    uint64_t data = vm->rom_data_used;

    /* Stolen time and devices' data: they are small, and written all the time. */
    vm_dirty_written(vm, vm_pvtime_offset(vm) - data, data + BOARD_PVTIME_SIZE);
    return &vm->dirty.map;
}
