/* SPDX-License-Identifier: BSD-2-Clause */
/* Code that this process or a device wrote: the guest's cores execute it, and not what was there. */
#include "proto/arm/esr.h"
#include "vmm/board/board.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

/* As the stub is to have it from now on. 0 or a negative value. */
static int protect(struct vm *vm, struct code_run run)
{
    return vm_protect_ram(vm, run.offset / RV_PAGE_SIZE, (run.offset + run.size) / RV_PAGE_SIZE);
}

static int flush(struct vm *vm, struct code_run run)
{
    int error = 0;

    for (uint64_t done = 0; done < run.size && !error; done += RV_MAX_FLUSH) {
        uint64_t left = run.size - done;
        struct rv_command command = {
            .op = RV_COMMAND_FLUSH,
            .vm = (uint16_t)vm->share.id,
            .arg = {vm->machine->layout.ram + vm->share.ram_offset + run.offset + done,
                    left < RV_MAX_FLUSH ? left : RV_MAX_FLUSH},
        };

        error = cores_call(vm->cores, &command, NULL);
    }
    return error;
}

void vm_code_written(struct vm *vm, ipa_t start, uint64_t size)
{
    struct code_run written = {.offset = start.v - BOARD_RAM_BASE, .size = size}, revoke;

    vm_dirty_written(vm, written.offset, size);
    /* Before that no core has run any code of the guest's. */
    if (!vm->running)
        return;
    if (!vm->machine->blind) {
        if (flush(vm, written))
            vm->broken = true;
        return;
    }
    if (code_pages_written(&vm->code, start.v - BOARD_RAM_BASE, size, &revoke) &&
        protect(vm, revoke))
        vm->broken = true;
    code_pages_done(&vm->code);
}

void vm_code_set_way(void *opaque, unsigned vcpu, uint16_t key, uint64_t operand)
{
    struct vm *vm = opaque;
    struct set_way *loop = &vm->set_way[vcpu];

    /* With its caches off the guest finds what the machine's processes wrote, unless it is real. */
    if (!vm->machine->ops->memory || !set_way_begins(loop, key, operand, clock_now_ns()))
        return;
    if (flush(vm, (struct code_run){.offset = 0, .size = vm->config.ram_size}))
        vm->broken = true;
    loop->last_ns = clock_now_ns();
}

bool vm_code_is_fetch(const struct vm *vm, const struct rv_event *event)
{
    return vm->code.executable && event->type == RV_EVENT_SYNC &&
           ESR_GET(event->esr, ESR_ELx_EC) == ESR_EC_IABT_LOWER &&
           (event->esr & ESR_FSC_TYPE) == ESR_FSC_PERMISSION &&
           !(event->esr & ESR_ISS_IABT_S1PTW) &&
           guest_ram_at(&vm->ram, event->ipa, sizeof(uint16_t));
}

void vm_code_fetched(struct vm *vm, ipa_t addr)
{
    uint64_t offset = addr.v - BOARD_RAM_BASE;
    struct code_run run;
    int error = 0;

    if (code_pages_fetched(&vm->code, offset, &run))
        error = flush(vm, run);
    while (!error && code_pages_give(&vm->code, offset, &run))
        error = protect(vm, run);
    code_pages_done(&vm->code);
    if (error)
        vm->broken = true;
}

int vm_code_open(struct vm *vm)
{
    enum vm_origin origin = vm->config.origin;
    size_t size = code_pages_size(vm->config.ram_size);
    struct state_found found = {0};
    void *bits = NULL;

    /* One that is restored begins with a stub that has mapped all of RAM anew. */
    if (origin == VM_NEW || !state_lookup(&vm->state, "code", &found))
        bits = vm->machine->blind ? state_alloc(&vm->state, "code", 1, size) : NULL;
    else if (found.version == 1 && found.size == size)
        bits = found.at;
    if (!vm->machine->blind)
        return 0;
    if (!bits)
        return -EINVAL;
    code_pages_place(&vm->code, vm->config.ram_size, bits,
                     origin == VM_NEW || origin == VM_RESTORED);
    return 0;
}

int vm_code_take_over(struct vm *vm)
{
    struct code_run run;
    int error = 0;

    if (vm->code.executable && code_pages_left(&vm->code, &run))
        error = protect(vm, run);
    code_pages_done(&vm->code);
    return error;
}
