/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vCPU page: the part of a vCPU's state that is in memory. x0-x30 are here
 * whenever the guest does not run. While the vCPU is live, the other groups are in
 * the CPU's registers: RV_COMMAND_SAVE copies a group here, RV_COMMAND_LOAD copies
 * it back. A group here is current from the acknowledgement of a SAVE until the
 * guest runs again; the GIC group only until the next INJECT, RETRACT or interrupt.
 * Every SAVE also saves PC, PSTATE and the counter.
 */
#pragma once

#include <stdint.h>

#include "proto/arm/el2.h"
#include "proto/arm/gic.h"
#include "proto/boot.h"
#include "proto/message.h"

#define RV_GROUP_GPR    0x01u  /* x0-x30: always current while the guest is stopped */
#define RV_GROUP_CORE   0x02u  /* PC, PSTATE */
#define RV_GROUP_EL1    0x04u  /* EL1 and EL0 system registers, SP_EL0, SP_EL1 */
#define RV_GROUP_FP     0x08u  /* V0-V31, FPCR, FPSR */
#define RV_GROUP_PAUTH  0x10u  /* pointer authentication keys, where the CPU has them */
#define RV_GROUP_TIMER  0x20u  /* EL1 virtual and physical timer, CNTVOFF_EL2 */
#define RV_GROUP_DEBUG  0x40u  /* breakpoints, watchpoints, MDSCR_EL1 */
#define RV_GROUP_GIC    0x80u  /* list registers, active priorities, CPU interface */
#define RV_GROUP_SVE    0x100u /* Z0-Z31, P0-P15, FFR, where the CPU has them */
#define RV_GROUP_PMU    0x200u /* PMUv3, where the CPU has it */
#define RV_GROUP_DIRECT 0x400u /* what the stub injects by itself; only loaded */
#define RV_GROUPS_ALL   0x7ffu

/* The bits of HCR_EL2 that the vmm may set: traps of WFI and WFE; a pending virtual SError. */
#define RV_HCR_BITS (HCR_TWI | HCR_TWE | HCR_VSE)

/*
 * The bits of ICH_HCR_EL2 that the vmm may set: maintenance interrupts that tell of room in
 * the list registers, and traps of the registers by which a guest ends interrupts.
 */
#define RV_ICH_HCR_REFILL (ICH_HCR_UIE | ICH_HCR_LRENPIE | ICH_HCR_NPIE)
#define RV_ICH_HCR_BITS   (RV_ICH_HCR_REFILL | ICH_HCR_TC | ICH_HCR_TDIR)

/* The bits of MDCR_EL2 that the vmm may set: debug exceptions and registers trap. */
#define RV_MDCR_BITS MDCR_TDE

/*
 * The bits of an interrupt in `direct` that the vmm may set: pending means enabled. The INTIDs are
 * those of the place, physical and virtual.
 */
#define RV_DIRECT_BITS (LR_PENDING | LR_GROUP1 | 0xffull << LR_PRIORITY_SHIFT)
#define RV_NR_DIRECT   32u

#define RV_VCPU_IRQS 80u /* interrupts in list registers, or waiting for one */

/* EL1 group. The stub neither saves nor loads registers that the CPU does not have. */
struct rv_el1 {
    uint64_t sp_el0;         /* 0x00 */
    uint64_t sp_el1;         /* 0x08 */
    uint64_t elr_el1;        /* 0x10 */
    uint64_t spsr_el1;       /* 0x18 */
    uint64_t sctlr_el1;      /* 0x20 */
    uint64_t reserved0;      /* 0x28 */
    uint64_t cpacr_el1;      /* 0x30 */
    uint64_t ttbr0_el1;      /* 0x38 */
    uint64_t ttbr1_el1;      /* 0x40 */
    uint64_t tcr_el1;        /* 0x48 */
    uint64_t esr_el1;        /* 0x50 */
    uint64_t far_el1;        /* 0x58 */
    uint64_t afsr0_el1;      /* 0x60 */
    uint64_t afsr1_el1;      /* 0x68 */
    uint64_t mair_el1;       /* 0x70 */
    uint64_t amair_el1;      /* 0x78 */
    uint64_t vbar_el1;       /* 0x80 */
    uint64_t contextidr_el1; /* 0x88 */
    uint64_t tpidr_el0;      /* 0x90 */
    uint64_t tpidrro_el0;    /* 0x98 */
    uint64_t tpidr_el1;      /* 0xa0 */
    uint64_t par_el1;        /* 0xa8 */
    uint64_t csselr_el1;     /* 0xb0 */
    uint64_t disr_el1;       /* 0xb8 VDISR_EL2: FEAT_RAS */
    uint64_t vmpidr_el2;     /* 0xc0 what MPIDR_EL1 reads in the guest */
    uint64_t vpidr_el2;      /* 0xc8 MIDR_EL1 */
    uint64_t zcr_el1;        /* 0xd0 FEAT_SVE */
    uint64_t hcr_el2;        /* 0xd8 RV_HCR_BITS only: the other bits are the stub's */
    uint64_t vsesr_el2;      /* 0xe0 FEAT_RAS: syndrome of the pending virtual SError */
    uint64_t reserved[3];    /* 0xe8 */
};
_Static_assert(sizeof(struct rv_el1) == 0x100, "EL1 group layout");

