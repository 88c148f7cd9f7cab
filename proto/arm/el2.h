/* SPDX-License-Identifier: BSD-2-Clause */
/* Controls of EL2 (Arm ARM DDI 0487, D24.2), by register. */
#pragma once

/* HCR_EL2. */
#define HCR_VSE (1ull << 8)  /* a virtual SError is pending */
#define HCR_TWI (1ull << 13) /* trap: WFI */
#define HCR_TWE (1ull << 14) /* ... WFE */

/* MDCR_EL2. */
#define MDCR_TDE (1ull << 8) /* debug exceptions come to EL2; debug registers trap */

#define MPIDR_AFFINITY 0xff00ffffffull /* MPIDR_EL1, and in GICD_IROUTER<n> and PSCI's calls */
