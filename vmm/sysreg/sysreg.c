/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/sysreg/sysreg.h"

#include <inttypes.h>
#include <stddef.h>

#include "proto/arm/gic.h"
#include "proto/vcpu.h"
#include "vmm/util/log.h"

/* The stub insists on 5 bits of preemption (PROTOCOL.md), the fewest that a CPU may have. */
#define PRIORITY_BITS  5u
#define PRIORITY_SHIFT (8u - PRIORITY_BITS)
#define PRIORITY_MASK  (0xffu << PRIORITY_SHIFT & 0xffu)
#define PRIORITY_IDLE  0xffu

/* ICC_CTLR_EL1, ICH_VMCR_EL2; more of them in proto/arm/gic.h. */
#define ICC_CTLR_CBPR       (1u << 0)
#define ICC_CTLR_PRIBITS    ((PRIORITY_BITS - 1u) << 8)
#define ICH_VMCR_VCBPR      (1ull << 4)
#define ICH_VMCR_VPMR_SHIFT 24
#define ICH_VMCR_VPMR       (0xffull << ICH_VMCR_VPMR_SHIFT)

/*
 * One row: a range of encodings, who answers, and why so. Without a `read`
 * (`write`), reads (writes) are UNDEFINED, as for a write-only (read-only)
 * register.
 */
struct sysreg_row {
    uint16_t first, last; /* EXIT_SYSREG_KEY */
    bool any_op1;         /* `first` and `last` have op1=0 and stand for each op1 */
    uint64_t (*read)(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                     struct sysreg_access *access);
    void (*write)(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                  struct sysreg_access *access);
    const char *name;
    const char *why; /* also what `vmm decode` says that comes of an access */
};

#define KEY      EXIT_SYSREG_KEY
#define ONE(key) (key), (key), false
#define RANGE(op0, op1, crn, crm, op2, crm_last, op2_last) \
    KEY(op0, op1, crn, crm, op2), KEY(op0, op1, crn, crm_last, op2_last), false
#define ANY_OP1(op0, crn) KEY(op0, 0, crn, 0, 0), KEY(op0, 0, crn, 15, 7), true
#define RAZ_WI            read_zero, write_ignored
#define RAZ               read_zero, NULL
#define SET_WAY(name) \
    NULL, do_set_way, name, "cleans the guest's memory where it is not coherent with its caches off"
#define UNDEF    NULL, NULL
#define OP1_MASK KEY(0, 7, 0, 0, 0)

/* Breakpoints and watchpoints n to n + 3: CRm is n, op2 is 4 to 7. */
#define DEBUG1(n)                                                                      \
    {                                                                                  \
        RANGE(2, 0, 0, n, 4, n, 7), read_debug, write_debug, "DBGB*<n>, DBGW*<n>_EL1", \
            "reads or changes the vCPU's own"                                          \
    }
#define DEBUG4(n) DEBUG1((n)), DEBUG1((n) + 1), DEBUG1((n) + 2), DEBUG1((n) + 3)

static uint64_t read_zero(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                          struct sysreg_access *access)
{
    return 0;
}

static void write_ignored(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                          struct sysreg_access *access)
{
}

/* The row admits CRm 1 to 7 only, which the index needs. */
static uint64_t read_id(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                        struct sysreg_access *access)
{
    return sysreg->id[RV_ID_INDEX(access->reg->crm, access->reg->op2)];
}

/* IHI 0069, ICC_SGI1R_EL1 (op2 5), ICC_ASGI1R_EL1 (6), ICC_SGI0R_EL1 (7). */
static void write_sgi(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                      struct sysreg_access *access)
{
    enum vgic_sgi_reg which = access->reg->op2 == 7   ? VGIC_SGI0R
                              : access->reg->op2 == 5 ? VGIC_SGI1R
                                                      : VGIC_ASGI1R;

    access->kick = sysreg->sgi(sysreg->opaque, access->vcpu, which, access->value, access->reached);
}

