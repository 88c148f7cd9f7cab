/* SPDX-License-Identifier: BSD-2-Clause */
/* Into EL2 of a machine whose host runs already, and out of it again. */
#include "offsets.h"
#include "proto/host.h"

.text

/*
 * HVC_SOFT_RESTART of Linux's hyp-stub comes here, with the MMU off, the caller's registers
 * but x0-x17, and VBAR_EL2, ELR_EL2, SPSR_EL2 of the HVC. x0: the CPU's index; x1: on the first
 * CPU the boot page, else 0. Returns to the caller at EL1: x0 is 0 or RV_HOST_*.
 * Clobbers x1-x17. No other CPU's line is stored to, and the MMU is on before one of this
 * CPU's is: a line that was fetched by speculation would hide what is stored past it.
 */
.global host_start
host_start:
    mrs x2, hcr_el2
    mov x9, #RV_HOST_E2H
    tbnz x2, #34, 2f            /* other layouts of TCR_EL2 and CPTR_EL2 */
    mrs x12, sctlr_el2
    ldr x11, =pcpus
    mov x2, #PCPU_SIZE
    madd x11, x0, x2, x11
    ldr x3, =stacks + STACK_TOP
    mov x2, #STACK_SIZE
    madd x3, x0, x2, x3
    mov sp, x3
    cbz x1, 1f
    /* The first CPU: nobody else has the memory yet, and host_boot() cleans it at its end. */
    stp x11, x12, [sp, #-32]!
    str x30, [sp, #16]
    mov x0, x1
    bl host_boot
    ldr x30, [sp, #16]
    ldp x11, x12, [sp], #32
    mov x9, x0
    cbnz x9, 2f
1:  mov x10, x30
    bl mmu_on
    ldr x0, [sp, #STACK_TOP_GPR]
    stp x18, x19, [x0, #8 * 18]
    stp x20, x21, [x0, #8 * 20]
    stp x22, x23, [x0, #8 * 22]
    stp x24, x25, [x0, #8 * 24]
    stp x26, x27, [x0, #8 * 26]
    stp x28, x29, [x0, #8 * 28]
    stp x10, xzr, [x0, #8 * 30] /* x30; the next word is stored by host_install() */
    mov x19, x11
    mov x0, x11
    mov x1, x12
    bl host_install
    mov x0, x19
    b host_enter
2:  mov x0, x9
    eret
    dsb nsh
    isb

/* From firmware, at EL2, MMU off, nothing kept: CPU_SUSPEND has ended. x0: struct pcpu. */
.global host_warm
host_warm:
    msr spsel, #1
    msr daifset, #0xf
    mov x1, #1 << 31            /* HCR_EL2.RW; E2H 0 before TCR_EL2 */
    msr hcr_el2, x1
    ldr x1, =vectors
    msr vbar_el2, x1
    msr tpidr_el2, x0
    isb
    mov x19, x0
    bl mmu_on                   /* before the first load: see host_start */
    ldr x1, [x19, #PCPU_STACK_TOP]
    mov sp, x1
    mov x0, x19
    b host_warmed

/*
 * x0: x0-x17 of the host, at an SMC. Does it for the host (SMCCC, DEN0028: x18-x30 are
 * preserved), and stores what comes back.
 */
.global host_call_firmware
host_call_firmware:
    stp x0, x30, [sp, #-16]!
    mov x30, x0
    ldp x0, x1, [x30]
    ldp x2, x3, [x30, #8 * 2]
    ldp x4, x5, [x30, #8 * 4]
    ldp x6, x7, [x30, #8 * 6]
    ldp x8, x9, [x30, #8 * 8]
    ldp x10, x11, [x30, #8 * 10]
    ldp x12, x13, [x30, #8 * 12]
    ldp x14, x15, [x30, #8 * 14]
    ldp x16, x17, [x30, #8 * 16]
    smc #0
    ldr x30, [sp]
    stp x0, x1, [x30]
    stp x2, x3, [x30, #8 * 2]
    stp x4, x5, [x30, #8 * 4]
    stp x6, x7, [x30, #8 * 6]
    stp x8, x9, [x30, #8 * 8]
    stp x10, x11, [x30, #8 * 10]
    stp x12, x13, [x30, #8 * 12]
    stp x14, x15, [x30, #8 * 14]
    stp x16, x17, [x30, #8 * 16]
    ldp x0, x30, [sp], #16
    ret

/*
 * x0: struct host_cpu. EL2 as it was found, and back to the host behind its HVC with x0 = 0.
 * x1-x17 are zeroed: what is in them is nobody's. The code runs on at the same address with
 * the MMU off: it was cleaned to the point of coherency when it was loaded.
 */
.global host_vanish
host_vanish:
    ldp x18, x19, [x0, #8 * 18]
    ldp x20, x21, [x0, #8 * 20]
    ldp x22, x23, [x0, #8 * 22]
    ldp x24, x25, [x0, #8 * 24]
    ldp x26, x27, [x0, #8 * 26]
    ldp x28, x29, [x0, #8 * 28]
    ldp x30, x1, [x0, #8 * 30]  /* x30, and `vbar` behind it */
    ldr x2, [x0, #HOST_SCTLR]
    dsb sy
    msr vbar_el2, x1
    msr sctlr_el2, x2
    isb
    tlbi alle2
    ic iallu
    dsb nsh
    isb
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    mov x\n, xzr
    .endr
    eret
    dsb nsh
    isb

/* x0: struct pcpu. From whatever depth of its stack a CPU goes to host_park(). */
.global host_repark
host_repark:
    ldr x1, [x0, #PCPU_STACK_TOP]
    mov sp, x1
    b host_park
