/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_rom.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/exit/decode.h"
#include "vmm/util/bits.h"
#include "vmm/vm/vm.h"

#define ALL_PARTS 0xffu

static uint64_t share_offset(const struct vm *vm, unsigned index)
{
    return vm->machine->layout.ram + vm->share.ram_offset + vm->rom_state[index].offset;
}

/* The next one, whose struct vm_rom is filled in. Its index. */
static unsigned add(struct vm *vm, uint64_t base, uint64_t bytes)
{
    unsigned index = vm->roms.count++;

    vm->roms.rom[index] = (struct guest_rom){
        .host = vm->machine->ram + vm->share.ram_offset + vm->rom_state[index].offset,
        .ipa = base,
        .size = bytes,
    };
    return index;
}

int vm_rom_new(struct vm *vm, ipa_t base, uint64_t bytes, bool data, unsigned *index,
               uint8_t **memory)
{
    struct vm_rom *state = &vm->rom_state[vm->roms.count];
    uint64_t left = vm->config.rom_size - vm->rom_code_used - vm->rom_data_used;

    if (bytes == 0 || (bytes | base.v) % RV_PAGE_SIZE)
        return -EINVAL;
    if (vm->roms.count == GUEST_ROMS_MAX || bytes > left)
        return -ENOSPC;
    /* Data are pages, from the end: code stays where it can be mapped in blocks. */
    *state = (struct vm_rom){
        .offset = vm->config.ram_size + vm->rom_code_used + (data ? left - bytes : 0),
        .data = data,
    };
    if (!data)
        state->stale = calloc(bytes / RV_PAGE_SIZE / 64 + 1, sizeof(uint64_t));
    if (!data && !state->stale)
        return -ENOMEM;
    if (!data && vm->config.origin == VM_TAKEN_OVER) /* nobody knows any more what is not */
        memset(state->stale, 0xff, bytes / RV_PAGE_SIZE / 64 * sizeof(uint64_t));
    if (data)
        vm->rom_data_used += bytes;
    else
        vm->rom_code_used += bytes;
    *index = add(vm, base.v, bytes);
    *memory = vm->roms.rom[*index].host;
    return 0;
}

/*
 * From the end of what the guest is shown as stolen time, which is in the first page: a VM that an
 * earlier vmm has made, or saved, has that, too.
 */
static int new_shared_page(struct vm *vm, uint64_t base)
{
    uint64_t used = vm->rom_parts_used + RV_PAGE_SIZE;

    if (vm->roms.count == GUEST_ROMS_MAX || used > BOARD_PVTIME_SIZE - RV_PAGE_SIZE)
        return -ENOSPC;
    vm->rom_state[vm->roms.count] = (struct vm_rom){
        .offset = vm_pvtime_offset(vm) + BOARD_PVTIME_SIZE - used,
        .data = true,
    };
    vm->rom_parts_used = used;
    add(vm, base, RV_PAGE_SIZE);
    return 0;
}

int vm_rom_part(struct vm *vm, ipa_t base, unsigned *index, uint8_t **memory)
{
    uint64_t offset = base.v % RV_PAGE_SIZE;
    unsigned i = 0;
    int error = 0;

    while (i < vm->roms.count && vm->roms.rom[i].ipa != base.v - offset)
        i++;
    if (i == vm->roms.count)
        error = new_shared_page(vm, base.v - offset);
    if (error)
        return error;
    *memory = vm->roms.rom[i].host + offset;
    *index = i;
    return 0;
}

/* The cores see what the device wrote, as code and past their caches. 0 or a negative value. */
static int flush_code(struct vm *vm, unsigned index)
{
    uint64_t pages = vm->roms.rom[index].size / RV_PAGE_SIZE;
    uint64_t *stale = vm->rom_state[index].stale;
    int error = 0;

    for (uint64_t page = 0, end; !error && (page = bits_next(stale, page, pages)) < pages;
         page = end) {
        struct rv_command command = {.op = RV_COMMAND_FLUSH, .vm = (uint16_t)vm->share.id};

        end = page;
        while (end < pages && end - page < RV_MAX_FLUSH / RV_PAGE_SIZE && bits_get(stale, end))
            end++;
        bits_change(stale, page, end, false);
        command.arg[0] = share_offset(vm, index) + page * RV_PAGE_SIZE;
        command.arg[1] = (end - page) * RV_PAGE_SIZE;
        error = cores_tell(vm->cores, &command);
    }
    return error;
}

/* The answer tells of a lack of room, so it is waited for; what flush_code() has said is done then, too. */
static void map(struct vm *vm, unsigned index)
{
    const struct guest_rom *rom = &vm->roms.rom[index];
    bool data = vm->rom_state[index].data;
    struct rv_command command = {
        .op = RV_COMMAND_MAP,
        .vm = (uint16_t)vm->share.id,
        .arg = {rom->ipa, share_offset(vm, index), rom->size,
                RV_MAP_READ | (data ? 0 : RV_MAP_EXEC)},
    };

    if ((!data && flush_code(vm, index)) || cores_call(vm->cores, &command, NULL))
        vm->broken = true;
    vm->rom_state[index].mapped = true;
}

