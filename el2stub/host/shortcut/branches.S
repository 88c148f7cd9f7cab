/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replace the history of the guest's branches, which would steer the stub's own (Spectre-BHB,
 * CVE-2022-23960): a loop of 32 rounds, as Arm's advisory has it for Neoverse V1; Cortex-A72 needs
 * 8, A76 and Neoverse N1 24. Clobbers x2.
 */
.macro forget_branches
    mov x2, #32
1:  b 2f
2:  subs x2, x2, #1
    b.ne 1b
    dsb nsh
    isb
.endm