static void write_dir(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                      struct sysreg_access *access)
{
    sysreg->deactivate(sysreg->opaque, access->vcpu, (uint32_t)access->value & 0xffffff);
}

/* The registers that ICH_HCR_EL2.TC traps besides those above live in the GIC group. */
static struct rv_gic cpu_interface(const struct sysreg *sysreg, struct sysreg_access *access)
{
    struct rv_gic gic = {0};

    access->lost = sysreg->gic(sysreg->opaque, access->vcpu, &gic) != 0;
    return gic;
}

static uint64_t read_pmr(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                         struct sysreg_access *access)
{
    return cpu_interface(sysreg, access).vmcr >> ICH_VMCR_VPMR_SHIFT & PRIORITY_MASK;
}

static void write_pmr(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                      struct sysreg_access *access)
{
    access->lost = sysreg->set_vmcr(sysreg->opaque, access->vcpu, ICH_VMCR_VPMR,
                                    (access->value & PRIORITY_MASK) << ICH_VMCR_VPMR_SHIFT) != 0;
}

/*
 * PRIbits is one less than the bits; IDbits 0 is 16 bits. SEIS, A3V, RSS and ExtRange are 0:
 * the vmm does not know ICH_VTR_EL2, and promises the least. SGIs trap anyway, so that their
 * affinities depend on the vgic alone.
 */
static uint64_t read_ctlr(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                          struct sysreg_access *access)
{
    uint64_t vmcr = cpu_interface(sysreg, access).vmcr;

    return ICC_CTLR_PRIBITS | (vmcr & ICH_VMCR_VEOIM ? ICC_CTLR_EOI : 0) |
           (vmcr & ICH_VMCR_VCBPR ? ICC_CTLR_CBPR : 0);
}

static void write_ctlr(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                       struct sysreg_access *access)
{
    uint64_t bits = (access->value & ICC_CTLR_EOI ? ICH_VMCR_VEOIM : 0) |
                    (access->value & ICC_CTLR_CBPR ? ICH_VMCR_VCBPR : 0);

    access->lost =
        sysreg->set_vmcr(sysreg->opaque, access->vcpu, ICH_VMCR_VEOIM | ICH_VMCR_VCBPR, bits) != 0;
}

/* The running priority is the most urgent active one. Bit n stands for the n-th level. */
static uint64_t read_rpr(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                         struct sysreg_access *access)
{
    struct rv_gic gic = cpu_interface(sysreg, access);
    uint32_t active = (uint32_t)(gic.ap0r0 | gic.ap1r0);

    return active ? (uint64_t)__builtin_ctz(active) << PRIORITY_SHIFT : PRIORITY_IDLE;
}

static void write_oslar(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                        struct sysreg_access *access)
{
    cpu->os_lock = access->value & 1u;
}

/* OSLM 0b10 (bits 3 and 0): the OS Lock is there. OSLK is bit 1. */
static uint64_t read_oslsr(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                           struct sysreg_access *access)
{
    return 0x8u | (cpu->os_lock & 1u) << 1;
}

static uint64_t read_dbgprcr(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                             struct sysreg_access *access)
{
    return cpu->dbgprcr & 1u;
}

static void write_dbgprcr(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                          struct sysreg_access *access)
{
    cpu->dbgprcr = access->value & 1u; /* CORENPDRQ; there is no power controller to ask */
}

/* Eight claim tags; a read of DBGCLAIMSET_EL1 says which exist. */
static uint64_t read_claim_set(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                               struct sysreg_access *access)
{
    return 0xff;
}

static uint64_t read_claim(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                           struct sysreg_access *access)
{
    return cpu->claim;
}

static void set_claim(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                      struct sysreg_access *access)
{
    cpu->claim |= (uint8_t)access->value;
}

static void clear_claim(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                        struct sysreg_access *access)
{
    cpu->claim &= (uint8_t)~access->value;
}

