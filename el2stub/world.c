/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world switch: every register that a guest can see, in groups, between the
 * core and the vCPU page. While a vCPU is the only one on its core none of this
 * runs. A register that this file does not list must be trapped or constant.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define HCR_BASE    (HCR_VM | HCR_SWIO | HCR_ROUTING | HCR_SHARED | HCR_TRAPS | HCR_RW | HCR_TLOR)
#define MDCR_BASE   (MDCR_DEBUG | MDCR_TPMS | MDCR_HPMD | MDCR_TTRF | MDCR_HCCD)
#define MPAM2_TRAPS (3ull << 48 | 1ull << 58) /* TRAPMPAM0EL1, TRAPMPAM1EL1, TIDR */

/* Registers of later extensions, by their encodings. */
#define VDISR_EL2 s3_4_c12_c1_1 /* FEAT_RAS */
#define VSESR_EL2 s3_4_c5_c2_3
#define ZCR_EL1   s3_0_c1_c2_0 /* FEAT_SVE */

/* clang-format off */
#define EL1_REGISTERS(X) \
    X(sp_el0) X(sp_el1) X(elr_el1) X(spsr_el1) X(sctlr_el1) X(cpacr_el1) X(ttbr0_el1) \
    X(ttbr1_el1) X(tcr_el1) X(esr_el1) X(far_el1) X(afsr0_el1) X(afsr1_el1) X(mair_el1) \
    X(amair_el1) X(vbar_el1) X(contextidr_el1) X(tpidr_el0) X(tpidrro_el0) X(tpidr_el1) \
    X(par_el1) X(csselr_el1) X(vmpidr_el2) X(vpidr_el2)

/* APIAKeyLo_EL1 to APGAKeyHi_EL1; an Armv8.0 assembler has no names for them. */
#define PAUTH_KEYS(X) \
    X(0, s3_0_c2_c1_0) X(1, s3_0_c2_c1_1) X(2, s3_0_c2_c1_2) X(3, s3_0_c2_c1_3) \
    X(4, s3_0_c2_c2_0) X(5, s3_0_c2_c2_1) X(6, s3_0_c2_c2_2) X(7, s3_0_c2_c2_3) \
    X(8, s3_0_c2_c3_0) X(9, s3_0_c2_c3_1)

/* The controls come last: a timer that is on has its new compare value already. */
#define TIMER_REGISTERS(X) \
    X(cntv_cval, cntv_cval_el0) X(cntp_cval, cntp_cval_el0) X(cntkctl, cntkctl_el1) \
    X(cntvoff, cntvoff_el2) X(cntv_ctl, cntv_ctl_el0) X(cntp_ctl, cntp_ctl_el0)

#define PMU_REGISTERS(X) \
    X(pmccntr, pmccntr_el0) X(pmccfiltr, pmccfiltr_el0) X(pmuserenr, pmuserenr_el0) \
    X(pmselr, pmselr_el0) X(pmcntenset, pmcntenset_el0) X(pmintenset, pmintenset_el1) \
    X(pmovsset, pmovsset_el0) X(pmcr, pmcr_el0)
/* clang-format on */

/* Traps of features that are hidden from guests, where the CPU has them. */
static void init_traps_of_features(void)
{
    uint64_t pfr0 = read_sysreg(id_aa64pfr0_el1);

    if (ID_FIELD(read_sysreg(id_aa64mmfr1_el1), 40)) /* HCX */
        write_sysreg(0, s3_4_c1_c2_2);               /* HCRX_EL2 */
    if (ID_FIELD(pfr0, 40)) /* MPAM: the guest's registers trap, partition 0 */
        write_sysreg(MPAM2_TRAPS, s3_4_c10_c5_0); /* MPAM2_EL2 */
    if (!ID_FIELD(read_sysreg(id_aa64mmfr0_el1), 56))
        return;
    /* FEAT_FGT: a 1 traps, and so does a 0 of the bits whose names begin with n. */
    write_sysreg(0, s3_4_c1_c1_4);     /* HFGRTR_EL2 */
    write_sysreg(0, s3_4_c1_c1_5);     /* HFGWTR_EL2 */
    write_sysreg(0, s3_4_c1_c1_6);     /* HFGITR_EL2 */
    write_sysreg(0, s3_4_c3_c1_4);     /* HDFGRTR_EL2 */
    write_sysreg(0, s3_4_c3_c1_5);     /* HDFGWTR_EL2 */
    if (ID_FIELD(pfr0, 44))            /* AMU */
        write_sysreg(0, s3_4_c3_c1_6); /* HAFGRTR_EL2 */
}