struct rv_fp {
    uint64_t v[64];   /* 0x000 V0-V31, low half first */
    uint64_t fpcr;    /* 0x200 */
    uint64_t fpsr;    /* 0x208 */
    uint64_t pad[14]; /* 0x210 */
};
_Static_assert(sizeof(struct rv_fp) == 0x280, "FP group layout");

struct rv_pauth {
    uint64_t key[10]; /* 0x00 APIA, APIB, APDA, APDB, APGA: low, high each */
    uint64_t pad[6];  /* 0x50 */
};
_Static_assert(sizeof(struct rv_pauth) == 0x80, "PAUTH group layout");

struct rv_timer {
    uint64_t cntv_ctl;  /* 0x00 CNTV_CTL_EL0 */
    uint64_t cntv_cval; /* 0x08 CNTV_CVAL_EL0 */
    uint64_t cntp_ctl;  /* 0x10 CNTP_CTL_EL0 */
    uint64_t cntp_cval; /* 0x18 CNTP_CVAL_EL0 */
    uint64_t cntkctl;   /* 0x20 CNTKCTL_EL1 */
    uint64_t cntvoff;   /* 0x28 CNTVOFF_EL2 */
    uint64_t cntpct;    /* 0x30 CNTPCT_EL0 at the SAVE; not loaded */
    uint64_t pad;       /* 0x38 */
};
_Static_assert(sizeof(struct rv_timer) == 0x40, "TIMER group layout");

struct rv_debug {
    uint64_t bvr[16];  /* 0x000 DBGBVRn_EL1 */
    uint64_t bcr[16];  /* 0x080 DBGBCRn_EL1 */
    uint64_t wvr[16];  /* 0x100 DBGWVRn_EL1 */
    uint64_t wcr[16];  /* 0x180 DBGWCRn_EL1 */
    uint64_t mdscr;    /* 0x200 MDSCR_EL1 */
    uint64_t reserved; /* 0x208 */
    uint64_t mdcr;     /* 0x210 RV_MDCR_BITS of MDCR_EL2 only; not saved */
    uint64_t pad[13];  /* 0x218 */
};
_Static_assert(sizeof(struct rv_debug) == 0x280, "DEBUG group layout");

/* evcntr[n] is PMEVCNTR<n>_EL0, and evtyper[n] its PMEVTYPER<n>_EL0 (event and filter). */
struct rv_pmu {
    uint64_t evcntr[31];  /* 0x000 */
    uint64_t evtyper[31]; /* 0x0f8 */
    uint64_t pmccntr;     /* 0x1f0 PMCCNTR_EL0 */
    uint64_t pmccfiltr;   /* 0x1f8 PMCCFILTR_EL0 */
    uint64_t pmuserenr;   /* 0x200 PMUSERENR_EL0 */
    uint64_t pmselr;      /* 0x208 PMSELR_EL0 */
    uint64_t pmcntenset;  /* 0x210 PMCNTENSET_EL0 */
    uint64_t pmintenset;  /* 0x218 PMINTENSET_EL1 */
    uint64_t pmovsset;    /* 0x220 PMOVSSET_EL0 */
    uint64_t pmcr;        /* 0x228 PMCR_EL0 */
    uint64_t pad[58];     /* 0x230 */
};
_Static_assert(sizeof(struct rv_pmu) == 0x400, "PMU group layout");

