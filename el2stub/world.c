/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world switch: every register that a guest can see, in groups, between the
 * core and the vCPU page. While a vCPU is the only one on its core none of this
 * runs. A register that this file does not list must be trapped or constant.
 */
#include "arch.h"
#include "el2stub/stub.h"

/* HCR_EL2 (Arm ARM D19.2.48). */
#define HCR_VM    (1ull << 0)  /* stage 2 */
#define HCR_SWIO  (1ull << 1)  /* set/way invalidation cleans too */
#define HCR_FMO   (1ull << 3)  /* physical FIQ, IRQ, SError come to EL2 */
#define HCR_IMO   (1ull << 4)
#define HCR_AMO   (1ull << 5)
#define HCR_FB    (1ull << 9)  /* local TLB and cache maintenance reaches all cores */
#define HCR_BSU_I (1ull << 10) /* barriers reach the inner shareable domain */
#define HCR_TID3  (1ull << 18) /* trap: ID registers */
#define HCR_TSC   (1ull << 19) /* ... SMC */
#define HCR_TIDCP (1ull << 20) /* ... implementation defined registers */
#define HCR_TACR  (1ull << 21) /* ... auxiliary control */
#define HCR_TSW   (1ull << 22) /* ... cache maintenance by set/way */
#define HCR_RW    (1ull << 31) /* EL1 is AArch64 */
#define HCR_TLOR  (1ull << 35) /* trap: LORegions */
#define HCR_TERR  (1ull << 36) /* ... RAS error records */
#define HCR_APK   (1ull << 40) /* do not trap pointer authentication */
#define HCR_API   (1ull << 41)
#define HCR_BASE                                                                                   \
    (HCR_VM | HCR_SWIO | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_I | HCR_TID3 | HCR_TSC |   \
     HCR_TIDCP | HCR_TACR | HCR_TSW | HCR_RW | HCR_TLOR)

/* CPTR_EL2: trap SVE, SME, trace and activity monitors; RES1 bits. */
#define CPTR_TRAPS (1ull << 8 | 1ull << 12 | 1ull << 20 | 1ull << 30)
#define CPTR_RES1  0x22ffull
/* MDCR_EL2: trap PMU, OS lock, debug ROM; HPMN, all counters, stays as reset. */
#define MDCR_HPMN  0x1full
#define MDCR_TRAPS (1ull << 5 | 1ull << 6 | 1ull << 10 | 1ull << 11)
/* CNTHCT_EL2: EL1 and EL0 use the physical counter and timer without a trap. */
#define CNTHCT_EL1 3ull

#define SPSR_MODE    0x1full
#define MODE_EL0T    0x00ull
#define MODE_EL1T    0x04ull
#define MODE_EL1H    0x05ull
#define MODE_USR_A32 0x10ull

#define EL1_REGISTERS(X)                                                                           \
    X(sp_el0) X(sp_el1) X(elr_el1) X(spsr_el1) X(sctlr_el1) X(actlr_el1) X(cpacr_el1)              \
    X(ttbr0_el1) X(ttbr1_el1) X(tcr_el1) X(esr_el1) X(far_el1) X(afsr0_el1) X(afsr1_el1)           \
    X(mair_el1) X(amair_el1) X(vbar_el1) X(contextidr_el1) X(tpidr_el0) X(tpidrro_el0)             \
    X(tpidr_el1) X(par_el1) X(csselr_el1)

/* APIAKeyLo_EL1 to APGAKeyHi_EL1; an Armv8.0 assembler has no names for them. */
#define PAUTH_KEYS(X)                                                                              \
    X(0, s3_0_c2_c1_0) X(1, s3_0_c2_c1_1) X(2, s3_0_c2_c1_2) X(3, s3_0_c2_c1_3)                    \
    X(4, s3_0_c2_c2_0) X(5, s3_0_c2_c2_1) X(6, s3_0_c2_c2_2) X(7, s3_0_c2_c2_3)                    \
    X(8, s3_0_c2_c3_0) X(9, s3_0_c2_c3_1)

