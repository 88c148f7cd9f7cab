/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/sysreg/idregs.h"

/*
 * Arm ARM D24.2, the register's own page for each; A-profile registers DDI 0601
 * for what is newer. What passes adds instructions, or bits in registers that
 * the vCPU page holds. What is hidden has registers that nobody saves, needs an
 * EL2 control that the stub leaves off, or belongs to EL2 and EL3.
 */
#define F(crm, op2, shift, rule, value, name, why)          \
    {                                                       \
        crm, op2, shift, 4, IDREGS_##rule, value, name, why \
    }
#define PASS(crm, op2, shift, name)      F(crm, op2, shift, PASS, 0, name, NULL)
#define HIDE(crm, op2, shift, name, why) F(crm, op2, shift, HIDE, 0, name, why)
#define WHOLE32(crm, op2, name)                     \
    {                                               \
        crm, op2, 0, 32, IDREGS_PASS, 0, name, NULL \
    }

/* The longest reasons, which recur. */
#define EL2_ONLY  "for EL2 and EL3, which the guest has not"
#define NO_STATE  "its registers are in no group of the vCPU page"
#define NO_HCRX   "needs HCRX_EL2, which the stub leaves at 0"
#define NO_RAS_EX "extends the error records, which the guest has none of"
#define NO_TRACE  "trace: its registers are trapped and not emulated"
#define NO_INSN   "has loads and stores that insn.c does not emulate"
#define NO_PMU    "PMU: its registers are in no group of the vCPU page"

