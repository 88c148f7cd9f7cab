/* SPDX-License-Identifier: BSD-2-Clause */
/* Into EL2 of a machine whose host runs already, and out of it again. */
#include "offsets.h"
#include "el2stub/pairs.S"
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
    pairs stp, 18
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
    b host_start_el1

/*
 * x0: x0-x17 of the host, at an SMC. Does it for the host (SMCCC, DEN0028: x18-x30 are
 * preserved), and stores what comes back.
 */
.global host_call_firmware
host_call_firmware:
    stp x0, x30, [sp, #-16]!
    mov x30, x0
    pairs ldp, 0, 16, x30
    smc #0
    ldr x30, [sp]
    pairs stp, 0, 16, x30
    ldp x0, x30, [sp], #16
    ret

/*
 * x0: struct host_cpu. EL2 as it was found, and back to the host behind its HVC with x0 = 0.
 * x1-x17 are zeroed: what is in them is nobody's. The code runs on at the same address with
 * the MMU off: it was cleaned to the point of coherency when it was loaded.
 */
.global host_vanish
host_vanish:
    pairs ldp, 18
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
