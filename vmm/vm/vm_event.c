/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM does when the stub tells of one of its vCPUs. */
#include "proto/arm/esr.h"
#include "vmm/trace/tap.h"
#include "vmm/util/clock.h"
#include "vmm/vm/vm.h"

/* The pCPUs whose vCPUs have something new to see, but for the one that replies. */
static uint64_t kick_mask(struct vm *vm, uint64_t kick_vcpus, const struct pcpu *self)
{
    uint64_t mask = 0;

    for (unsigned i = 0; kick_vcpus; i++, kick_vcpus >>= 1) {
        struct pcpu *pcpu = kick_vcpus & 1 ? vm->vcpus[i].pcpu : NULL;

        if (!pcpu || pcpu == self || !pcpu->notify_due)
            continue;
        pcpu->notify_due = false;
        mask |= 1ull << pcpu->index;
    }
    return mask;
}

/* True: it was the debugger's. `*held`: its vCPU is off its pCPU now. */
static bool debugger_takes(struct vm *vm, struct vcpu *vcpu, const struct rv_event *event,
                           bool *held)
{
    enum vm_debugger_answer answer;

    if (!vm->debugger || !decode_is_debug(event))
        return false;
    answer = vm->debugger->exit(vm->debugger->opaque, vcpu, event);
    *held = answer == VM_DEBUGGER_HELD;
    return answer != VM_DEBUGGER_PASS;
}

/*
 * An access that the syndrome describes changes a register of the guest by the reply, and none in
 * the page: the journal needs no copy of them.
 */
static bool changes_page(const struct rv_event *event)
{
    return event->type != RV_EVENT_SYNC || ESR_GET(event->esr, ESR_ELx_EC) != ESR_EC_DABT_LOWER ||
           !(event->esr & ESR_ISS_DABT_ISV);
}

/* A blocking exit: what exit_handle() decides becomes commands. */
static void handle_exit(struct vm *vm, struct vcpu *vcpu, const struct rv_event *event,
                        struct exit_reply *reply)
{
    struct pcpu *pcpu = vcpu->pcpu;
    struct rv_command command;
    bool held = false;

    vcpu->fetched = RV_GROUP_GPR;
    vcpu->dirty = 0;
    sched_wake(&vm->cores->sched, vcpu->number); /* it runs: a timer may have woken it */
    vm->cores->in_exit = pcpu;
    if (changes_page(event))
        pcpu_handling(pcpu, vcpu->page->x);
    if (vm_code_is_fetch(vm, event))
        vm_code_fetched(vm, ipa(event->ipa));
    else if (!vm_lazy_fault(vm, event) && !vm_rom_fault(vm, event) &&
             !debugger_takes(vm, vcpu, event, &held))
        exit_handle(&vm->exits, vcpu, event, reply);
    vm->cores->in_exit = NULL;
    if (held)
        return;
    if (reply->hold) {
        /* The vCPU is off now, or the guest goes down; else it was lost. */
        if (vcpu->pcpu && vm->core->request == VM_RUN_ON)
            vm->broken = true;
        return;
    }
    command = (struct rv_command){
        .op = RV_COMMAND_REPLY,
        .flags = reply->flags,
        .vcpu = (uint16_t)vcpu->number,
        .vm = (uint16_t)vcpu->vm_id,
        .reg = reply->reg,
        .arg[0] = reply->value,
    };
    cores_decide(vm->cores, pcpu, &command, vcpu->dirty);
    command.arg[1] = reply->kick_vcpus ? kick_mask(vm, reply->kick_vcpus, pcpu) : 0;
    vcpu_flush(vcpu);
    if (vcpu->renew)
        sched_renew(&vm->cores->sched, vcpu->number);
    pcpu_push(pcpu, &command);
    if (!pcpu_notify(pcpu))
        placement_in_time(&pcpu->placement);
    else if (vm->machine->threads && placement_late(&pcpu->placement, clock_now_ns()))
        vm->cores->counts.moves++;
    pcpu->guest_runs = true;
    if (reply->flags & RV_REPLY_WAIT)
        sched_wait(&vm->cores->sched, vcpu->number);
}

/* An SError, the one exit that can come, changes only the page. */
void vm_event_left(struct vcpu *vcpu, const struct rv_event *event)
{
    struct vm *vm = vcpu->vm;
    struct exit_reply unused = {0};

    if (event->type == RV_EVENT_SERROR)
        exit_handle(&vm->exits, vcpu, event, &unused);
    else
        vm_event(vm, vcpu, event);
}

static void handle_eoi(struct vm *vm, struct vcpu *vcpu, const struct rv_event *event)
{
    struct exit_stats *stats = &vm->exits.stats;
    int64_t begun = exit_stats_begin(stats, EXIT_STATS_EOI);

    exit_stats_at(stats, EXIT_STATS_EOI, false, event->value);
    vgic_eoi(&vm->vgic, vcpu->index, (unsigned)event->value);
    exit_stats_end(stats, EXIT_STATS_EOI, begun);
}

void vm_event(struct vm *vm, struct vcpu *vcpu, const struct rv_event *event)
{
    static const struct rv_command no_reply;
    struct exit_reply reply = {0};
    struct pcpu *pcpu = vcpu->pcpu;
    bool begun;

    if (event->type == RV_EVENT_REFILL) { /* nothing that the guest asks for */
        sched_renew(&vm->cores->sched, vcpu->number);
        return;
    }
    begun = pcpu && cores_begin(vm->cores, pcpu, event);
    tap_exit_begin(vcpu, event);
    bus_set_access(vm->bus, (struct bus_access){.vcpu = vcpu->index,
                                                .posted = event->type == RV_EVENT_POSTED});
    switch (event->type) {
    case RV_EVENT_SYNC:
    case RV_EVENT_SERROR: handle_exit(vm, vcpu, event, &reply); break;
    case RV_EVENT_POSTED: exit_handle_posted(&vm->exits, event); break;
    case RV_EVENT_EOI: handle_eoi(vm, vcpu, event); break;
    case RV_EVENT_STOPPED: /* not by our command: RV_EVENT_REFUSED has said why */
        vm->broken = true;
        break;
    default: break;
    }
    if (begun && vm->cores->undo.open) /* without a reply */
        cores_decide(vm->cores, pcpu, &no_reply, 0);
    tap_exit_end(vcpu, event, &reply);
}