const struct idregs_field idregs_fields[] = {
    /* AArch32, of EL0 only. ID_PFR0_EL1 */
    {1, 0, 0, 16, IDREGS_PASS, 0, "State3-0", NULL},
    F(1, 0, 16, MAX, 1, "CSV2", "2 has SCXTNUM_ELx, trapped by HCR_EL2.EnSCXT"),
    HIDE(1, 0, 20, "AMU", NO_STATE),
    PASS(1, 0, 24, "DIT"),
    F(1, 0, 28, MAX, 1, "RAS", NO_RAS_EX),
    /* ID_PFR1_EL1 */
    HIDE(1, 1, 0, "ProgMod", "EL1 is AArch64 only"),
    HIDE(1, 1, 4, "Security", "EL1 is AArch64 only"),
    HIDE(1, 1, 8, "MProgMod", "EL1 is AArch64 only"),
    HIDE(1, 1, 12, "Virtualization", EL2_ONLY),
    PASS(1, 1, 16, "GenTimer"),
    HIDE(1, 1, 20, "Sec_frac", EL2_ONLY),
    HIDE(1, 1, 24, "Virt_frac", EL2_ONLY),
    F(1, 1, 28, FIXED, 1, "GIC", "the vgic is a GICv3 with a register interface"),
    /* ID_DFR0_EL1 */
    F(1, 2, 0, MAX, 10, "CopDbg", "11 has MDSELR_EL1: in no group of the vCPU page"),
    HIDE(1, 2, 4, "CopSDbg", EL2_ONLY),
    HIDE(1, 2, 8, "MMapDbg", "there is no memory-mapped debug in the guest"),
    HIDE(1, 2, 12, "CopTrc", NO_TRACE),
    HIDE(1, 2, 16, "MMapTrc", NO_TRACE),
    HIDE(1, 2, 20, "MProfDbg", "M profile"),
    F(1, 2, 24, PMU, 7, "PerfMon", "8 adds registers that nobody saves"),
    HIDE(1, 2, 28, "TraceFilt", NO_TRACE),
    /* ID_MMFR0_EL1 to ID_MMFR3_EL1: the AArch32 memory system, of no use to EL0 */
    WHOLE32(1, 4, "ID_MMFR0_EL1"),
    WHOLE32(1, 5, "ID_MMFR1_EL1"),
    WHOLE32(1, 6, "ID_MMFR2_EL1"),
    WHOLE32(1, 7, "ID_MMFR3_EL1"),
    /* ID_ISARn_EL1, MVFRn_EL1: instructions */
    WHOLE32(2, 0, "ID_ISAR0_EL1"),
    WHOLE32(2, 1, "ID_ISAR1_EL1"),
    WHOLE32(2, 2, "ID_ISAR2_EL1"),
    WHOLE32(2, 3, "ID_ISAR3_EL1"),
    WHOLE32(2, 4, "ID_ISAR4_EL1"),
    WHOLE32(2, 5, "ID_ISAR5_EL1"),
    WHOLE32(2, 7, "ID_ISAR6_EL1"),
    WHOLE32(3, 0, "MVFR0_EL1"),
    WHOLE32(3, 1, "MVFR1_EL1"),
    WHOLE32(3, 2, "MVFR2_EL1"),
    /* ID_MMFR4_EL1 */
    PASS(2, 6, 0, "SpecSEI"),
    HIDE(2, 6, 4, "AC2", "ACTLR2 is not emulated"),
    HIDE(2, 6, 8, "XNX", EL2_ONLY),
    PASS(2, 6, 12, "CnP"),
    PASS(2, 6, 16, "HPDS"),
    PASS(2, 6, 20, "LSM"),
    PASS(2, 6, 24, "CCIDX"),
    HIDE(2, 6, 28, "EVT", EL2_ONLY),
    /* ID_PFR2_EL1 */
    PASS(3, 4, 0, "CSV3"),
    PASS(3, 4, 4, "SSBS"),
    HIDE(3, 4, 8, "RAS_frac", NO_RAS_EX),
    /* ID_DFR1_EL1 */
    HIDE(3, 5, 0, "MTPMU", NO_PMU),
    HIDE(3, 5, 4, "HPMN0", NO_PMU),
    /* ID_MMFR5_EL1 */
    PASS(3, 6, 0, "ETS"),
    PASS(3, 6, 4, "nTLBPA"),

    /* ID_AA64PFR0_EL1 */
    PASS(4, 0, 0, "EL0"),
    F(4, 0, 4, MAX, 1, "EL1", "HCR_EL2.RW is 1: EL1 is AArch64 only"),
    HIDE(4, 0, 8, "EL2", EL2_ONLY),
    HIDE(4, 0, 12, "EL3", EL2_ONLY),
    PASS(4, 0, 16, "FP"),
    PASS(4, 0, 20, "AdvSIMD"),
    F(4, 0, 24, FIXED, 1, "GIC", "the vgic is a GICv3 with a register interface"),
    F(4, 0, 28, MAX, 1, "RAS", NO_RAS_EX),
    PASS(4, 0, 32, "SVE"),
    HIDE(4, 0, 36, "SEL2", EL2_ONLY),
    HIDE(4, 0, 40, "MPAM", NO_STATE),
    HIDE(4, 0, 44, "AMU", NO_STATE),
    PASS(4, 0, 48, "DIT"),
    HIDE(4, 0, 52, "RME", EL2_ONLY),
    F(4, 0, 56, MAX, 1, "CSV2", "2 has SCXTNUM_ELx, trapped by HCR_EL2.EnSCXT"),
    PASS(4, 0, 60, "CSV3"),
    /* ID_AA64PFR1_EL1 */
    PASS(4, 1, 0, "BT"),
    PASS(4, 1, 4, "SSBS"),
    HIDE(4, 1, 8, "MTE", "HCR_EL2.ATA is 0; tags and their registers are not saved"),
    HIDE(4, 1, 12, "RAS_frac", NO_RAS_EX),
    HIDE(4, 1, 16, "MPAM_frac", NO_STATE),
    HIDE(4, 1, 24, "SME", "ZA and its registers are in no group; CPTR_EL2.TSM traps it"),
    HIDE(4, 1, 28, "RNDR_trap", EL2_ONLY),
    F(4, 1, 32, MAX, 1, "CSV2_frac", "2 has SCXTNUM_ELx, trapped by HCR_EL2.EnSCXT"),
    HIDE(4, 1, 36, "NMI", "the vgic has no non-maskable interrupts"),
    HIDE(4, 1, 40, "MTE_frac", "as MTE"),
    HIDE(4, 1, 44, "GCS", NO_STATE),
    HIDE(4, 1, 48, "THE", NO_STATE),
    HIDE(4, 1, 52, "MTEX", "as MTE"),
    HIDE(4, 1, 56, "DF2", NO_HCRX),
    HIDE(4, 1, 60, "PFAR", NO_STATE),
    /* ID_AA64PFR2_EL1: MTE's extensions and FPMR. ZFR0, SMFR0, FPFR0: SVE, SME and FP8 */
    HIDE(4, 2, 0, "MTEPERM", "as MTE"),
    HIDE(4, 2, 4, "MTESTOREONLY", "as MTE"),
    HIDE(4, 2, 8, "MTEFAR", "as MTE"),
    HIDE(4, 2, 32, "FPMR", NO_STATE),
    F(4, 4, 0, MAX, 1, "SVEver", NO_INSN),
    PASS(4, 4, 4, "AES"),
    PASS(4, 4, 16, "BitPerm"),
    PASS(4, 4, 20, "BF16"),
    HIDE(4, 4, 24, "B16B16", "goes with SVEver 2"),
    PASS(4, 4, 32, "SHA3"),
    PASS(4, 4, 40, "SM4"),
    PASS(4, 4, 44, "I8MM"),
    PASS(4, 4, 52, "F32MM"),
    PASS(4, 4, 56, "F64MM"),
    {4, 5, 0, 64, IDREGS_HIDE, 0, "ID_AA64SMFR0_EL1", "as SME"},
    {4, 7, 0, 64, IDREGS_HIDE, 0, "ID_AA64FPFR0_EL1", "as FPMR"},

    /* ID_AA64DFR0_EL1 */
    F(5, 0, 0, MAX, 10, "DebugVer", "11 has MDSELR_EL1: in no group of the vCPU page"),
    HIDE(5, 0, 4, "TraceVer", NO_TRACE),
    F(5, 0, 8, PMU, 7, "PMUVer", "8 adds registers that nobody saves"),
    PASS(5, 0, 12, "BRPs"),
    HIDE(5, 0, 16, "PMSS", NO_PMU),
    PASS(5, 0, 20, "WRPs"),
    HIDE(5, 0, 24, "SEBEP", NO_PMU),
    PASS(5, 0, 28, "CTX_CMPs"),
    HIDE(5, 0, 32, "PMSVer", "SPE: its registers are not saved"),
    F(5, 0, 36, FIXED, 15, "DoubleLock", "OSDLR_EL1 is emulated as RAZ/WI"),
    HIDE(5, 0, 40, "TraceFilt", NO_TRACE),
    HIDE(5, 0, 44, "TraceBuffer", NO_TRACE),
    HIDE(5, 0, 48, "MTPMU", NO_PMU),
    HIDE(5, 0, 52, "BRBE", NO_STATE),
    HIDE(5, 0, 56, "ExtTrcBuff", NO_TRACE),
    HIDE(5, 0, 60, "HPMN0", NO_PMU),
    {5, 1, 0, 64, IDREGS_HIDE, 0, "ID_AA64DFR1_EL1", "more than 16 breakpoints: no group for them"},
    {5, 2, 0, 64, IDREGS_HIDE, 0, "ID_AA64DFR2_EL1", "as ID_AA64DFR1_EL1"},
    {5, 4, 0, 64, IDREGS_HIDE, 0, "ID_AA64AFR0_EL1",
     "IMPLEMENTATION DEFINED registers are trapped"},
    {5, 5, 0, 64, IDREGS_HIDE, 0, "ID_AA64AFR1_EL1",
     "IMPLEMENTATION DEFINED registers are trapped"},

    /* ID_AA64ISAR0_EL1 */
    PASS(6, 0, 4, "AES"),
    PASS(6, 0, 8, "SHA1"),
    PASS(6, 0, 12, "SHA2"),
    PASS(6, 0, 16, "CRC32"),
    F(6, 0, 20, MAX, 2, "Atomic", NO_INSN),
    HIDE(6, 0, 24, "TME", "an exit would fail each transaction"),
    PASS(6, 0, 28, "RDM"),
    PASS(6, 0, 32, "SHA3"),
    PASS(6, 0, 36, "SM3"),
    PASS(6, 0, 40, "SM4"),
    PASS(6, 0, 44, "DP"),
    PASS(6, 0, 48, "FHM"),
    PASS(6, 0, 52, "TS"),
    PASS(6, 0, 56, "TLB"),
    PASS(6, 0, 60, "RNDR"),
    /* ID_AA64ISAR1_EL1: the keys of pointer authentication are the PAUTH group */
    PASS(6, 1, 0, "DPB"),
    PASS(6, 1, 4, "APA"),
    PASS(6, 1, 8, "API"),
    PASS(6, 1, 12, "JSCVT"),
    PASS(6, 1, 16, "FCMA"),
    F(6, 1, 20, MAX, 2, "LRCPC", NO_INSN),
    PASS(6, 1, 24, "GPA"),
    PASS(6, 1, 28, "GPI"),
    PASS(6, 1, 32, "FRINTTS"),
    PASS(6, 1, 36, "SB"),
    PASS(6, 1, 40, "SPECRES"),
    PASS(6, 1, 44, "BF16"),
    PASS(6, 1, 48, "DGH"),
    PASS(6, 1, 52, "I8MM"),
    PASS(6, 1, 56, "XS"),
    HIDE(6, 1, 60, "LS64", NO_HCRX),
    /* ID_AA64ISAR2_EL1 */
    PASS(6, 2, 0, "WFxT"),
    PASS(6, 2, 4, "RPRES"),
    PASS(6, 2, 8, "GPA3"),
    PASS(6, 2, 12, "APA3"),
    HIDE(6, 2, 16, "MOPS", NO_HCRX),
    PASS(6, 2, 20, "BC"),
    PASS(6, 2, 24, "PAC_frac"),
    PASS(6, 2, 28, "CLRBHB"),
    HIDE(6, 2, 32, "SYSREG_128", NO_HCRX),
    HIDE(6, 2, 36, "SYSINSTR_128", NO_HCRX),
    PASS(6, 2, 40, "PRFMSLC"),
    PASS(6, 2, 48, "RPRFM"),
    PASS(6, 2, 52, "CSSC"),
    PASS(6, 2, 56, "LUT"),
    PASS(6, 2, 60, "ATS1A"),
    /* ID_AA64ISAR3_EL1 */
    HIDE(6, 3, 0, "CPA", "SCTLR2_EL1, which controls it, is in no group"),
    PASS(6, 3, 4, "FAMINMAX"),
    HIDE(6, 3, 8, "TLBIW", EL2_ONLY),
    HIDE(6, 3, 12, "PACM", NO_HCRX),
    HIDE(6, 3, 16, "LSFE", NO_INSN),
    PASS(6, 3, 20, "OCCMO"),
    HIDE(6, 3, 24, "LSUI", NO_INSN),
    PASS(6, 3, 28, "FPRCVT"),

    /* ID_AA64MMFR0_EL1 */
    F(7, 0, 0, MAX, 2, "PARange", "stage 2 translates RV_IPA_BITS (40) bits"),
    PASS(7, 0, 4, "ASIDBits"),
    HIDE(7, 0, 8, "BigEnd", "an MMIO exit would have to fetch SCTLR_EL1 to know the byte order"),
    HIDE(7, 0, 12, "SNSMem", EL2_ONLY),
    HIDE(7, 0, 16, "BigEndEL0", "as BigEnd"),
    F(7, 0, 20, MAX, 1, "TGran16", "2 is FEAT_LPA2: the vmm walks stage 1 with 48 bits"),
    PASS(7, 0, 24, "TGran64"),
    F(7, 0, 28, MAX_SIGNED, 0, "TGran4", "1 is FEAT_LPA2: the vmm walks stage 1 with 48 bits"),
    F(7, 0, 32, FIXED, 1, "TGran16_2", "stage 2 is not the guest's"),
    F(7, 0, 36, FIXED, 1, "TGran64_2", "stage 2 is not the guest's"),
    F(7, 0, 40, FIXED, 1, "TGran4_2", "stage 2 is not the guest's"),
    PASS(7, 0, 44, "ExS"),
    HIDE(7, 0, 56, "FGT", EL2_ONLY),
    F(7, 0, 60, MAX, 1, "ECV", "2 has CNTPOFF_EL2"),
    /* ID_AA64MMFR1_EL1 */
    F(7, 1, 0, MAX, 2, "HAFDBS", "3 needs TCR2_EL1, which is in no group"),
    HIDE(7, 1, 4, "VMIDBits", EL2_ONLY),
    HIDE(7, 1, 8, "VH", EL2_ONLY),
    PASS(7, 1, 12, "HPDS"),
    HIDE(7, 1, 16, "LO", "LORegions: HCR_EL2.TLOR traps them"),
    F(7, 1, 20, MAX, 3, "PAN", "nothing above PAN3 is known"),
    PASS(7, 1, 24, "SpecSEI"),
    HIDE(7, 1, 28, "XNX", EL2_ONLY),
    HIDE(7, 1, 32, "TWED", EL2_ONLY),
    PASS(7, 1, 36, "ETS"),
    HIDE(7, 1, 40, "HCX", EL2_ONLY),
    PASS(7, 1, 44, "AFP"),
    PASS(7, 1, 48, "nTLBPA"),
    PASS(7, 1, 52, "TIDCP1"),
    PASS(7, 1, 56, "CMOW"),
    PASS(7, 1, 60, "ECBHB"),
    /* ID_AA64MMFR2_EL1 */
    PASS(7, 2, 0, "CnP"),
    PASS(7, 2, 4, "UAO"),
    PASS(7, 2, 8, "LSM"),
    PASS(7, 2, 12, "IESB"),
    HIDE(7, 2, 16, "VARange", "the vmm walks stage 1 with 48 bits"),
    PASS(7, 2, 20, "CCIDX"),
    HIDE(7, 2, 24, "NV", EL2_ONLY),
    PASS(7, 2, 28, "ST"),
    PASS(7, 2, 32, "AT"),
    F(7, 2, 36, MAX, 1, "IDS", "2 is a trap of EL3 and EL2"),
    HIDE(7, 2, 40, "FWB", EL2_ONLY),
    PASS(7, 2, 48, "TTL"),
    PASS(7, 2, 52, "BBM"),
    HIDE(7, 2, 56, "EVT", EL2_ONLY),
    PASS(7, 2, 60, "E0PD"),
    /* ID_AA64MMFR3_EL1: all but the hint need TCR2_EL1, SCTLR2_EL1, PIR_EL1, POR_EL1 */
    HIDE(7, 3, 0, "TCRX", NO_HCRX),
    HIDE(7, 3, 4, "SCTLRX", NO_HCRX),
    HIDE(7, 3, 8, "S1PIE", NO_STATE),
    HIDE(7, 3, 12, "S2PIE", EL2_ONLY),
    HIDE(7, 3, 16, "S1POE", NO_STATE),
    HIDE(7, 3, 20, "S2POE", EL2_ONLY),
    HIDE(7, 3, 24, "AIE", NO_STATE),
    HIDE(7, 3, 28, "MEC", EL2_ONLY),
    HIDE(7, 3, 32, "D128", NO_HCRX),
    HIDE(7, 3, 36, "D128_2", EL2_ONLY),
    HIDE(7, 3, 40, "SNERR", NO_RAS_EX),
    HIDE(7, 3, 44, "ANERR", NO_RAS_EX),
    HIDE(7, 3, 52, "SDERR", NO_RAS_EX),
    HIDE(7, 3, 56, "ADERR", NO_RAS_EX),
    PASS(7, 3, 60, "Spec_FPACC"),
    {7, 4, 0, 64, IDREGS_HIDE, 0, "ID_AA64MMFR4_EL1", EL2_ONLY},
};
const size_t idregs_field_count = sizeof(idregs_fields) / sizeof(idregs_fields[0]);

