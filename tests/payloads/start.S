/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry, exception vectors, the way to EL0 and back, and calls by HVC and SMC.
 */

#define FRAME_SIZE 272 /* struct frame of guest.h: x0-x30, ELR, SPSR, padding */
#define FRAME_ELR  248

/*
 * In: EL1, MMU off, x0 = device tree (under the vmm) or anything.
 * What the CPU looked like is kept for the tests, before anything changes it.
 */
    .section .text.start, "ax"
    .global _start
_start:
    mov     x19, x0
    mov     x20, x1
    mov     x21, x2
    mov     x22, x3
    mrs     x23, daif
    mrs     x24, sctlr_el1
    mrs     x25, CurrentEL
    mrs     x26, spsel
    msr     spsel, #1
    msr     daifset, #0xf
    ldr     x0, =bss_start
    ldr     x1, =bss_end
1:  cmp     x0, x1
    b.hs    2f
    stp     xzr, xzr, [x0], #16
    b       1b
2:  ldr     x0, =stack_top
    mov     sp, x0
    ldr     x0, =vectors
    msr     vbar_el1, x0
    isb
    ldr     x0, =boot_state
    stp     x19, x20, [x0]
    stp     x21, x22, [x0, #16]
    stp     x23, x24, [x0, #32]
    stp     x25, x26, [x0, #48]
    bl      guest_start

/* Where CPU_ON starts a second CPU. In: EL1, MMU off, x0 = context id. Keeps it in x0. */
    .text
    .global cpu1_start
cpu1_start:
    msr     spsel, #1
    msr     daifset, #0xf
    ldr     x1, =stack_top_cpu1
    mov     sp, x1
    ldr     x1, =vectors
    msr     vbar_el1, x1
    isb
    bl      guest_start_cpu1

/*
 * In each slot: SP_EL1 is a good stack, all other registers are the
 * interrupted code's. guest_exception gets the frame and the slot's number,
 * and may change the frame, which is what the return restores.
 */
    .macro slot number
    .balign 0x80
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp]
    mov     x1, #\number
    b       exception
    .endm

    .balign 0x800
    .global vectors
vectors:
    .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    slot    \number
    .endr

exception:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x30, x2, [sp, #240]
    str     x3, [sp, #256]
    mov     x0, sp
    bl      guest_exception
    ldr     x3, [sp, #256]
    ldp     x30, x2, [sp, #240]
    msr     elr_el1, x2
    msr     spsr_el1, x3
    ldp     x28, x29, [sp, #224]
    ldp     x26, x27, [sp, #208]
    ldp     x24, x25, [sp, #192]
    ldp     x22, x23, [sp, #176]
    ldp     x20, x21, [sp, #160]
    ldp     x18, x19, [sp, #144]
    ldp     x16, x17, [sp, #128]
    ldp     x14, x15, [sp, #112]
    ldp     x12, x13, [sp, #96]
    ldp     x10, x11, [sp, #80]
    ldp     x8, x9, [sp, #64]
    ldp     x6, x7, [sp, #48]
    ldp     x4, x5, [sp, #32]
    ldp     x2, x3, [sp, #16]
    ldp     x0, x1, [sp], #FRAME_SIZE
    eret
    dsb     nsh
    isb

    .macro push_callee_saved
    stp     x29, x30, [sp, #-96]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    .endm
    .macro pop_callee_saved
    ldp     x27, x28, [sp, #80]
    ldp     x25, x26, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x21, x22, [sp, #32]
    ldp     x19, x20, [sp, #16]
    ldp     x29, x30, [sp], #96
    .endm

/*
 * uint64_t el0_call(x0 = code, x1 = argument): runs the code at EL0 with the
 * argument in x0 until it does SVC, which guest_exception sends to
 * el0_return. Returns the code's x0. EL0 has no stack.
 */
    .global el0_call
el0_call:
    push_callee_saved
    msr     elr_el1, x0
    mov     x2, #0x3c0 /* EL0t, DAIF set */
    msr     spsr_el1, x2
    mov     x0, x1
    eret
    dsb     nsh
    isb
    .global el0_return
el0_return:
    pop_callee_saved
    ret

/*
 * void call_hvc(x0 = uint64_t x[18]): loads x0-x17 from the array, calls, and
 * stores them there. call_hvc1 has a nonzero immediate.
 */
    .macro call name, insn:vararg
    .global \name
\name:
    push_callee_saved
    str     x0, [sp, #-16]!
    ldp     x16, x17, [x0, #128]
    ldp     x14, x15, [x0, #112]
    ldp     x12, x13, [x0, #96]
    ldp     x10, x11, [x0, #80]
    ldp     x8, x9, [x0, #64]
    ldp     x6, x7, [x0, #48]
    ldp     x4, x5, [x0, #32]
    ldp     x2, x3, [x0, #16]
    ldp     x0, x1, [x0]
    \insn
    ldr     x30, [sp], #16
    stp     x0, x1, [x30]
    stp     x2, x3, [x30, #16]
    stp     x4, x5, [x30, #32]
    stp     x6, x7, [x30, #48]
    stp     x8, x9, [x30, #64]
    stp     x10, x11, [x30, #80]
    stp     x12, x13, [x30, #96]
    stp     x14, x15, [x30, #112]
    stp     x16, x17, [x30, #128]
    pop_callee_saved
    ret
    .endm

    call    call_hvc, hvc #0
    call    call_hvc1, hvc #1
    call    call_smc, smc #0
    call    call_smc1, smc #1

/*
 * bool power_down_hvc(x0 = uint64_t x[4], x1 = struct resumed *): a call whose
 * entry point is power_down_resume. True: the CPU came back there, and what it
 * looked like is in *x1. False: the call returned, its x0 in x[0].
 */
    .macro power_down name, insn:vararg
    .global \name
\name:
    push_callee_saved
    stp     x0, x1, [sp, #-16]!
    ldr     x9, =resume_sp
    mov     x10, sp
    str     x10, [x9]
    ldp     x2, x3, [x0, #16]
    ldp     x0, x1, [x0]
    \insn
    ldp     x9, x10, [sp], #16
    str     x0, [x9]
    mov     x0, #0
    pop_callee_saved
    ret
    .endm

    power_down power_down_hvc, hvc #0
    power_down power_down_smc, smc #0

/* Nothing but x0 and the PC is known here. */
    .global power_down_resume
power_down_resume:
    mrs     x19, daif
    mrs     x20, CurrentEL
    mrs     x21, spsel
    mrs     x22, sctlr_el1
    mrs     x23, vbar_el1
    mrs     x24, tpidr_el1
    mrs     x25, oslsr_el1
    mrs     x26, s3_0_c12_c12_7 /* ICC_IGRPEN1_EL1 */
    mrs     x27, s3_0_c4_c6_0   /* ICC_PMR_EL1 */
    msr     spsel, #1
    msr     daifset, #0xf
    ldr     x9, =resume_sp
    ldr     x10, [x9]
    mov     sp, x10
    ldr     x9, =vectors
    msr     vbar_el1, x9
    isb
    ldp     x9, x10, [sp], #16
    stp     x0, x19, [x10]
    stp     x20, x21, [x10, #16]
    stp     x22, x23, [x10, #32]
    stp     x24, x25, [x10, #48]
    stp     x26, x27, [x10, #64]
    mov     x0, #1
    pop_callee_saved
    ret

    .data
    .balign 8
resume_sp:
    .quad   0
    .text
