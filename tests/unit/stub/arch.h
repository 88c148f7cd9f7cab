/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In the place of el2stub/arch/arch.h: the same macros on a processor that is
 * made of memory (tests/unit/stub/fake.h). The include path decides which one it is.
 */
#pragma once

#include <stdint.h>

/* clang-format off */
#define FAKE_16(X, before, after) \
    X(before##0##after) X(before##1##after) X(before##2##after) X(before##3##after) \
    X(before##4##after) X(before##5##after) X(before##6##after) X(before##7##after) \
    X(before##8##after) X(before##9##after) X(before##10##after) X(before##11##after) \
    X(before##12##after) X(before##13##after) X(before##14##after) X(before##15##after)
#define FAKE_8(X, before) \
    X(before##0) X(before##1) X(before##2) X(before##3) \
    X(before##4) X(before##5) X(before##6) X(before##7)

/* What one exception level sees of the guest: the group of the vCPU page that has it. */
#define FAKE_EL1_REGISTERS(X) \
    X(sp_el0) X(sp_el1) X(elr_el1) X(spsr_el1) X(sctlr_el1) X(cpacr_el1) \
    X(ttbr0_el1) X(ttbr1_el1) X(tcr_el1) X(esr_el1) X(far_el1) X(afsr0_el1) X(afsr1_el1) \
    X(mair_el1) X(amair_el1) X(vbar_el1) X(contextidr_el1) X(tpidr_el0) X(tpidrro_el0) \
    X(tpidr_el1) X(par_el1) X(csselr_el1) X(vmpidr_el2) X(vpidr_el2)
#define FAKE_RAS_REGISTERS(X) X(s3_4_c12_c1_1) X(s3_4_c5_c2_3) /* VDISR_EL2, VSESR_EL2 */
#define FAKE_FP_REGISTERS(X) X(fpcr) X(fpsr)
#define FAKE_PAUTH_REGISTERS(X) \
    X(s3_0_c2_c1_0) X(s3_0_c2_c1_1) X(s3_0_c2_c1_2) X(s3_0_c2_c1_3) X(s3_0_c2_c2_0) \
    X(s3_0_c2_c2_1) X(s3_0_c2_c2_2) X(s3_0_c2_c2_3) X(s3_0_c2_c3_0) X(s3_0_c2_c3_1)
#define FAKE_TIMER_REGISTERS(X) \
    X(cntv_ctl_el0) X(cntv_cval_el0) X(cntp_ctl_el0) X(cntp_cval_el0) X(cntkctl_el1) X(cntvoff_el2)
#define FAKE_DEBUG_REGISTERS(X) \
    FAKE_16(X, dbgbvr, _el1) FAKE_16(X, dbgbcr, _el1) FAKE_16(X, dbgwvr, _el1) \
    FAKE_16(X, dbgwcr, _el1) X(mdscr_el1)
/* PMCR_EL0 and those behind PMSELR_EL0 have effects: fake.c. */
#define FAKE_PMU_REGISTERS(X) \
    X(pmccntr_el0) X(pmccfiltr_el0) X(pmuserenr_el0) X(pmselr_el0) X(pmcntenset_el0) \
    X(pmintenset_el1) X(pmovsset_el0) X(pmcr_el0) X(pmcntenclr_el0) X(pmintenclr_el1) \
    X(pmovsclr_el0) X(pmxevcntr_el0) X(pmxevtyper_el0)
#define FAKE_SVE_REGISTERS(X) X(s3_0_c1_c2_0) X(s3_4_c1_c2_0) /* ZCR_EL1, ZCR_EL2 */
#define FAKE_GIC_REGISTERS(X) X(ich_vmcr_el2) X(ich_ap0r0_el2) X(ich_ap1r0_el2)
#define FAKE_ID_REGISTERS(X) \
    FAKE_8(X, s3_0_c0_c0_) FAKE_8(X, s3_0_c0_c1_) FAKE_8(X, s3_0_c0_c2_) FAKE_8(X, s3_0_c0_c3_) \
    FAKE_8(X, s3_0_c0_c4_) FAKE_8(X, s3_0_c0_c5_) FAKE_8(X, s3_0_c0_c6_) FAKE_8(X, s3_0_c0_c7_)
/* FEAT_FGT: HFGRTR, HFGWTR, HFGITR, HDFGRTR, HDFGWTR; with FEAT_AMUv1 HAFGRTR_EL2; MPAM2_EL2. */
#define FAKE_FGT_REGISTERS(X) \
    X(s3_4_c1_c1_4) X(s3_4_c1_c1_5) X(s3_4_c1_c1_6) X(s3_4_c3_c1_4) X(s3_4_c3_c1_5)
#define FAKE_FGT_AMU_REGISTERS(X) X(s3_4_c3_c1_6)
#define FAKE_MPAM_REGISTERS(X) X(s3_4_c10_c5_0)
#define FAKE_EL2_REGISTERS(X) \
    X(elr_el2) X(spsr_el2) X(esr_el2) X(isr_el1) X(far_el2) X(hpfar_el2) X(vttbr_el2) X(vtcr_el2) \
    X(vbar_el2) X(tpidr_el2) X(hcr_el2) X(cptr_el2) X(mdcr_el2) X(cnthctl_el2) X(hstr_el2) X(oslar_el1) \
    X(cntpct_el0) X(cntfrq_el0) X(dczid_el0) X(ctr_el0) X(midr_el1) X(currentel) X(id_aa64pfr0_el1) \
    X(id_aa64pfr1_el1) X(id_aa64dfr0_el1) X(id_aa64mmfr0_el1) X(id_aa64mmfr1_el1) X(s3_4_c1_c2_2) \
    X(icc_sre_el2) X(icc_sre_el1) X(icc_pmr_el1) X(icc_bpr1_el1) \
    X(icc_ctlr_el1) X(icc_igrpen1_el1) X(icc_iar1_el1) X(icc_eoir1_el1) X(icc_dir_el1) \
    X(icc_sgi1r_el1) X(ich_hcr_el2) X(ich_vtr_el2) X(ich_elrsr_el2) X(ich_eisr_el2) \
    FAKE_16(X, ich_lr, _el2)
#define FAKE_REGISTERS(X) \
    FAKE_EL1_REGISTERS(X) FAKE_RAS_REGISTERS(X) FAKE_FP_REGISTERS(X) FAKE_PAUTH_REGISTERS(X) \
    FAKE_TIMER_REGISTERS(X) FAKE_PMU_REGISTERS(X) FAKE_SVE_REGISTERS(X) \
    FAKE_DEBUG_REGISTERS(X) FAKE_GIC_REGISTERS(X) FAKE_ID_REGISTERS(X) FAKE_EL2_REGISTERS(X) \
    FAKE_FGT_REGISTERS(X) FAKE_FGT_AMU_REGISTERS(X) FAKE_MPAM_REGISTERS(X)

#define FAKE_ENUM(name) REG_##name,
enum fake_register { FAKE_REGISTERS(FAKE_ENUM) FAKE_NR_REGISTERS };
#undef FAKE_ENUM
/* clang-format on */

uint64_t fake_read(enum fake_register reg);
void fake_write(enum fake_register reg, uint64_t value);
volatile uint32_t *fake_mmio32(uint64_t pa);
volatile uint64_t *fake_mmio64(uint64_t pa);
volatile uint8_t *fake_mmio8(uint64_t pa);
uint32_t fake_load32(uint64_t pa);
uint64_t fake_index(uint64_t index, uint64_t size);
void fake_isb(void);
void fake_relax(void);
void fake_sleep(void);
void fake_take_serror(void);
void fake_maintain(char op, uint64_t va);
void fake_translate(uint64_t va);

#define read_sysreg(name)         fake_read(REG_##name)
#define write_sysreg(value, name) fake_write(REG_##name, (uint64_t)(value))

#define isb()       fake_isb()
#define dsb_ish()   fake_maintain('D', 0)
#define dsb_sy()    fake_maintain('Y', 0)
#define cpu_relax() fake_relax()

#define wait_for_interrupt() fake_sleep()
#define take_serror()        fake_take_serror()

#define tlb_flush_guests()      fake_maintain('T', 0)
#define tlb_flush_vcpu()        fake_maintain('t', 0)
#define ic_invalidate_all()     fake_maintain('I', 0)
#define dc_clean_invalidate(va) fake_maintain('C', va)
#define at_s1e1r(va)            fake_translate(va)

#define mmio32(pa) (*fake_mmio32(pa))
#define mmio64(pa) (*fake_mmio64(pa))
#define mmio8(pa)  (*fake_mmio8(pa))

#define mmio_load32(pa)           fake_load32(pa)
#define index_nospec(index, size) fake_index(index, size)
