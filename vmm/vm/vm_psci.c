/* SPDX-License-Identifier: BSD-2-Clause */
/* What PSCI asks of the VM (struct psci_ops). */
#include <errno.h>
#include <string.h>

#include "vmm/board/board.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

static int cpu_on(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    struct rv_gic irqs = vcpu->page->gic;

    if (vm->cores->sched.vcpu[vcpu->number].state != SCHED_OFF)
        return -EBUSY;
    undo_note(&vm->cores->undo, &vcpu->page->gic, sizeof(vcpu->page->gic));
    vcpu_reset(vcpu, entry, context_id, vm->core->cntvoff);
    /* What became pending while it was off waits for it; the CPU interface is as after reset. */
    vcpu_keep_irqs(vcpu, &irqs);
    sysreg_reset(&vm->exits.sysreg_cpus[index]);
    if (vm->debugger)
        vm->debugger->vcpu_reset(vm->debugger->opaque, index);
    sched_start(&vm->cores->sched, vcpu->number);
    psci_cpu_started(&vm->exits.psci.cpus[index]);
    return 0;
}

static void cpu_off(void *opaque, unsigned index)
{
    struct vm *vm = opaque;

    vm_stop_vcpu(vm, &vm->vcpus[index]);
    if (vm->debugger)
        vm->debugger->vcpu_off(vm->debugger->opaque, index);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (vm->cores->sched.vcpu[vm->vcpus[i].number].state != SCHED_OFF)
            return;
    }
    log_error("the guest switched off its last CPU");
    vm->failed = true;
}

/*
 * The vCPU's interrupts go through its page and back. Meanwhile none may come to
 * it but by the vgic, or the page would take it away again; and what the guest has
 * ended just before is looked for after.
 */
static int restart(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    int error;

    vgic_cpu_restart_begin(&vm->vgic, index);
    error = vcpu_restart(vcpu, entry, context_id);
    if (!error && vm->debugger)
        vm->debugger->vcpu_reset(vm->debugger->opaque, index);
    if (!error) {
        const struct rv_command reply = {
            .op = RV_COMMAND_REPLY,
            .vcpu = (uint16_t)vcpu->number,
            .vm = (uint16_t)vcpu->vm_id,
        };

        /* The LOAD has a new PC: nothing is made again. */
        cores_decide(vm->cores, vcpu->pcpu, &reply, vcpu->dirty);
        error = vcpu_flush(vcpu);
    }
    if (!error)
        vgic_cpu_restart_end(&vm->vgic, index);
    sysreg_reset(&vm->exits.sysreg_cpus[index]);
    return error;
}

static void system_off(void *opaque)
{
    ((struct vm *)opaque)->core->request = VM_POWER_OFF;
}

static void system_reset(void *opaque, enum psci_reset kind)
{
    ((struct vm *)opaque)->core->request = VM_RESET;
}

static bool is_memory(void *opaque, ipa_t addr)
{
    const struct vm *vm = opaque;

    return addr.v >= BOARD_RAM_BASE && addr.v - BOARD_RAM_BASE < vm->config.ram_size;
}

const struct psci_ops vm_psci_ops = {
    .cpu_on = cpu_on,
    .cpu_off = cpu_off,
    .system_off = system_off,
    .system_reset = system_reset,
    .is_memory = is_memory,
    .restart = restart,
};