/*
 * With a vector length of VL bytes at EL2, the SVE group has Z0-Z31 of VL bytes
 * each, then P0-P15 and FFR of VL/8 bytes each, without gaps. V<n> is the low end of
 * Z<n>: LOAD of the FP group zeroes the rest of all Z. The stub loads SVE after FP.
 */
#define RV_SVE_VL_MAX 256u
#define RV_SVE_BYTES  (32u * RV_SVE_VL_MAX + 17u * RV_SVE_VL_MAX / 8u)

/*
 * irq[n] is ICH_LR<n>_EL2, for as many list registers as the CPU has. The places behind those
 * are the vmm's: it keeps there, in the same format, the interrupts that wait for a list
 * register. An entry is in use if it is pending or active or both.
 */
struct rv_gic {
    uint64_t irq[RV_VCPU_IRQS]; /* 0x000 */
    uint64_t vmcr;              /* 0x280 ICH_VMCR_EL2 */
    uint64_t ap0r0;             /* 0x288 ICH_AP0R0_EL2 */
    uint64_t ap1r0;             /* 0x290 ICH_AP1R0_EL2 */
    uint64_t ppi_pending;       /* 0x298 SAVE: physical GICR_ISPENDR0; not loaded */
    uint64_t ppi_active; /* 0x2a0 physical GICR_ISACTIVER0; loaded: PPIs of direct interrupts */
    uint64_t hcr;        /* 0x2a8 ICH_HCR_EL2: RV_ICH_HCR_BITS; SAVE: EOIcount, too */
    uint32_t nr_irqs;    /* 0x2b0 the vmm's: irq[nr_irqs] and what follows is not in use */
    uint32_t pad;        /* 0x2b4 */
    uint64_t pad2[9];    /* 0x2b8 */
};
_Static_assert(sizeof(struct rv_gic) == 0x300, "GIC group layout");

/* The list register entry for RV_COMMAND_INJECT's RV_IRQ_* flags. */
static inline uint64_t rv_gic_irq(uint64_t vintid, uint64_t flags)
{
    return vintid | (flags & RV_IRQ_PRIORITY) << LR_PRIORITY_SHIFT |
           (flags & RV_IRQ_GROUP1 ? LR_GROUP1 : 0) | (flags & RV_IRQ_EOI ? LR_EOI : 0) |
           (flags & RV_IRQ_ACTIVE ? LR_ACTIVE : 0) | (flags & RV_IRQ_PENDING ? LR_PENDING : 0);
}

/* Stores to [start, start + size) are posted. */
struct rv_posted {
    uint64_t start; /* 0x00 IPA */
    uint64_t size;  /* 0x08 bytes; 0: no window */
};

struct rv_vcpu_page {
    uint64_t x[31];                         /* 0x000 GPR */
    uint64_t pc;                            /* 0x0f8 CORE: ELR_EL2 */
    uint64_t pstate;                        /* 0x100 CORE: SPSR_EL2 */
    uint64_t pad[7];                        /* 0x108 */
    struct rv_posted posted[RV_MAX_POSTED]; /* 0x140 the vmm's, at any time */
    uint64_t pad1[8];                       /* 0x1c0 */
    struct rv_el1 el1;                      /* 0x200 */
    struct rv_fp fp;                        /* 0x300 */
    struct rv_pauth pauth;                  /* 0x580 */
    struct rv_timer timer;                  /* 0x600 */
    uint8_t pad2[0x40];                     /* 0x640 */
    struct rv_debug debug;                  /* 0x680 */
    struct rv_gic gic;                      /* 0x900 */
    struct rv_pmu pmu;                      /* 0xc00 */
    uint8_t sve[0x2f00];                    /* 0x1000 RV_SVE_BYTES of it */
    uint64_t direct[RV_NR_DIRECT];          /* 0x3f00 DIRECT: SGIs and PPIs, as ICH_LR<n>_EL2 */
};
_Static_assert(RV_SVE_BYTES <= 0x2f00, "vCPU page layout");
_Static_assert(sizeof(struct rv_vcpu_page) == 0x4000, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, el1) == 0x200, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, fp) == 0x300, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, pauth) == 0x580, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, timer) == 0x600, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, debug) == 0x680, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, gic) == 0x900, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, pmu) == 0xc00, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, sve) == 0x1000, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, posted) == 0x140, "vCPU page layout");
_Static_assert(__builtin_offsetof(struct rv_vcpu_page, direct) == 0x3f00, "vCPU page layout");