/*
 * DBGBVR<n>_EL1 (op2 4), DBGBCR<n>_EL1 (5), DBGWVR<n>_EL1 (6), DBGWCR<n>_EL1 (7), with n as CRm,
 * and MDSCR_EL1. ID_AA64DFR0_EL1 says how many there are (BRPs, WRPs, less one); others are
 * UNDEFINED. NULL: as they are, or the machine is lost.
 */
static uint64_t *debug_register(const struct sysreg *sysreg, struct sysreg_access *access)
{
    unsigned n = access->reg->crm, op2 = access->reg->op2;
    uint64_t dfr0 = sysreg->id[RV_ID_INDEX(5, 0)];
    unsigned last = (unsigned)(dfr0 >> (op2 >= 6 ? 20 : 12)) & 0xfu;
    struct rv_debug *debug;

    access->undefined = op2 >= 4 && n > last;
    if (access->undefined)
        return NULL;
    debug = sysreg->debug ? sysreg->debug(sysreg->opaque, access->vcpu) : NULL;
    access->lost = !debug;
    if (!debug)
        return NULL;
    switch (op2) {
    case 4: return &debug->bvr[n];
    case 5: return &debug->bcr[n];
    case 6: return &debug->wvr[n];
    case 7: return &debug->wcr[n];
    default: return &debug->mdscr;
    }
}

static uint64_t read_debug(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                           struct sysreg_access *access)
{
    const uint64_t *value = debug_register(sysreg, access);

    return value ? *value : 0;
}

static void write_debug(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                        struct sysreg_access *access)
{
    uint64_t *value = debug_register(sysreg, access);

    if (!value)
        return;
    *value = access->value;
    sysreg->debug_written(sysreg->opaque, access->vcpu);
}

/* RX, TX. The channel is always empty, and so it never interrupts. */
static uint64_t read_mdccint(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                             struct sysreg_access *access)
{
    return (uint64_t)cpu->mdccint << 29;
}

static void write_mdccint(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                          struct sysreg_access *access)
{
    cpu->mdccint = access->value >> 29 & 3u;
}

static void do_set_way(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                       struct sysreg_access *access)
{
    if (sysreg->set_way)
        sysreg->set_way(sysreg->opaque, access->vcpu, access->reg->key, access->value);
}

/* SRE, and no bypass (DFB, DIB): there is no other interface. */
static uint64_t read_sre(const struct sysreg *sysreg, const struct sysreg_cpu *cpu,
                         struct sysreg_access *access)
{
    return 0x7;
}

/*
 * What traps, in the order of how often a guest does it; PROTOCOL.md, "Trapped",
 * has the controls. All that is emulated reads as zero after a reset, but OSLSR_EL1
 * (0xa, locked) and the ID registers.
 *
 * The trap of a feature that is hidden may still be on: its registers are UNDEFINED,
 * as on a CPU that does not have it, and no warning. What is in no row is UNDEFINED
 * with a warning, for then this table and the stub's controls do not fit together.
 * It is the way KVM answers, too.
 */
