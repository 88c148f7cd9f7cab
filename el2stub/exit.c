/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits. Each handler is called by vectors.S with the guest's x0-x30 in its
 * page, and returns when the guest may run: everything else of the guest is
 * still in the core's registers, ESR_EL2 and ELR_EL2 of this exit included.
 */
#include "arch.h"
#include "el2stub/stub.h"
#include "shortcut.h"

/* Step over the instruction that trapped. */
void exit_advance(void)
{
    uint64_t spsr = read_sysreg(spsr_el2);

    write_sysreg(read_sysreg(elr_el2) + (read_sysreg(esr_el2) & ESR_ELx_IL ? 4 : 2), elr_el2);
    spsr &= spsr & PSTATE_nRW ? ~(uint64_t)PSTATE_SS : ~(uint64_t)(PSTATE_SS | PSTATE_BTYPE);
    write_sysreg(spsr, spsr_el2);
}

/* Where a stage 2 fault was. */
uint64_t exit_ipa(void)
{
    return (read_sysreg(hpfar_el2) & HPFAR_FIPA) << 8 | (read_sysreg(far_el2) & 0xfff);
}

static bool is_posted(const struct vm *vm, uint64_t ipa)
{
    for (uint32_t i = 0; i < RV_MAX_POSTED && vm->posted_size[i]; i++) {
        if (ipa - vm->posted_start[i] < vm->posted_size[i])
            return true;
    }
    return false;
}

/*
 * Publish the exit that the core is in. True: the guest waits for a reply. AArch32
 * never goes on by itself: to step over T32 code is more than to step the PC.
 */
static bool report(struct pcpu *pcpu, uint8_t type)
{
    uint64_t esr = read_sysreg(esr_el2);
    bool store = (esr & (ESR_ELx_EC | ESR_ISS_DABT_ISV | ESR_ISS_DABT_WNR)) ==
                 (ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ISS_DABT_ISV | ESR_ISS_DABT_WNR);
    uint64_t rt = ESR_GET(esr, ESR_ISS_DABT_SRT);
    bool posted = store && type == RV_EVENT_SYNC && (esr & ESR_FSC_TYPE) == ESR_FSC_TRANSLATION &&
                  !(read_sysreg(spsr_el2) & PSTATE_nRW) && is_posted(pcpu->vcpu->vm, exit_ipa());
    struct rv_event *event = event_begin(pcpu, posted ? (uint8_t)RV_EVENT_POSTED : type);

    event->flags = posted ? 0 : (uint8_t)RV_EVENT_FLAG_BLOCKING;
    event->value = store && rt != 31 ? pcpu->vcpu->page->x[rt] : 0;
    event_publish(pcpu, event);
    return !posted;
}

void exit_sync(struct pcpu *pcpu)
{
    if (shortcut(pcpu))
        return;
    /* WFI on a core that has nothing else to run: what comes soon is polled for, without a wake-up. */
    pcpu->waits =
        boot.features & RV_FEATURE_IDLE && !(read_sysreg(spsr_el2) & PSTATE_nRW) &&
        (read_sysreg(esr_el2) & (ESR_ELx_EC | ESR_ISS_WFX_TI)) == ESR_SET(ESR_EC_WFX, ESR_ELx_EC);
    pcpu->blocked = !pcpu->waits && report(pcpu, RV_EVENT_SYNC);
    if (!pcpu->blocked)
        exit_advance();
    exit_serve(pcpu);
}

void exit_serror(struct pcpu *pcpu)
{
    pcpu->blocked = report(pcpu, RV_EVENT_SERROR);
    exit_serve(pcpu);
}

void exit_irq(struct pcpu *pcpu)
{
    gic_irq(pcpu);
    exit_serve(pcpu);
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
        if (pcpu->ring_broken && pcpu->vcpu)
            command_refuse(pcpu, 0, 0, RV_REFUSED_RING, pcpu->vcpu->vm);
        pcpu->ring_broken = false;
        if (pcpu->vcpu && pcpu->vcpu->vm->stopped)
            world_leave(pcpu);
        pcpu->waits = pcpu->waits && !lr_pending(pcpu->vcpu) && !(read_sysreg(hcr_el2) & HCR_VSE);
        if (pcpu->vcpu && !pcpu->blocked && !pcpu->waits)
            return;
        command_wait(pcpu);
    }
}