void world_init_cpu(void)
{
    uint64_t hcr = HCR_BASE;
    uint64_t cptr = CPTR_RES1 | CPTR_TSM | CPTR_TTA | CPTR_TAM;
    uint64_t mdcr = MDCR_BASE;

    if (cpu.groups & RV_GROUP_PAUTH)
        hcr |= HCR_PAUTH;
    if (cpu.ras)
        hcr |= HCR_TERR;
    if (!(cpu.groups & RV_GROUP_SVE))
        cptr |= CPTR_TZ;
    if (cpu.groups & RV_GROUP_PMU)
        mdcr |= PMCR_N(read_sysreg(pmcr_el0)); /* HPMN: the guest has all counters */
    else
        mdcr |= MDCR_PMU;
    write_sysreg(hcr, hcr_el2);
    write_sysreg(cptr, cptr_el2);
    write_sysreg(mdcr, mdcr_el2);
    write_sysreg(CNTHCT_NO_TRAPS, cnthctl_el2);
    write_sysreg(0, hstr_el2);
    write_sysreg(VTCR_COMMON | VTCR_SL0(STAGE2_FIRST) | VTCR_PS_40 | (64 - IPA_BITS), vtcr_el2);
    init_traps_of_features();
    write_sysreg(0, oslar_el1); /* the guest's own OS lock is the vmm's to emulate */
    isb();
    if (cpu.groups & RV_GROUP_SVE)
        write_sysreg(ZCR_LEN, s3_4_c1_c2_0); /* ZCR_EL2: as long as they are */
    isb();
}

/*
 * Move what groups name between the core that the vCPU is live in and its page:
 * one list for both ways, so that what is saved is what is loaded. PC, PSTATE
 * and interrupts, where a wrong value could harm the stub, are not among it.
 */
