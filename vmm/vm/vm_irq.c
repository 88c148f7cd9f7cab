/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_irq.h"

#include <errno.h>
#include <string.h>

#include "vmm/gic/page_irqs.h"
#include "vmm/trace/tap.h"
#include "vmm/vm/vm.h"

/* Where the interrupts are in the page of a live vCPU that wait for a list register. */
static unsigned first_waiting(const struct vm *vm)
{
    return vm->cores->machine->nr_lrs;
}

/* The page is about to change for the interrupt. */
static void note_place(struct vm *vm, struct rv_gic *gic, unsigned from, unsigned intid)
{
    const uint64_t *place = page_irqs_place(gic, from, intid);

    if (place)
        undo_note(&vm->cores->undo, place, sizeof(*place));
}

static int irq_inject(void *opaque, unsigned index, unsigned intid, uint32_t flags)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    struct rv_gic *gic = &vcpu->page->gic;
    struct rv_command command = {
        .op = RV_COMMAND_INJECT,
        .vcpu = (uint16_t)vcpu->number,
        .vm = (uint16_t)vcpu->vm_id,
        .arg = {intid, flags},
    };
    unsigned from = vcpu->pcpu ? first_waiting(vm) : 0;
    int error;

    tap_inject(vcpu, intid, flags);
    if (vcpu->pcpu && !page_irqs_has(gic, from, intid)) {
        error = pcpu_push(vcpu->pcpu, &command);
    } else {
        note_place(vm, gic, from, intid);
        error = page_irqs_add(gic, from, rv_gic_irq(intid, flags));
    }
    if (!error && flags & RV_IRQ_PENDING)
        sched_wake(&vm->cores->sched, vcpu->number);
    return error;
}

/* What the command is going to take from a live vCPU can be put back. */
static void note_retract(struct vm *vm, const struct vcpu *vcpu, unsigned intid, uint32_t mask)
{
    struct undo *undo = &vm->cores->undo;
    uint32_t flags;

    if (undo->open && vgic_entry_flags(&vm->vgic, vcpu->index, intid, &flags))
        undo_retract(undo, vcpu->pcpu->index, pcpu_next_tag(vcpu->pcpu), vcpu->number,
                     rv_gic_irq(intid, flags) | (uint64_t)mask << LR_STATE_SHIFT);
}

static int irq_retract(void *opaque, unsigned index, unsigned intid, uint32_t mask)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    struct rv_command command = {
        .op = RV_COMMAND_RETRACT,
        .vcpu = (uint16_t)vcpu->number,
        .vm = (uint16_t)vcpu->vm_id,
        .arg = {intid, mask},
    };
    uint64_t found = 0;
    int error, waited;

    if (!vcpu->pcpu) {
        note_place(vm, &vcpu->page->gic, 0, intid);
        return page_irqs_retract(&vcpu->page->gic, 0, intid, mask);
    }
    note_retract(vm, vcpu, intid, mask);
    error = pcpu_call(vcpu->pcpu, &command, &found);
    if (error)
        return error;
    note_place(vm, &vcpu->page->gic, first_waiting(vm), intid);
    waited = page_irqs_retract(&vcpu->page->gic, first_waiting(vm), intid, mask);
    if (waited) /* maybe nothing waits any more; and a direct one is to be deactivated */
        sched_renew(&vm->cores->sched, vcpu->number);
    return (int)(found & (RV_LR_PENDING | RV_LR_ACTIVE)) | waited;
}

static int irq_save(void *opaque, unsigned index, struct rv_gic *out)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    struct rv_command command = {
        .op = RV_COMMAND_SAVE,
        .vcpu = (uint16_t)vcpu->number,
        .vm = (uint16_t)vcpu->vm_id,
        .arg = {RV_GROUP_GIC},
    };
    int error = vcpu->pcpu ? pcpu_call(vcpu->pcpu, &command, NULL) : 0;

    if (vcpu->pcpu && !error && page_irqs_saved(&vcpu->page->gic, first_waiting(vm)))
        sched_renew(&vm->cores->sched, vcpu->number);
    memcpy(out, &vcpu->page->gic, sizeof(*out));
    return error;
}

static int irq_set_direct(void *opaque, unsigned index, unsigned pintid, unsigned vintid,
                          uint32_t flags)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    struct rv_command command = {
        .op = RV_COMMAND_LOAD,
        .vcpu = (uint16_t)vcpu->number,
        .vm = (uint16_t)vcpu->vm_id,
        .arg = {RV_GROUP_DIRECT},
    };

    if (pintid >= RV_NR_DIRECT || pintid != vintid)
        return -EINVAL;
    vcpu->direct[pintid] =
        rv_gic_irq(vintid, (flags & (RV_IRQ_PRIORITY | RV_IRQ_GROUP1)) |
                               (flags & VGIC_DIRECT_ENABLED ? RV_IRQ_PENDING : 0));
    vcpu->page->direct[pintid] = vcpu->direct[pintid];
    return vcpu->pcpu ? pcpu_push(vcpu->pcpu, &command) : 0;
}

const struct vgic_ops vm_irq_ops = {
    .inject = irq_inject,
    .retract = irq_retract,
    .save = irq_save,
    .set_direct = irq_set_direct,
};

uint64_t vm_irq_sgi(void *opaque, unsigned vcpu, enum vgic_sgi_reg which, uint64_t value,
                    uint64_t reached)
{
    struct vm *vm = opaque;
    uint64_t except = 0;

    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        except |= (reached >> (vm->machine->first_vcpu + vm->vcpus[i].number) & 1) << i;
    return vgic_sgi(&vm->vgic, vcpu, which, value, except);
}

void vm_irq_deactivate(void *opaque, unsigned vcpu, uint32_t intid)
{
    vgic_dir(&((struct vm *)opaque)->vgic, vcpu, intid);
}

/*
 * The vCPU's interrupts go through its page and back, as in a restart: direct ones have to
 * wait, and the vgic looks for the ends that the load has made the stub forget.
 */
int vm_irq_set_vmcr(void *opaque, unsigned vcpu, uint64_t mask, uint64_t bits)
{
    struct vm *vm = opaque;
    int error;

    vgic_cpu_restart_begin(&vm->vgic, vcpu);
    error = vcpu_set_vmcr(&vm->vcpus[vcpu], mask, bits);
    if (!error)
        vgic_cpu_restart_end(&vm->vgic, vcpu);
    return error;
}
