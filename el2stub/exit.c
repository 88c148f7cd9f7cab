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
    /* AArch32 has a part of IT where BTYPE is. */
    uint64_t cleared = PSTATE_SS | (spsr & PSTATE_nRW ? 0 : PSTATE_BTYPE);

    write_sysreg(read_sysreg(elr_el2) + length, elr_el2);
    if (spsr & cleared) /* a store costs more than the look */
        write_sysreg(spsr & ~cleared, spsr_el2);
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
 * May the guest go on before the vmm has seen what it stored? The vmm may write the windows at any
 * time: they mean something to this guest only.
 */
static bool is_posted(const struct vcpu *vcpu, uint64_t esr, uint64_t ipa)
{
    const volatile struct rv_posted *window = vcpu->page->posted;
    uint64_t fault = esr & ESR_FSC_TYPE;

    if (!is_store(esr) || (fault != ESR_FSC_TRANSLATION && fault != ESR_FSC_PERMISSION))
        return false;
    for (uint32_t i = 0; i < RV_MAX_POSTED; i++) {
        if (ipa - window[i].start < window[i].size)
            return true;
    }
    return false;
}

/* X[n] of the guest; X[31] is XZR here. */
static uint64_t guest_x(const struct pcpu *pcpu, uint64_t n)
{
    return n != 31 ? pcpu->vcpu->page->x[n] : 0;
}

/* Publish the exit that the core is in. */
static void report(struct pcpu *pcpu, uint8_t type, bool blocking, uint64_t ipa, uint64_t value)
{
    struct rv_event *event = event_begin(pcpu, type);

    event->flags = blocking ? RV_EVENT_FLAG_BLOCKING : 0;
    event->ipa = ipa;
    event->value = value;
    event_publish(pcpu, event);
    pcpu->blocked = blocking;
}

/*
 * Do what the exit asks for, if the vmm need not know before the guest goes on. Not for AArch32:
 * stepping over T32 code takes more than stepping the PC. `*value`: what an event is to have.
 */
static bool handle_here(struct pcpu *pcpu, uint64_t esr, uint64_t ipa, uint64_t *value)
{
    if (read_sysreg(spsr_el2) & PSTATE_nRW)
        return false;
    switch (ESR_GET(esr, ESR_ELx_EC)) {
    case ESR_EC_WFX:
        pcpu->waits = boot.features & RV_FEATURE_IDLE && !(esr & ESR_ISS_WFX_TI);
        return pcpu->waits;
    case ESR_EC_SYSREG:
        if ((esr & ISS_SYS_WHICH) != ISS_ICC_SGI1R)
            return false;
        return sgi_send(pcpu, guest_x(pcpu, ESR_GET(esr, ESR_ISS_SYS_RT)), value);
    case ESR_EC_DABT_LOWER:
        if (!is_posted(pcpu->vcpu, esr, ipa))
            return false;
        report(pcpu, RV_EVENT_POSTED, false, ipa, *value);
        return true;
    default: return false;
    }
}

void exit_sync(struct pcpu *pcpu)
{
    uint64_t esr, ipa, value = 0;

    if (shortcut(pcpu))
        return;
    esr = read_sysreg(esr_el2);
    ipa = fault_ipa(esr);
    if (is_store(esr))
        value = guest_x(pcpu, ESR_GET(esr, ESR_ISS_DABT_SRT));
    if (handle_here(pcpu, esr, ipa, &value))
        exit_advance();
    else
        report(pcpu, RV_EVENT_SYNC, true, ipa, value);
    exit_serve(pcpu);
}

void exit_serror(struct pcpu *pcpu)
{
    report(pcpu, RV_EVENT_SERROR, true, 0, 0);
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
        if (more || pcpu->ppis || sgi_take(pcpu))
            continue;
        if (pcpu->waits)
            pcpu->waits = still_waits();
        if (pcpu->vcpu && !pcpu->blocked && !pcpu->waits)
            return;
        command_wait(pcpu);
    }
}
