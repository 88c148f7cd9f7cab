/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_pause.h"

#include "vmm/trace/tap.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_counter.h"
#include "vmm/vm/vm_devices.h"

bool vm_is_pausing(const struct vm *vm)
{
    return vm->pause.on;
}

int vm_pause(struct vm *vm)
{
    int error = 0;

    if (vm->pause.on)
        return 0;
    tap_untold("the VM is paused");
    vm->pause = (struct vm_pause){.on = true};
    vm->core->paused = 1;
    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++)
        error = sched_hold(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_PAUSE);
    if (error)
        vm->broken = true;
    vm_counter_stop(vm);
    vm->core->paused_ns = vm->counter.since_ns;
    return error ? error : vm_devices_quiesce(vm);
}

bool vm_is_paused(struct vm *vm)
{
    if (!vm->pause.on || vm->resetting || !vm_devices_are_quiet(vm))
        return false;
    if (!vm->pause.settled)
        vm_clock_stop(&vm->clock);
    vm->pause.settled = true;
    return true;
}

void vm_resume(struct vm *vm)
{
    vm_counter_go_on(vm);
    vm_clock_go_on(&vm->clock);
    vm->pause = (struct vm_pause){0};
    vm->core->paused = 0;
    vm_devices_resume(vm);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        sched_release(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_PAUSE);
}

void vm_pause_restored(struct vm *vm)
{
    vm->pause = (struct vm_pause){.on = true, .settled = true};
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        sched_hold(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_PAUSE);
    vm_core_start_vcpus(vm);
}

void vm_pause_begin(struct vm *vm)
{
    if (!vm->pause.on)
        vm_devices_resume(vm);
    sched_start(&vm->cores->sched, vm->vcpus[0].number);
}
