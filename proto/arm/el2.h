/* SPDX-License-Identifier: BSD-2-Clause */
/* Controls of EL2 (Arm ARM DDI 0487, D24.2), by register. */
#pragma once

/* HCR_EL2. */
#define HCR_VM    (1ull << 0) /* stage 2 */
#define HCR_SWIO  (1ull << 1) /* set/way invalidation cleans too */
#define HCR_FMO   (1ull << 3) /* physical FIQ, IRQ, SError come to EL2 */
#define HCR_IMO   (1ull << 4)
#define HCR_AMO   (1ull << 5)
#define HCR_VSE   (1ull << 8)  /* a virtual SError is pending */
#define HCR_FB    (1ull << 9)  /* local TLB and cache maintenance reaches all cores */
#define HCR_BSU_I (1ull << 10) /* barriers reach the inner shareable domain */
#define HCR_TWI   (1ull << 13) /* trap: WFI */
#define HCR_TWE   (1ull << 14) /* ... WFE */
#define HCR_TID3  (1ull << 18) /* trap: ID registers */
#define HCR_TSC   (1ull << 19) /* ... SMC */
#define HCR_TIDCP (1ull << 20) /* ... implementation defined registers */
#define HCR_TACR  (1ull << 21) /* ... auxiliary control */
#define HCR_TSW   (1ull << 22) /* ... cache maintenance by set/way */
#define HCR_RW    (1ull << 31) /* EL1 is AArch64 */
#define HCR_TLOR  (1ull << 35) /* trap: LORegions */
#define HCR_TERR  (1ull << 36) /* ... RAS error records */
#define HCR_APK   (1ull << 40) /* do not trap pointer authentication: keys */
#define HCR_API   (1ull << 41) /* ... instructions */

/* CPTR_EL2, with HCR_EL2.E2H 0. */
#define CPTR_TZ   (1ull << 8)  /* trap: SVE */
#define CPTR_TSM  (1ull << 12) /* ... SME */
#define CPTR_TTA  (1ull << 20) /* ... trace */
#define CPTR_TAM  (1ull << 30) /* ... activity monitors */
#define CPTR_RES1 0x22ffull

/* MDCR_EL2. */
#define MDCR_HPMN  0x1full      /* event counters of EL1 and EL0 */
#define MDCR_TPMCR (1ull << 5)  /* trap: PMCR_EL0 */
#define MDCR_TPM   (1ull << 6)  /* ... all of the PMU */
#define MDCR_TDE   (1ull << 8)  /* debug exceptions come to EL2; trap: debug registers, too */
#define MDCR_TDOSA (1ull << 10) /* ... OS lock */
#define MDCR_TDRA  (1ull << 11) /* ... debug ROM address */
#define MDCR_TPMS  (1ull << 14) /* ... statistical profiling */
#define MDCR_HPMD  (1ull << 17) /* event counters do not count at EL2 */
#define MDCR_TTRF  (1ull << 19) /* trap: trace filter */
#define MDCR_HCCD  (1ull << 23) /* the cycle counter does not count at EL2 */

#define PMCR_N(pmcr) ((pmcr) >> 11 & 0x1f) /* PMCR_EL0: number of event counters */

#define ZCR_LEN 0xfull /* ZCR_EL2: vector length, in 16 bytes, less one */

#define MMFR1_HCX (0xfull << 40) /* ID_AA64MMFR1_EL1: HCRX_EL2 exists */

/* CNTHCT_EL2, with HCR_EL2.E2H 0. */
#define CNTHCT_EL1PCTEN (1ull << 0) /* do not trap the physical counter */
#define CNTHCT_EL1PCEN  (1ull << 1) /* ... the physical timer */

/* VTCR_EL2. */
#define VTCR_SL0_L1 (1ull << 6)                           /* 4 KiB granule: start at level 1 */
#define VTCR_WALKS  (1ull << 8 | 1ull << 10 | 3ull << 12) /* IRGN0, ORGN0 write-back, SH0 inner */
#define VTCR_PS_40  (2ull << 16)
#define VTCR_RES1   (1ull << 31)

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

#define CURRENT_EL_2 (2u << 2)

#define MPIDR_AFFINITY 0xff00ffffffull /* MPIDR_EL1, and in GICD_IROUTER<n> and PSCI's calls */
