/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_leave.h"

#include "vmm/trace/tap.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_devices.h"

int vm_leave(struct vm *vm)
{
    int error = 0;

    tap_untold("the vmm is replaced");
    vm->leaving = true;
    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++)
        error = sched_hold(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_LEAVE);
    if (error)
        vm->broken = true;
    return error;
}

/* A pause that ends meanwhile, and a reset, have let the devices go on. */
bool vm_has_left(struct vm *vm)
{
    if (vm->resetting || vm->pause.kept || vm->core->request != VM_RUN_ON || vm->broken)
        return false;
    return vm_devices_quiesce(vm) == 0 && vm_devices_are_quiet(vm);
}

void vm_stay(struct vm *vm)
{
    if (!vm->leaving)
        return;
    vm->leaving = false;
    if (!vm->pause.on && !vm->resetting)
        vm_devices_resume(vm);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        sched_release(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_LEAVE);
}
