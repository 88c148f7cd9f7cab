/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's RAM in stage 2. */
#include "vmm/board/board.h"
#include "vmm/vm/vm.h"

int vm_map_ram(struct vm *vm, uint64_t offset, uint64_t size)
{
    uint64_t prot = RV_MAP_READ | RV_MAP_WRITE | RV_MAP_EXEC;
    struct rv_command map = {
        .op = RV_COMMAND_MAP,
        .vm = (uint16_t)vm->share.id,
        .arg = {BOARD_RAM_BASE + offset, vm->machine->layout.ram + vm->share.ram_offset + offset,
                size, vm->machine->blind ? prot | RV_MAP_PAGES_ONLY : prot},
    };

    return cores_call(vm->cores, &map, NULL);
}

/*
 * One command maps RV_MAX_ENTRIES at most, tables included: 1 GiB is 512 blocks of 2 MiB, 4 MiB are
 * 1024 pages.
 */
int vm_map_all_ram(struct vm *vm)
{
    uint64_t first = vm->machine->layout.ram + vm->share.ram_offset;
    bool pages = vm->machine->blind || first % RV_BLOCK_SIZE;
    uint64_t piece = pages ? 2 * RV_BLOCK_SIZE : 1ull << 30;
    int error = 0;

    for (uint64_t done = 0; done < vm->config.ram_size && !error; done += piece) {
        uint64_t left = vm->config.ram_size - done;

        error = vm_map_ram(vm, done, left < piece ? left : piece);
    }
    return error;
}
