/* SPDX-License-Identifier: BSD-2-Clause */
/* The MMU and the caches of EL2. */

/* MAIR_EL2: 0 normal write-back, 1 device nGnRE. */
#define MAIR     0x04ff
/* TCR_EL2 (Arm ARM D24.2): RES1, 40-bit PA, inner shareable, write-back, 39-bit VA. */
#define TCR      (1 << 31 | 1 << 23 | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 25)
/* SCTLR_EL2 (D24.2): RES1 bits, and I, SA, C, M; WXN. */
#define SCTLR_OFF 0x30c50830
#define SCTLR_ON  (SCTLR_OFF | 1 << 19 | 1 << 12 | 1 << 3 | 1 << 2 | 1 << 0)

/*
 * Turn the MMU and the caches on, with the tables of mmu.c. Clobbers x1. The TLB may
 * have entries of whoever ran here before: of EL2, and of EL1 and EL0 of all VMIDs
 * (ALLE1 includes what VMALLS12E1 does).
 */
.global mmu_on
mmu_on:
    ldr x1, =MAIR
    msr mair_el2, x1
    ldr x1, =TCR
    msr tcr_el2, x1
    ldr x1, =mmu_root
    msr ttbr0_el2, x1
    dsb sy
    tlbi alle2
    tlbi alle1
    ic iallu
    dsb sy
    isb
    ldr x1, =SCTLR_ON
    msr sctlr_el2, x1
    isb
    ret