_Static_assert(RV_IPA_BITS == 40u, "PARange 2 says 40 bits");

static uint64_t idregs_apply(const struct idregs_field *f, uint64_t cpu)
{
    uint64_t field = (cpu >> f->shift) & (~0ull >> (64u - f->width));

    switch ((enum idregs_rule)f->rule) {
    case IDREGS_PASS: return field;
    case IDREGS_MAX: return field < f->value ? field : f->value;
    case IDREGS_MAX_SIGNED:
        /* "Not implemented" is a negative number: 0b1111. */
        return field >> (f->width - 1u) || field < f->value ? field : f->value;
    case IDREGS_PMU: return field == 15u || field < f->value ? field % 15u : f->value;
    case IDREGS_FIXED: return f->value;
    case IDREGS_HIDE: break;
    }
    return 0;
}

void idregs_filter(const uint64_t cpu[IDREGS_COUNT], uint64_t guest[IDREGS_COUNT])
{
    uint64_t from[IDREGS_COUNT];
    bool aarch32;

    /* The boot page is shared: each word is taken once. */
    for (unsigned i = 0; i < IDREGS_COUNT; i++) {
        from[i] = __atomic_load_n(&cpu[i], __ATOMIC_RELAXED);
        guest[i] = 0;
    }
    /* ID_AA64PFR0_EL1.EL0 2: AArch32 too. Else the AArch32 registers are UNKNOWN: zero. */
    aarch32 = (from[RV_ID_INDEX(4, 0)] & 0xfu) == 2u;
    for (size_t i = 0; i < idregs_field_count; i++) {
        const struct idregs_field *f = &idregs_fields[i];
        unsigned index = RV_ID_INDEX(f->crm, f->op2);

        if (f->crm >= 4u || aarch32)
            guest[index] |= idregs_apply(f, from[index]) << f->shift;
    }
}

bool idregs_has_pmu(const uint64_t guest[IDREGS_COUNT])
{
    return (guest[RV_ID_INDEX(5, 0)] >> 8 & 0xfu) != 0; /* ID_AA64DFR0_EL1.PMUVer */
}