static void move(struct vcpu *vcpu, uint32_t groups, bool save)
{
    struct rv_vcpu_page *page = vcpu->page;

#define MOVE(field, reg)                \
    if (save) {                         \
        page->field = read_sysreg(reg); \
    } else {                            \
        write_sysreg(page->field, reg); \
    }
#define X_EL1(reg)          MOVE(el1.reg, reg)
#define X_PAUTH(n, reg)     MOVE(pauth.key[n], reg)
#define X_TIMER(field, reg) MOVE(timer.field, reg)
#define X_PMU(field, reg)   MOVE(pmu.field, reg)
#define X_DEBUG(n)                          \
    if (n < cpu.nr_breakpoints) {           \
        MOVE(debug.bvr[n], dbgbvr##n##_el1) \
        MOVE(debug.bcr[n], dbgbcr##n##_el1) \
    }                                       \
    if (n < cpu.nr_watchpoints) {           \
        MOVE(debug.wvr[n], dbgwvr##n##_el1) \
        MOVE(debug.wcr[n], dbgwcr##n##_el1) \
    }

    groups &= cpu.groups;
    if (groups & RV_GROUP_EL1) {
        EL1_REGISTERS(X_EL1)
        if (cpu.ras) {
            MOVE(el1.disr_el1, VDISR_EL2)
            MOVE(el1.vsesr_el2, VSESR_EL2)
        }
        if (cpu.groups & RV_GROUP_SVE) {
            MOVE(el1.zcr_el1, ZCR_EL1)
        }
        if (save)
            page->el1.hcr_el2 = read_sysreg(hcr_el2) & RV_HCR_BITS;
        else
            write_sysreg((read_sysreg(hcr_el2) & ~RV_HCR_BITS) | (page->el1.hcr_el2 & RV_HCR_BITS),
                         hcr_el2);
    }
    if (groups & RV_GROUP_PAUTH) {
        PAUTH_KEYS(X_PAUTH)
    }
    if (groups & RV_GROUP_TIMER) {
        TIMER_REGISTERS(X_TIMER)
    }
    if (groups & RV_GROUP_DEBUG) {
        EACH_OF_16(X_DEBUG)
        MOVE(debug.mdscr, mdscr_el1)
        if (!save)
            write_sysreg((read_sysreg(mdcr_el2) & ~RV_MDCR_BITS) |
                             (page->debug.mdcr & RV_MDCR_BITS),
                         mdcr_el2);
    }
    if (groups & RV_GROUP_PMU) {
        uint64_t selected = read_sysreg(pmselr_el0);

        for (uint32_t n = 0; n < PMCR_N(read_sysreg(pmcr_el0)); n++) {
            write_sysreg(n, pmselr_el0);
            isb();
            MOVE(pmu.evcntr[n], pmxevcntr_el0)
            MOVE(pmu.evtyper[n], pmxevtyper_el0)
        }
        write_sysreg(selected, pmselr_el0);
        if (!save) { /* what only sets bits needs them clear */
            write_sysreg(~0ull, pmcntenclr_el0);
            write_sysreg(~0ull, pmintenclr_el1);
            write_sysreg(~0ull, pmovsclr_el0);
        }
        PMU_REGISTERS(X_PMU)
    }
    if (groups & RV_GROUP_FP) {
        MOVE(fp.fpcr, fpcr)
        MOVE(fp.fpsr, fpsr)
        (save ? fp_save : fp_load)(page->fp.v);
    }
    if (groups & RV_GROUP_SVE)
        (save ? sve_save : sve_load)(page->sve);
}

/* From the core to the page. The vCPU is live in this core. */
void world_save(struct vcpu *vcpu, uint32_t groups)
{
    vcpu->page->pc = read_sysreg(elr_el2);
    vcpu->page->pstate = read_sysreg(spsr_el2);
    vcpu->page->timer.cntpct = read_sysreg(cntpct_el0);
    move(vcpu, groups, true);
    if (groups & RV_GROUP_GIC)
        lr_save(vcpu);
}

/* Would an exception return with this SPSR_EL2 stay below EL2, in a mode that exists? */
static bool pstate_legal(uint64_t pstate)
{
    switch (pstate & (PSTATE_nRW | PSTATE_M)) {
    case PSTATE_EL0t:
    case PSTATE_EL1t:
    case PSTATE_EL1h: return true;
    case PSTATE_nRW: return ID_FIELD(read_sysreg(id_aa64pfr0_el1), 0) == 2; /* EL0: AArch32, too */
    default: return false;
    }
}

/*
 * From the page to the core. What could harm the stub is loaded once and
 * checked before anything changes; the rest only means something to the guest.
 * 0 or RV_REFUSED_REGISTER.
 */
int world_load(struct vcpu *vcpu, uint32_t groups)
{
    uint64_t pstate = *(const volatile uint64_t *)&vcpu->page->pstate;

    if (groups & RV_GROUP_CORE && !pstate_legal(pstate))
        return RV_REFUSED_REGISTER;
    if (groups & RV_GROUP_GIC && lr_load(vcpu))
        return RV_REFUSED_REGISTER;
    dsb_ish(); /* a walk of the guest's may still go on (Arm ARM D8.1.5, R_LFHQG): it ends here */
    if (groups & RV_GROUP_DIRECT)
        lr_load_direct(vcpu);
    if (groups & RV_GROUP_CORE) {
        write_sysreg(vcpu->page->pc, elr_el2);
        write_sysreg(pstate, spsr_el2);
    }
    move(vcpu, groups, false);
    isb();
    return 0;
}

/*
 * Make the vCPU live in this core, all of it from its page. 0 or RV_REFUSED_REGISTER.
 *
 * Two vCPUs of a VM may use one ASID for different things on one core; and while VTTBR_EL2
 * and EL1's registers are of different guests, a speculative AT instruction may leave a TLB
 * entry that mixes them (errata 1165522 of Cortex-A76 and Neoverse N1, 1530924 of A53, 1530923
 * of A55, 1319367 of A72, 1319537 of A57). So the VM's entries on this core are dropped after the
 * switch, which the ISB in world_load() ends.
 */
int world_enter(struct pcpu *pcpu, struct vcpu *vcpu)
{
    vcpu->pcpu = pcpu;
    write_sysreg(vcpu->vm->vttbr, vttbr_el2);
    if (world_load(vcpu, RV_GROUPS_ALL)) {
        vcpu->pcpu = NULL;
        return RV_REFUSED_REGISTER;
    }
    tlb_flush_vcpu();
    pcpu->vcpu = vcpu;
    pcpu->stack_top->gpr = vcpu->page->x;
    return 0;
}

/* Bring all of the vCPU into its page; this core then has none. */
void world_leave(struct pcpu *pcpu)
{
    struct vcpu *vcpu = pcpu->vcpu;
    struct rv_event *event;

    sgi_accept(vcpu, 0);
    sgi_take(pcpu); /* it may send an event itself */
    event = event_begin(pcpu, RV_EVENT_STOPPED);
    world_save(vcpu, RV_GROUPS_ALL);
    lr_mask_direct(vcpu);
    write_sysreg(0, ich_hcr_el2);
    write_sysreg(0, cntv_ctl_el0);
    write_sysreg(0, cntp_ctl_el0);
    isb();
    /* A command or an interrupt just before may have woken it. */
    if (pcpu->waits && !lr_pending() && !pcpu->ppis)
        event->flags = RV_EVENT_FLAG_WAITS;
    /* From here on it may be another core's. Pairs with the acquire in run(). */
    __atomic_store_n(&vcpu->pcpu, NULL, __ATOMIC_RELEASE);
    pcpu->vcpu = NULL;
    pcpu->blocked = false;
    pcpu->waits = false;
    lr_take_ppis(pcpu); /* nobody's now: a line that is still high comes again */
    event_publish(pcpu, event);
}