static const struct sysreg_row rows[] = {
    /* HCR_EL2.IMO, FMO; ICC_DIR_EL1 by ICH_HCR_EL2.TDIR. */
    {ONE(KEY(3, 0, 12, 11, 5)), NULL, write_sgi, "ICC_SGI1R_EL1", "the SGI is sent to its vCPUs"},
    {ONE(KEY(3, 0, 12, 11, 6)), NULL, write_sgi, "ICC_ASGI1R_EL1", "the SGI is sent to its vCPUs"},
    {ONE(KEY(3, 0, 12, 11, 7)), NULL, write_sgi, "ICC_SGI0R_EL1", "the SGI is sent to its vCPUs"},
    {ONE(KEY(3, 0, 12, 11, 1)), NULL, write_dir, "ICC_DIR_EL1", "the interrupt is deactivated"},
    /* ICH_HCR_EL2.TC, where TDIR does not exist. */
    {ONE(KEY(3, 0, 4, 6, 0)), read_pmr, write_pmr, "ICC_PMR_EL1",
     "reads or changes the vCPU's priority mask"},
    {ONE(KEY(3, 0, 12, 12, 4)), read_ctlr, write_ctlr, "ICC_CTLR_EL1",
     "reads or changes the vCPU's EOImode and CBPR"},
    {ONE(KEY(3, 0, 12, 11, 3)), read_rpr, NULL, "ICC_RPR_EL1",
     "reads as the vCPU's running priority"},
    /* ICC_SRE_EL2.Enable at 0. */
    {ONE(KEY(3, 0, 12, 12, 5)), read_sre, write_ignored, "ICC_SRE_EL1",
     "reads as 7, ignores writes: the system registers are always on"},

    /* HCR_EL2.TID3. Reserved encodings read as zero, as in the CPU. */
    {RANGE(3, 0, 0, 1, 0, 7, 7), read_id, NULL, "ID registers",
     "an ID register reads as the guest may see it"},

    /* HCR_EL2.TACR. */
    {ONE(KEY(3, 0, 1, 0, 1)), RAZ_WI, "ACTLR_EL1",
     "reads as zero, ignores writes: a control of the CPU's own could weaken the host"},

    /* HCR_EL2.TSW. */
    {ONE(KEY(1, 0, 7, 6, 2)), SET_WAY("DC ISW")},
    {ONE(KEY(1, 0, 7, 10, 2)), SET_WAY("DC CSW")},
    {ONE(KEY(1, 0, 7, 14, 2)), SET_WAY("DC CISW")},

    /* MDCR_EL2.TDRA, TDOSA. The CPU's own OS lock is not the guest's to set. */
    {ONE(KEY(2, 0, 1, 0, 0)), RAZ, "MDRAR_EL1", "reads as zero: there is no debug ROM"},
    {ONE(KEY(2, 0, 1, 0, 4)), NULL, write_oslar, "OSLAR_EL1",
     "sets or clears the vCPU's OS lock, which locks nothing"},
    {ONE(KEY(2, 0, 1, 1, 4)), read_oslsr, NULL, "OSLSR_EL1", "tells the vCPU's OS lock"},
    {ONE(KEY(2, 0, 1, 3, 4)), RAZ_WI, "OSDLR_EL1",
     "reads as zero, ignores writes: ID_AA64DFR0_EL1 says that there is no double lock"},
    {ONE(KEY(2, 0, 1, 4, 4)), read_dbgprcr, write_dbgprcr, "DBGPRCR_EL1",
     "holds CORENPDRQ: there is no power controller to ask"},

    /* MDCR_EL2.TDA. Nobody listens at the debug communication channel. */
    {ONE(KEY(2, 0, 7, 8, 6)), read_claim_set, set_claim, "DBGCLAIMSET_EL1",
     "sets claim tags of the vCPU"},
    {ONE(KEY(2, 0, 7, 9, 6)), read_claim, clear_claim, "DBGCLAIMCLR_EL1",
     "reads or clears claim tags of the vCPU"},
    {ONE(KEY(2, 0, 0, 6, 2)), RAZ_WI, "OSECCR_EL1",
     "reads as zero, ignores writes: there is no debugger"},
    {ONE(KEY(2, 0, 0, 0, 2)), RAZ_WI, "OSDTRRX_EL1",
     "reads as zero, ignores writes: there is no debugger"},
    {ONE(KEY(2, 0, 0, 3, 2)), RAZ_WI, "OSDTRTX_EL1",
     "reads as zero, ignores writes: there is no debugger"},
    {ONE(KEY(2, 0, 0, 2, 0)), read_mdccint, write_mdccint, "MDCCINT_EL1",
     "holds its value: there is no debugger whose channel could interrupt"},
    {ONE(KEY(2, 3, 0, 1, 0)), RAZ, "MDCCSR_EL0", "reads as zero: there is no debugger"},
    {RANGE(2, 3, 0, 4, 0, 5, 0), RAZ_WI, "DBGDTR*_EL0",
     "reads as zero, ignores writes: there is no debugger"},

    /* MDCR_EL2.TDA as well: the guest's own, or what a debugger keeps of them. */
    {ONE(KEY(2, 0, 0, 2, 2)), read_debug, write_debug, "MDSCR_EL1",
     "reads or changes the vCPU's own"},
    DEBUG4(0),
    DEBUG4(4),
    DEBUG4(8),
    DEBUG4(12),
    {ONE(KEY(2, 0, 7, 14, 6)), RAZ, "DBGAUTHSTATUS_EL1", "reads as zero: no external debug"},

    /*
     * HCR_EL2.TERR. The guest has RAS version 1 for ESB and DISR_EL1, and no error
     * records: the machine's are the host's. With none, the rest is RAZ/WI.
     */
    {ONE(KEY(3, 0, 5, 3, 0)), RAZ, "ERRIDR_EL1", "reads as zero: there are no error records"},
    {ONE(KEY(3, 0, 5, 3, 1)), RAZ_WI, "ERRSELR_EL1",
     "reads as zero, ignores writes: there are no error records"},
    {ONE(KEY(3, 0, 5, 4, 0)), RAZ, "ERXFR_EL1", "reads as zero: there are no error records"},
    {RANGE(3, 0, 5, 4, 1, 4, 3), RAZ_WI, "ERX*_EL1",
     "reads as zero, ignores writes: there are no error records"},
    {RANGE(3, 0, 5, 5, 0, 5, 1), RAZ_WI, "ERXMISC*_EL1",
     "reads as zero, ignores writes: there are no error records"},

    /* From here on: UNDEFINED without a warning. HCR_EL2.TERR, again: */
    {ONE(KEY(3, 0, 5, 3, 2)), UNDEF, "ERXGSR_EL1", "RAS 2 is hidden"},
    {RANGE(3, 0, 5, 4, 4, 4, 7), UNDEF, "RAS 1.1", "RAS 1.1 is hidden"},
    {RANGE(3, 0, 5, 5, 2, 5, 7), UNDEF, "RAS 1.1", "RAS 1.1 is hidden"},
    /* HCR_EL2.TLOR; MPAM2_EL2. */
    {RANGE(3, 0, 10, 4, 0, 4, 3), UNDEF, "LORegion", "LORegions are hidden"},
    {ONE(KEY(3, 0, 10, 4, 7)), UNDEF, "LORID_EL1", "LORegions are hidden"},
    {RANGE(3, 0, 10, 4, 4, 4, 6), UNDEF, "MPAM", "MPAM is hidden"},
    {RANGE(3, 0, 10, 5, 0, 5, 7), UNDEF, "MPAM", "MPAM is hidden"},
    /* MDCR_EL2.TPMS, E2PB, E2TB, TTRF, TPM, EnSPM; CPTR_EL2.TAM, TTA. */
    {RANGE(3, 0, 9, 9, 0, 11, 7), UNDEF, "SPE or TRBE", "profiling and trace buffers are hidden"},
    {ONE(KEY(3, 0, 1, 2, 1)), UNDEF, "TRFCR_EL1", "trace is hidden"},
    {KEY(2, 1, 0, 0, 0), KEY(2, 1, 15, 15, 7), false, UNDEF, "trace", "trace, BRBE are hidden"},
    {RANGE(3, 0, 9, 12, 0, 14, 7), UNDEF, "PMU", "the PMU is hidden"},
    {RANGE(3, 3, 9, 12, 0, 14, 7), UNDEF, "PMU", "the PMU is hidden"},
    {RANGE(3, 3, 14, 8, 0, 15, 7), UNDEF, "PMU", "the PMU is hidden"},
    {RANGE(2, 0, 14, 8, 0, 15, 7), UNDEF, "PMU", "snapshots of the PMU are hidden"},
    {ANY_OP1(2, 9), UNDEF, "SPMU", "system PMUs are hidden"},
    {RANGE(2, 3, 14, 0, 0, 15, 7), UNDEF, "SPMU", "system PMUs are hidden"},
    {RANGE(3, 3, 13, 2, 0, 15, 7), UNDEF, "AMU", "activity monitors are hidden"},
    /* HCR_EL2.ATA, and TSW again: MTE. */
    {RANGE(3, 0, 1, 0, 5, 0, 6), UNDEF, "RGSR_EL1, GCR_EL1", "MTE is hidden"},
    {RANGE(3, 0, 5, 6, 0, 6, 1), UNDEF, "TFSR_EL1, TFSRE0_EL1", "MTE is hidden"},
    {RANGE(1, 0, 7, 6, 3, 6, 6), UNDEF, "DC IG*", "MTE is hidden"},
    {RANGE(1, 0, 7, 10, 4, 10, 6), UNDEF, "DC CG*SW", "MTE is hidden"},
    {RANGE(1, 0, 7, 14, 4, 14, 6), UNDEF, "DC CIG*SW", "MTE is hidden"},
    /* HCR_EL2.EnSCXT. */
    {ONE(KEY(3, 0, 13, 0, 7)), UNDEF, "SCXTNUM_EL1", "CSV2_2 is hidden"},
    {ONE(KEY(3, 3, 13, 0, 7)), UNDEF, "SCXTNUM_EL0", "CSV2_2 is hidden"},
    /* HCRX_EL2 at 0: SCTLR2En, TCR2En, EnFPM, SRMASKEn, GCSEn, D128En, EnALS. */
    {ONE(KEY(3, 0, 1, 0, 3)), UNDEF, "SCTLR2_EL1", "FEAT_SCTLR2 is hidden"},
    {ONE(KEY(3, 0, 2, 0, 3)), UNDEF, "TCR2_EL1", "FEAT_TCR2 is hidden"},
    {ONE(KEY(3, 3, 4, 4, 2)), UNDEF, "FPMR", "FEAT_FPMR is hidden"},
    {RANGE(3, 0, 1, 4, 0, 4, 7), UNDEF, "masks", "FEAT_SRMASK is hidden"},
    {RANGE(3, 0, 2, 7, 2, 7, 3), UNDEF, "masks", "FEAT_SRMASK is hidden"},
    {RANGE(3, 0, 2, 5, 0, 5, 2), UNDEF, "GCS*_EL1", "FEAT_GCS is hidden"},
    {ONE(KEY(3, 3, 2, 5, 1)), UNDEF, "GCSPR_EL0", "FEAT_GCS is hidden"},
    {RANGE(1, 0, 7, 7, 4, 7, 6), UNDEF, "GCS*", "FEAT_GCS is hidden"},
    {RANGE(1, 3, 7, 7, 0, 7, 3), UNDEF, "GCS*", "FEAT_GCS is hidden"},
    /* Fine-grained traps at 0: their bits that begin with `n` trap then. */
    {RANGE(3, 0, 10, 2, 1, 2, 5), UNDEF, "MAIR2, PIR, POR", "FEAT_S1PIE and the like are hidden"},
    {ONE(KEY(3, 0, 10, 3, 1)), UNDEF, "AMAIR2_EL1", "FEAT_AIE is hidden"},
    {ONE(KEY(3, 3, 10, 2, 4)), UNDEF, "POR_EL0", "FEAT_S1POE is hidden"},
    {ONE(KEY(3, 0, 13, 0, 3)), UNDEF, "RCWSMASK_EL1", "FEAT_THE is hidden"},
    {ONE(KEY(3, 0, 13, 0, 6)), UNDEF, "RCWMASK_EL1", "FEAT_THE is hidden"},
    {ONE(KEY(3, 0, 13, 0, 5)), UNDEF, "ACCDATA_EL1", "FEAT_LS64_ACCDATA is hidden"},
    {ONE(KEY(3, 3, 13, 0, 5)), UNDEF, "TPIDR2_EL0", "SME is hidden"},
    {ONE(KEY(3, 0, 1, 2, 4)), UNDEF, "SMPRI_EL1", "SME is hidden"},
    {ONE(KEY(3, 0, 6, 0, 5)), UNDEF, "PFAR_EL1", "FEAT_PFAR is hidden"},
    {ONE(KEY(2, 0, 0, 4, 2)), UNDEF, "MDSELR_EL1", "more than 16 breakpoints are hidden"},
    {ONE(KEY(2, 0, 0, 5, 2)), UNDEF, "MDSTEPOP_EL1", "FEAT_STEP2 is hidden"},
    /* HCR_EL2.TIDCP: what a CPU has there is unknown here, and may reach out of the VM. */
    {ANY_OP1(1, 11), UNDEF, "IMPLEMENTATION DEFINED", "the CPU's own are not the guest's"},
    {ANY_OP1(1, 15), UNDEF, "IMPLEMENTATION DEFINED", "the CPU's own are not the guest's"},
    {ANY_OP1(3, 11), UNDEF, "IMPLEMENTATION DEFINED", "the CPU's own are not the guest's"},
    {ANY_OP1(3, 15), UNDEF, "IMPLEMENTATION DEFINED", "the CPU's own are not the guest's"},
};