/*
 * PROTECT without any permission unmaps. The vCPU whose exit it is goes on after that. Another one must
 * not read meanwhile what the device changes as soon as this is done.
 */
static void unmap(struct vm *vm, unsigned index)
{
    bool others = vm->config.nr_vcpus > 1;
    const struct guest_rom *rom = &vm->roms.rom[index];
    struct rv_command command = {
        .op = RV_COMMAND_PROTECT,
        .vm = (uint16_t)vm->share.id,
        .arg = {rom->ipa, rom->size},
    };

    if (others ? cores_call(vm->cores, &command, NULL) : cores_tell(vm->cores, &command))
        vm->broken = true;
    vm->rom_state[index].mapped = false;
}

bool vm_rom_has_code(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->roms.count; i++)
        if (!vm->rom_state[i].data)
            return true;
    return false;
}

static void apply(struct vm *vm, unsigned index)
{
    bool hidden = vm->rom_state[index].data && vm->rom_data_hidden;
    bool shown = vm->rom_state[index].asked == ALL_PARTS && !hidden;

    vm->roms.rom[index].shown = shown;
    if (!shown && vm->rom_state[index].mapped)
        unmap(vm, index);
}

void vm_rom_take_over(struct vm *vm)
{
    for (unsigned i = 0; i < vm->roms.count; i++)
        unmap(vm, i);
}

static unsigned parts(uint64_t offset, uint64_t size)
{
    unsigned first = (unsigned)(offset / VM_ROM_PART), count = (unsigned)(size / VM_ROM_PART);

    return size < RV_PAGE_SIZE ? ((1u << count) - 1) << first : ALL_PARTS;
}

void vm_rom_show(struct vm *vm, unsigned index, uint64_t offset, uint64_t size, bool shown)
{
    struct vm_rom *state = &vm->rom_state[index];

    if (shown)
        state->asked |= parts(offset, size);
    else
        state->asked &= ~parts(offset, size);
    apply(vm, index);
}

void vm_rom_show_data(struct vm *vm, bool shown)
{
    vm->rom_data_hidden = !shown;
    for (unsigned i = 0; i < vm->roms.count; i++)
        apply(vm, i);
}

/*
 * The guest has data mapped as a device: its loads go past the caches. Coherent all the same
 * where the machine has no cache maintenance of its own.
 */
static void clean_data(struct vm *vm, unsigned index, uint64_t offset, uint64_t size)
{
    const struct rv_command command = {
        .op = RV_COMMAND_FLUSH,
        .vm = (uint16_t)vm->share.id,
        .arg = {share_offset(vm, index) + offset, size},
    };

    if (vm->machine->ops->memory)
        vm->machine->ops->memory(vm->machine, &command);
}

void vm_rom_written(struct vm *vm, unsigned index, uint64_t offset, uint64_t size)
{
    vm_dirty_written(vm, vm->rom_state[index].offset + offset, size);
    /* Before that no core has seen any of it. */
    if (!vm->running || size == 0)
        return;
    if (vm->rom_state[index].data) {
        clean_data(vm, index, offset, size);
        return;
    }
    for (uint64_t page = offset / RV_PAGE_SIZE; page <= (offset + size - 1) / RV_PAGE_SIZE; page++)
        vm->rom_state[index].stale[page / 64] |= 1ull << page % 64;
    if (vm->rom_state[index].mapped && flush_code(vm, index))
        vm->broken = true;
}

/* An access that a mapping would have served: a fetch, a read, or a walk of the guest's tables. */
static bool is_read_fault(const struct rv_event *event, bool data)
{
    if (!decode_is_unmapped(event))
        return false;
    if (ESR_GET(event->esr, ESR_ELx_EC) == ESR_EC_IABT_LOWER)
        return !data;
    return event->esr & ESR_ISS_DABT_S1PTW || !(event->esr & ESR_ISS_DABT_WNR);
}

/*
 * Another vCPU's exit may have had it mapped while this event was on its way: the vCPU then
 * makes the access again, too.
 */
bool vm_rom_fault(struct vm *vm, const struct rv_event *event)
{
    for (unsigned i = 0; i < vm->roms.count; i++) {
        const struct guest_rom *rom = &vm->roms.rom[i];

        if (!rom->shown || event->ipa < rom->ipa || event->ipa - rom->ipa >= rom->size ||
            !is_read_fault(event, vm->rom_state[i].data))
            continue;
        if (!vm->rom_state[i].mapped)
            map(vm, i);
        return true;
    }
    return false;
}

void vm_rom_free(struct vm *vm)
{
    for (unsigned i = 0; i < vm->roms.count; i++)
        free(vm->rom_state[i].stale);
    vm->roms.count = 0;
}
