/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_pause.h"

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
    vm->pause = (struct vm_pause){.on = true};
    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++) {
        struct vcpu *vcpu = &vm->vcpus[i];

        if (vm->cores->sched.vcpu[vcpu->number].state == SCHED_OFF)
            continue;
        vm->pause.vcpus |= UINT64_C(1) << i;
        error = vm_stop_vcpu(vm, vcpu);
    }
    vm_counter_stop(vm);
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
    uint64_t vcpus = vm->pause.vcpus;

    vm_counter_go_on(vm);
    vm_clock_go_on(&vm->clock);
    vm->pause = (struct vm_pause){0};
    vm_devices_resume(vm);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (vcpus >> i & 1)
            sched_start(&vm->cores->sched, vm->vcpus[i].number);
    }
}

void vm_pause_begin(struct vm *vm)
{
    if (vm->pause.on) {
        vm->pause.vcpus = 1;
        return;
    }
    vm_devices_resume(vm);
    sched_start(&vm->cores->sched, vm->vcpus[0].number);
}