#define TIMER_REGISTERS(X)                                                                         \
    X(cntv_cval, cntv_cval_el0) X(cntp_cval, cntp_cval_el0) X(cntkctl, cntkctl_el1)                \
    X(cntvoff, cntvoff_el2) X(cntv_ctl, cntv_ctl_el0) X(cntp_ctl, cntp_ctl_el0)

#define DEBUG_POINTS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define VDISR_EL2 s3_4_c12_c1_1 /* FEAT_RAS */

void world_init_cpu(void)
{
    write_sysreg(HCR_BASE | (cpu.pauth ? HCR_APK | HCR_API : 0) | (cpu.ras ? HCR_TERR : 0),
                 hcr_el2);
    write_sysreg(CPTR_RES1 | CPTR_TRAPS, cptr_el2);
    write_sysreg((read_sysreg(mdcr_el2) & MDCR_HPMN) | MDCR_TRAPS, mdcr_el2);
    write_sysreg(CNTHCT_EL1, cnthctl_el2);
    write_sysreg(0, hstr_el2);
    write_sysreg(0, oslar_el1); /* the guest's own OS lock is the vmm's to emulate */
    isb();
}

static void debug_save(struct rv_debug *debug)
{
#define X(n)                                                                                       \
    if (n < cpu.nr_breakpoints) {                                                                  \
        debug->bvr[n] = read_sysreg(dbgbvr##n##_el1);                                              \
        debug->bcr[n] = read_sysreg(dbgbcr##n##_el1);                                              \
    }                                                                                              \
    if (n < cpu.nr_watchpoints) {                                                                  \
        debug->wvr[n] = read_sysreg(dbgwvr##n##_el1);                                              \
        debug->wcr[n] = read_sysreg(dbgwcr##n##_el1);                                              \
    }
    DEBUG_POINTS(X)
#undef X
    debug->mdscr = read_sysreg(mdscr_el1);
    debug->mdccint = read_sysreg(mdccint_el1);
}

static void debug_load(const struct rv_debug *debug)
{
#define X(n)                                                                                       \
    if (n < cpu.nr_breakpoints) {                                                                  \
        write_sysreg(debug->bvr[n], dbgbvr##n##_el1);                                              \
        write_sysreg(debug->bcr[n], dbgbcr##n##_el1);                                              \
    }                                                                                              \
    if (n < cpu.nr_watchpoints) {                                                                  \
        write_sysreg(debug->wvr[n], dbgwvr##n##_el1);                                              \
        write_sysreg(debug->wcr[n], dbgwcr##n##_el1);                                              \
    }
    DEBUG_POINTS(X)
#undef X
    write_sysreg(debug->mdscr, mdscr_el1);
    write_sysreg(debug->mdccint, mdccint_el1);
}

/* From the core to the page. The vCPU is live in this core. */
void world_save(struct vcpu *vcpu, uint32_t groups)
{
    struct rv_vcpu_page *page = vcpu->page;

    if (groups & RV_GROUP_CORE) {
        page->pc = read_sysreg(elr_el2);
        page->pstate = read_sysreg(spsr_el2);
    }
    if (groups & RV_GROUP_EL1) {
#define X(reg) page->el1.reg = read_sysreg(reg);
        EL1_REGISTERS(X)
#undef X
        page->el1.disr_el1 = cpu.ras ? read_sysreg(VDISR_EL2) : 0;
    }
    if (groups & RV_GROUP_FP)
        fp_save(&page->fp);
    if (groups & RV_GROUP_PAUTH && cpu.pauth) {
#define X(n, reg) page->pauth.key[n] = read_sysreg(reg);
        PAUTH_KEYS(X)
#undef X
    }
    if (groups & RV_GROUP_TIMER) {
#define X(field, reg) page->timer.field = read_sysreg(reg);
        TIMER_REGISTERS(X)
#undef X
        page->timer.cntpct = read_sysreg(cntpct_el0);
    }
    if (groups & RV_GROUP_DEBUG)
        debug_save(&page->debug);
    if (groups & RV_GROUP_GIC)
        lr_save(vcpu);
}

/* Would an exception return with this SPSR_EL2 stay below EL2, in a mode that exists? */
static bool pstate_legal(uint64_t pstate)
{
    uint64_t mode = pstate & SPSR_MODE;

    return mode == MODE_EL0T || mode == MODE_EL1T || mode == MODE_EL1H || mode == MODE_USR_A32;
}

/*
 * From the page to the core. What could harm the stub is loaded once and
 * checked before anything changes; the rest only means something to the guest.
 * 0 or RV_REFUSED_REGISTER.
 */
int world_load(struct vcpu *vcpu, uint32_t groups)
{
    const struct rv_vcpu_page *page = vcpu->page;
    uint64_t pstate = *(const volatile uint64_t *)&page->pstate;
    struct lr_snapshot snapshot;

    if (groups & RV_GROUP_CORE && !pstate_legal(pstate))
        return RV_REFUSED_REGISTER;
    if (groups & RV_GROUP_GIC && lr_snapshot(vcpu, &snapshot))
        return RV_REFUSED_REGISTER;

    if (groups & RV_GROUP_CORE) {
        write_sysreg(page->pc, elr_el2);
        write_sysreg(pstate, spsr_el2);
    }
    if (groups & RV_GROUP_EL1) {
#define X(reg) write_sysreg(page->el1.reg, reg);
        EL1_REGISTERS(X)
#undef X
        if (cpu.ras)
            write_sysreg(page->el1.disr_el1, VDISR_EL2);
    }
    if (groups & RV_GROUP_FP)
        fp_load(&page->fp);
    if (groups & RV_GROUP_PAUTH && cpu.pauth) {
#define X(n, reg) write_sysreg(page->pauth.key[n], reg);
        PAUTH_KEYS(X)
#undef X
    }
    if (groups & RV_GROUP_TIMER) {
#define X(field, reg) write_sysreg(page->timer.field, reg);
        TIMER_REGISTERS(X)
#undef X
    }
    if (groups & RV_GROUP_DEBUG)
        debug_load(&page->debug);
    if (groups & RV_GROUP_GIC)
        lr_load(vcpu, &snapshot);
    isb();
    return 0;
}

/* Make the vCPU live in this core, all of it from its page. 0 or RV_REFUSED_REGISTER. */
int world_enter(struct pcpu *pcpu, struct vcpu *vcpu)
{
    struct vcpu **last = &pcpu->last[vcpu->vm->vmid - 1];
    int error;

    vcpu->pcpu = pcpu;
    write_sysreg(stage2_vttbr(vcpu->vm), vttbr_el2);
    write_sysreg(vcpu->vmpidr, vmpidr_el2);
    write_sysreg(vcpu->vpidr, vpidr_el2);
    isb();
    /* Two vCPUs of a VM may use one ASID for different things on one core. */
    if (*last != vcpu)
        tlb_flush_vcpu();
    *last = vcpu;
    error = world_load(vcpu, RV_GROUPS_ALL);
    if (error) {
        vcpu->pcpu = NULL;
        return error;
    }
    lr_direct(vcpu, true);
    pcpu->vcpu = vcpu;
    pcpu->stack_top->gpr = vcpu->page->x;
    return 0;
}

/* Bring all of the vCPU into its page; this core then has none. */
void world_leave(struct pcpu *pcpu)
{
    struct vcpu *vcpu = pcpu->vcpu;

    world_save(vcpu, RV_GROUPS_ALL);
    lr_direct(vcpu, false);
    write_sysreg(0, ich_hcr_el2);
    write_sysreg(0, cntv_ctl_el0);
    write_sysreg(0, cntp_ctl_el0);
    isb();
    vcpu->pcpu = NULL;
    pcpu->vcpu = NULL;
    pcpu->blocked = false;
    pcpu->waits = false;
}