static const struct sysreg_row *sysreg_find(uint16_t key)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint16_t k = rows[i].any_op1 ? (uint16_t)(key & ~OP1_MASK) : key;

        if (k >= rows[i].first && k <= rows[i].last)
            return &rows[i];
    }
    return NULL;
}

static void sysreg_log_undefined(const struct sysreg_row *row, const struct sysreg_access *access)
{
    const struct exit_sysreg *r = access->reg;
    bool hidden = row && !row->read && !row->write;

    if (!log_first(LOG_KIND_SYSREG, (uint64_t)r->key << 1 | r->read))
        return;
    log_msg(row ? LOG_DEBUG : LOG_WARN,
            "vCPU %u: %s of S%u_%u_C%u_C%u_%u (%s) at pc 0x%" PRIx64
            ": the guest takes an UNDEFINED exception%s%s",
            access->vcpu, r->read ? "read" : "write", r->op0, r->op1, r->crn, r->crm, r->op2,
            row ? row->name : "not emulated", access->pc, hidden ? ": " : "",
            hidden ? row->why : "");
}

void sysreg_reset(struct sysreg_cpu *cpu)
{
    *cpu = (struct sysreg_cpu){.os_lock = 1}; /* Arm ARM D24.3, OSLSR_EL1: locked by a cold reset */
}

bool sysreg_emulate(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                    struct sysreg_access *access)
{
    const struct sysreg_row *row = sysreg_find(access->reg->key);

    access->kick = 0;
    access->lost = false;
    access->undefined = false;
    if (row && access->reg->read && row->read)
        access->value = row->read(sysreg, cpu, access);
    else if (row && !access->reg->read && row->write)
        row->write(sysreg, cpu, access);
    else
        access->undefined = true;
    if (access->undefined)
        sysreg_log_undefined(row, access);
    return !access->undefined;
}

const char *sysreg_effect(const struct exit_sysreg *reg, bool *defined)
{
    const struct sysreg_row *row = sysreg_find(reg->key);

    *defined = row && (reg->read ? row->read != NULL : row->write != NULL);
    if (*defined || (row && !row->read && !row->write))
        return row->why;
    return NULL;
}

const char *sysreg_name(uint16_t key)
{
    const struct sysreg_row *row = sysreg_find(key);

    return row ? row->name : NULL;
}
