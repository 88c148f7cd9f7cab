/* SPDX-License-Identifier: BSD-2-Clause */
/* Controls of EL2, translation tables and the physical GIC: what only the stub uses of them. */
#pragma once

/* HCR_EL2 (Arm ARM DDI 0487, D24.2); the bits that the vmm may set are in proto/arm/el2.h. */
#define HCR_VM      (1ull << 0)     /* stage 2 */
#define HCR_SWIO    (1ull << 1)     /* set/way invalidation cleans too */
#define HCR_ROUTING (7ull << 3)     /* FMO, IMO, AMO: physical FIQ, IRQ, SError come to EL2 */
#define HCR_SHARED  (3ull << 9)     /* FB, BSU: maintenance and barriers reach all cores */
#define HCR_TRAPS   (0x1full << 18) /* TID3, TSC, TIDCP, TACR, TSW: see PROTOCOL.md, "Trapped" */
#define HCR_RW      (1ull << 31)    /* EL1 is AArch64 */
#define HCR_E2H     (1ull << 34)    /* EL2 is a host's, with another layout of its registers */
#define HCR_TLOR    (1ull << 35)    /* trap: LORegions */
#define HCR_TERR    (1ull << 36)    /* ... RAS error records */
#define HCR_PAUTH   (3ull << 40)    /* APK, API: pointer authentication does not trap */

/* CPTR_EL2, with HCR_EL2.E2H 0. */
#define CPTR_TZ   (1ull << 8)  /* trap: SVE */
#define CPTR_TSM  (1ull << 12) /* ... SME */
#define CPTR_TTA  (1ull << 20) /* ... trace */
#define CPTR_TAM  (1ull << 30) /* ... activity monitors */
#define CPTR_RES1 0x22ffull

/* MDCR_EL2. */
#define MDCR_PMU   (3ull << 5)  /* TPMCR, TPM: trap the PMU */
#define MDCR_DEBUG (7ull << 9)  /* TDA, TDOSA, TDRA: trap all debug registers */
#define MDCR_TPMS  (1ull << 14) /* trap: statistical profiling */
#define MDCR_HPMD  (1ull << 17) /* event counters do not count at EL2 */
#define MDCR_TTRF  (1ull << 19) /* trap: trace filter */
#define MDCR_HCCD  (1ull << 23) /* the cycle counter does not count at EL2 */

#define PMCR_N(pmcr) ((pmcr) >> 11 & 0x1f) /* PMCR_EL0: number of event counters */

#define ZCR_LEN 0xfull /* ZCR_EL2: vector length, in 16 bytes, less one */

/*
 * CNTHCTL_EL2, with HCR_EL2.E2H 0: EL1PCTEN, EL1PCEN; EVNTEN and EVNTI 5, so that the counter makes an
 * event each 64 ticks, which ends a WFE (Arm ARM, "Event streams").
 */
#define CNTHCT_NO_TRAPS (3ull | 1ull << 2 | 5ull << 4)

/* VTCR_EL2; what all of it have: RES1; SH0 inner, ORGN0 and IRGN0 write-back. */
#define VTCR_COMMON     (1ull << 31 | 3ull << 12 | 1ull << 10 | 1ull << 8)
#define VTCR_SL0(level) ((2ull - (level)) << 6) /* where the walk starts, with this granule */
#define VTCR_PS_40      (2ull << 16)

/* Descriptors, VMSAv8-64, 4 KiB granule (D8.3). */
#define PTE_VALID    1ull
#define PTE_TABLE    3ull /* at level 1 and 2; at level 3 it is a page */
#define PTE_SH_INNER (3ull << 8)
#define PTE_AF       (1ull << 10)
#define PTE_XN       (1ull << 54)
#define PTE_ADDR     0x0000fffffffff000ull
#define S1_DEVICE    (1ull << 2) /* AttrIndx 1 */
#define S1_RES1      (1ull << 6) /* AP[1], RES1 where there is one exception level */
#define S1_RO        (1ull << 7)
#define S2_NORMAL_WB (0xfull << 2)
#define S2_READ      (1ull << 6)
#define S2_WRITE     (1ull << 7)

#define S2_PERMISSIONS (S2_READ | S2_WRITE | PTE_XN)

#define CURRENT_EL_2 (2u << 2)
#define ISR_A        (1ull << 8) /* ISR_EL1: an SError is pending */

/* PAR_EL1: the translation failed; else PA[51:12]. */
#define PAR_F  1ull
#define PAR_PA 0x000ffffffffff000ull

/* ICC_SGI1R_EL1: S3_0_C12_C11_5 in the syndrome of a trapped write, and its fields. */
#define ISS_SYS_WHICH     (0x3fffffull & ~(uint64_t)ESR_ISS_SYS_RT)
#define ISS_ICC_SGI1R     (3ull << 20 | 5ull << 17 | 12ull << 10 | 11ull << 1)
#define SGIR_LIST         0xffffull
#define SGIR_CLUSTER      0x00fff0ff00ff0000ull /* Aff3, RS, Aff2, Aff1 */
#define SGIR_INTID(value) ((value) >> 24 & 0xf)
#define SGIR_IRM          (1ull << 40) /* to all but oneself */

/* GICv3 (IHI 0069). */
#define GICD_CTLR_RWP    (1u << 31)
#define GICR_CTLR_RWP    (1u << 3)
#define GICR_IPRIORITYR0 (GICR_SGI + 0x0400u)
#define ICH_HCR_EN       (1u << 0)
#define ICH_VTR_PREBITS  26
#define INTID_SPI        32u
#define SGIS             0xffffu /* of the private interrupts, a bit for each */
#define INTID_SPECIAL    1020u   /* to 1023: no interrupt */
#define INTID_NONE       1023u
