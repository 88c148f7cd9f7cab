/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's RAM in stage 2. */
#include "vmm/board/board.h"
#include "vmm/util/bits.h"
#include "vmm/vm/vm.h"

/* Pages of one PROTECT: each is answered in time, and others get their turn. */
#define PROTECT_PAGES RV_MAX_ENTRIES

static uint64_t first_byte(const struct vm *vm)
{
    return vm->machine->layout.ram + vm->share.ram_offset;
}

bool vm_ram_has_pages(const struct vm *vm)
{
    return vm->machine->blind || first_byte(vm) % RV_BLOCK_SIZE;
}

/* To write a page that was not to be mapped so costs a fault; the other way round, a write is lost. */
static bool may_write(const struct vm *vm, uint64_t offset, uint64_t size)
{
    uint64_t page = offset / RV_PAGE_SIZE, end = (offset + size) / RV_PAGE_SIZE;

    if (!vm_dirty_is_on(&vm->dirty))
        return true;
    while (page < end && vm_dirty_may_write(&vm->dirty, page))
        page++;
    return page == end;
}

static int map(struct vm *vm, uint64_t offset, uint64_t size, uint64_t flags)
{
    struct rv_command map = {
        .op = RV_COMMAND_MAP,
        .vm = (uint16_t)vm->share.id,
        .arg = {BOARD_RAM_BASE + offset, first_byte(vm) + offset, size,
                RV_MAP_READ | RV_MAP_EXEC | flags |
                    (may_write(vm, offset, size) ? RV_MAP_WRITE : 0)},
    };

    return cores_call(vm->cores, &map, NULL);
}

int vm_map_ram(struct vm *vm, uint64_t offset, uint64_t size)
{
    return map(vm, offset, size, vm->machine->blind ? RV_MAP_PAGES_ONLY : 0);
}

/*
 * One command maps RV_MAX_ENTRIES at most, tables included: 1 GiB is 512 blocks of 2 MiB, 4 MiB are
 * 1024 pages.
 */
static int map_ram_pages(struct vm *vm)
{
    uint64_t piece = 2 * RV_BLOCK_SIZE, size = vm->config.ram_size;
    int error = 0;

    for (uint64_t done = 0; done < size && !error; done += piece)
        error = map(vm, done, size - done < piece ? size - done : piece, RV_MAP_PAGES_ONLY);
    return error;
}

int vm_map_all_ram(struct vm *vm)
{
    uint64_t piece = 1ull << 30;
    int error = 0;

    if (vm_ram_has_pages(vm))
        return map_ram_pages(vm);
    for (uint64_t done = 0; done < vm->config.ram_size && !error; done += piece) {
        uint64_t left = vm->config.ram_size - done;

        error = vm_map_ram(vm, done, left < piece ? left : piece);
    }
    return error;
}

static int protect(struct vm *vm, uint64_t offset, uint64_t size, uint64_t permissions)
{
    struct rv_command command = {
        .op = RV_COMMAND_PROTECT,
        .vm = (uint16_t)vm->share.id,
        .arg = {BOARD_RAM_BASE + offset, size, permissions},
    };

    return cores_call(vm->cores, &command, NULL);
}

static uint64_t permissions_of(const struct vm *vm, uint64_t page)
{
    bool executes = !vm->code.executable || bits_get(vm->code.executable, page);

    return RV_MAP_READ | (vm_dirty_may_write(&vm->dirty, page) ? RV_MAP_WRITE : 0) |
           (executes ? RV_MAP_EXEC : 0);
}

int vm_protect_ram(struct vm *vm, uint64_t page, uint64_t end)
{
    int error = 0;

    while (page < end && !error) {
        uint64_t permissions = permissions_of(vm, page), from = page;

        while (++page < end && page - from < PROTECT_PAGES &&
               permissions_of(vm, page) == permissions)
            ;
        error = protect(vm, from * RV_PAGE_SIZE, (page - from) * RV_PAGE_SIZE, permissions);
    }
    return error;
}
