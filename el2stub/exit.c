/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits. Each handler is called by vectors.S with the guest's x0-x30 in its
 * page, and returns when the guest may run: everything else of the guest is
 * still in the core's registers, ESR_EL2 and ELR_EL2 of this exit included.
 */
#include "arch.h"
#include "el2stub/stub.h"
#include "shortcut.h"

/* ESR_EL2 (Arm ARM D19.2.37): what the stub looks at, and no more. */
#define ESR_EC(esr)      ((esr) >> 26 & 0x3f)
#define ESR_EC_SYS64     0x18u
#define ESR_EC_DABT_LOW  0x24u
#define ESR_IL           (1ull << 25)
#define ESR_DABT_ISV     (1ull << 24)
#define ESR_DABT_WNR     (1ull << 6)
#define ESR_DABT_SRT(e)  ((e) >> 16 & 0x1f)
#define ESR_SYS64_READ   (1ull << 0)
#define ESR_SYS64_RT(e)  ((e) >> 5 & 0x1f)

#define SPSR_A32   (1ull << 4)
#define SPSR_BTYPE (3ull << 10)
#define SPSR_SS    (1ull << 21)

/* Step over the instruction that trapped. */
void exit_advance(void)
{
    uint64_t spsr = read_sysreg(spsr_el2);

    write_sysreg(read_sysreg(elr_el2) + (read_sysreg(esr_el2) & ESR_IL ? 4 : 2), elr_el2);
    spsr &= spsr & SPSR_A32 ? ~SPSR_SS : ~(SPSR_SS | SPSR_BTYPE);
    write_sysreg(spsr, spsr_el2);
}

static void describe(struct rv_event *event, uint64_t esr)
{
    event->esr = esr;
    event->far = read_sysreg(far_el2);
    event->ipa = (read_sysreg(hpfar_el2) & 0xfffffffff0ull) << 8 | (event->far & 0xfff);
    event->pc = read_sysreg(elr_el2);
    event->pstate = (uint32_t)read_sysreg(spsr_el2);
}

static bool is_posted(const struct vm *vm, uint64_t ipa)
{
    for (uint32_t i = 0; i < vm->nr_posted; i++) {
        if (ipa - vm->posted[i].start < vm->posted[i].size)
            return true;
    }
    return false;
}

/* The value that a trapped store or MSR writes; 0 for all else. */
static uint64_t written(const struct pcpu *pcpu, uint64_t esr)
{
    uint64_t reg = 31;

    if (ESR_EC(esr) == ESR_EC_DABT_LOW && (esr & ESR_DABT_ISV) && (esr & ESR_DABT_WNR))
        reg = ESR_DABT_SRT(esr);
    else if (ESR_EC(esr) == ESR_EC_SYS64 && !(esr & ESR_SYS64_READ))
        reg = ESR_SYS64_RT(esr);
    return reg == 31 ? 0 : pcpu->vcpu->page->x[reg];
}

void exit_sync(struct pcpu *pcpu)
{
    uint64_t esr = read_sysreg(esr_el2);
    const uint64_t store = ESR_DABT_ISV | ESR_DABT_WNR;
    struct rv_event *event;
    uint64_t ipa;

    if (shortcut(pcpu, esr))
        return;
    event = event_begin(pcpu, RV_EVENT_SYNC);
    describe(event, esr);
    event->value = written(pcpu, esr);
    ipa = (read_sysreg(hpfar_el2) & 0xfffffffff0ull) << 8;
    if (ESR_EC(esr) == ESR_EC_DABT_LOW && (esr & store) == store &&
        is_posted(pcpu->vcpu->vm, ipa | (read_sysreg(far_el2) & 0xfff))) {
        event->type = RV_EVENT_POSTED;
        event_publish(pcpu, event);
        exit_advance();
        return;
    }
    event->flags = RV_EVENT_FLAG_BLOCKING;
    event_publish(pcpu, event);
    pcpu->blocked = true;
    exit_serve(pcpu);
}

void exit_serror(struct pcpu *pcpu)
{
    struct rv_event *event = event_begin(pcpu, RV_EVENT_SERROR);

    describe(event, read_sysreg(esr_el2));
    event->flags = RV_EVENT_FLAG_BLOCKING;
    event_publish(pcpu, event);
    pcpu->blocked = true;
    exit_serve(pcpu);
}

void exit_irq(struct pcpu *pcpu)
{
    gic_irq(pcpu);
    exit_serve(pcpu);
}

/* A vCPU of a VM that was stopped leaves the core for good. */
static void evict(struct pcpu *pcpu)
{
    struct rv_event *event = event_begin(pcpu, RV_EVENT_STOPPED);

    world_leave(pcpu);
    event->groups = RV_GROUPS_ALL;
    event_publish(pcpu, event);
}

/* Execute commands until there is a vCPU here that may run. */
void exit_serve(struct pcpu *pcpu)
{
    struct rv_command command;

    for (;;) {
        while (command_ready(pcpu)) {
            command_take(pcpu, &command);
            command_execute(pcpu, &command);
        }
        if (pcpu->ring_broken)
            command_refuse_ring(pcpu);
        if (pcpu->vcpu && pcpu->vcpu->vm->stopped)
            evict(pcpu);
        if (pcpu->waits && lr_pending())
            pcpu->waits = false;
        if (pcpu->vcpu && !pcpu->blocked && !pcpu->waits)
            return;
        command_wait(pcpu);
    }
}
