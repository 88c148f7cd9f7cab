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
    uint64_t length = read_sysreg(esr_el2) & ESR_ELx_IL ? 4 : 2;
    uint64_t spsr = read_sysreg(spsr_el2);
    uint64_t cleared = PSTATE_SS;

    if (!(spsr & PSTATE_nRW))
        cleared |= PSTATE_BTYPE; /* AArch32 has a part of IT there */
    write_sysreg(read_sysreg(elr_el2) + length, elr_el2);
    write_sysreg(spsr & ~cleared, spsr_el2);
}

/* The vmm may write the windows at any time: they mean something to this guest only. */
static bool is_posted(const struct vcpu *vcpu, uint64_t ipa)
{
    const volatile struct rv_posted *window = vcpu->page->posted;

    for (uint32_t i = 0; i < RV_MAX_POSTED; i++) {
        if (ipa - window[i].start < window[i].size)
            return true;
    }
    return false;
}

/* Is it a data abort of a store, with a syndrome that names the register? */
static bool is_store(uint64_t esr)
{
    const uint64_t mask = ESR_ELx_EC | ESR_ISS_DABT_ISV | ESR_ISS_DABT_WNR;

    return (esr & mask) ==
           (ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ISS_DABT_ISV | ESR_ISS_DABT_WNR);
}

/*
 * Where a stage 2 fault was. HPFAR_EL2 is UNKNOWN at a permission fault (Arm ARM D24.2): where
 * a store was is what stage 1 says then, unless another core has changed that meanwhile.
 */
static uint64_t fault_ipa(uint64_t esr)
{
    uint64_t far = read_sysreg(far_el2), guests, par;

    if (!is_store(esr) || (esr & ESR_FSC_TYPE) != ESR_FSC_PERMISSION)
        return (read_sysreg(hpfar_el2) & HPFAR_FIPA) << 8 | (far & 0xfff);
    guests = read_sysreg(par_el1);
    at_s1e1r(far);
    par = read_sysreg(par_el1);
    write_sysreg(guests, par_el1);
    return par & PAR_F ? RV_NO_IPA : (par & PAR_PA) | (far & 0xfff);
}

/*
 * May the guest go on before the vmm has seen what it stored? AArch32 always waits: stepping
 * over T32 code takes more than stepping the PC.
 */
static bool may_post(const struct vcpu *vcpu, uint64_t esr, uint64_t ipa)
{
    uint64_t fault = esr & ESR_FSC_TYPE;

    if (!is_store(esr) || read_sysreg(spsr_el2) & PSTATE_nRW)
        return false;
    return (fault == ESR_FSC_TRANSLATION || fault == ESR_FSC_PERMISSION) && is_posted(vcpu, ipa);
}

/* With RV_FEATURE_IDLE the stub itself waits for the guest's WFI, unless it is AArch32's. */
static bool is_idle(uint64_t esr)
{
    const uint64_t mask = ESR_ELx_EC | ESR_ISS_WFX_TI;

    if (!(boot.features & RV_FEATURE_IDLE) || read_sysreg(spsr_el2) & PSTATE_nRW)
        return false;
    return (esr & mask) == ESR_SET(ESR_EC_WFX, ESR_ELx_EC);
}

/* What a store would have stored; 0: it is no store, or it is of XZR. */
static uint64_t stored_value(const struct pcpu *pcpu, uint64_t esr)
{
    uint64_t rt = ESR_GET(esr, ESR_ISS_DABT_SRT);

    return is_store(esr) && rt != 31 ? pcpu->vcpu->page->x[rt] : 0;
}

/* Publish the exit that the core is in. */
static void report(struct pcpu *pcpu, uint8_t type, uint8_t flags, uint64_t ipa, uint64_t value)
{
    struct rv_event *event = event_begin(pcpu, type);

    event->flags = flags;
    event->ipa = ipa;
    event->value = value;
    event_publish(pcpu, event);
}

void exit_sync(struct pcpu *pcpu)
{
    uint64_t esr, ipa, value;

    if (shortcut(pcpu))
        return;
    esr = read_sysreg(esr_el2);
    ipa = fault_ipa(esr);
    value = stored_value(pcpu, esr);
    if (may_post(pcpu->vcpu, esr, ipa)) {
        report(pcpu, RV_EVENT_POSTED, 0, ipa, value);
        exit_advance();
    } else if (is_idle(esr)) {
        pcpu->waits = true;
        exit_advance();
    } else {
        report(pcpu, RV_EVENT_SYNC, RV_EVENT_FLAG_BLOCKING, ipa, value);
        pcpu->blocked = true;
    }
    exit_serve(pcpu);
}

void exit_serror(struct pcpu *pcpu)
{
    report(pcpu, RV_EVENT_SERROR, RV_EVENT_FLAG_BLOCKING, 0, 0);
    pcpu->blocked = true;
    exit_serve(pcpu);
}

void exit_irq(struct pcpu *pcpu)
{
    gic_irq(pcpu);
    exit_serve(pcpu);
}

/*
 * Does the guest still wait for an interrupt? A virtual SError wakes it as well, and so does a
 * physical one, which is taken from the guest and reported then.
 */
static bool still_waits(void)
{
    if (read_sysreg(isr_el1) & ISR_A)
        return false;
    return !lr_pending() && !(read_sysreg(hcr_el2) & HCR_VSE);
}

/* Execute commands until there is a vCPU here that may run. */
void exit_serve(struct pcpu *pcpu)
{
    for (;;) {
        bool more;

        platform_check(pcpu);
        lr_take_ppis(pcpu);
        more = command_serve(pcpu);
        if (pcpu->ring_broken && pcpu->vcpu)
            command_refuse(pcpu, 0, 0, RV_REFUSED_RING, pcpu->vcpu->vm);
        pcpu->ring_broken = false;
        if (pcpu->vcpu && pcpu->vcpu->vm->stopped)
            world_leave(pcpu);
        if (more)
            gic_irq(pcpu);
        if (more || pcpu->ppis)
            continue;
        if (pcpu->waits)
            pcpu->waits = still_waits();
        if (pcpu->vcpu && !pcpu->blocked && !pcpu->waits)
            return;
        command_wait(pcpu);
    }
}
