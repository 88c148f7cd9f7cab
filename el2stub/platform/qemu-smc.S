/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware: PSCI by SMC (DEN0022). What SMCCC lets it clobber, a C function may. */
.text

/* x0: MPIDR, x1: entry, x2: context. Returns 0, or PSCI's error (negative). */
.global platform_cpu_on
platform_cpu_on:
    mov x3, x2
    mov x2, x1
    mov x1, x0
    ldr x0, =0xc4000003 /* CPU_ON, 64 bits */
    smc #0
    ret
