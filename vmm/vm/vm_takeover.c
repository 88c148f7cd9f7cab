/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest whose vmm has died or is being replaced: this process goes on with it. */
#include "vmm/board/board.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_core.h"
#include "vmm/vm/vm_devices.h"
#include "vmm/vm/vm_pause.h"

int vm_take_cores(struct vm *vm)
{
    /* Without effect: the guest's stolen time is mapped so already. */
    const struct rv_command barrier = {
        .op = RV_COMMAND_PROTECT,
        .vm = (uint16_t)vm->share.id,
        .arg = {BOARD_PVTIME_BASE, BOARD_PVTIME_SIZE, RV_MAP_READ},
    };
    int error = cores_take_over(vm->cores, &barrier);

    if (error)
        log_error("the CPUs cannot be taken over");
    return error;
}

/* Its counter stands since the pause, also while nobody was there to count. */
static void stay_paused(struct vm *vm)
{
    vm->counter = (struct vm_counter){.stops = 1, .since_ns = vm->core->paused_ns};
    vm_clock_stop(&vm->clock);
    vm_pause_restored(vm);
}

int vm_take_over(struct vm *vm)
{
    int error;

    vm_know_cpus(vm);
    vm_core_take_vcpus(vm);
    vm->running = true;
    vm_rom_take_over(vm);
    error = vm_code_take_over(vm);
    if (!error)
        error = vgic_resync(&vm->vgic);
    if (error) {
        log_error("the stub does not answer as it should: the guest cannot be taken over");
        return error;
    }
    if (!vm->core->paused)
        vm_devices_resume(vm);
    cores_handle_left(vm->cores);
    if (vm->core->paused)
        stay_paused(vm);
    else
        vm_core_start_vcpus(vm);
    return vm->broken ? -1 : 0;
}
