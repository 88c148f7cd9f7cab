/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exception vectors of EL2 and the way into the guest and out of it.
 *
 * While a guest runs, SP_EL2 points at struct stack_top: where the vCPU's x0-x30
 * go, and the core's struct pcpu. All else of the guest stays in the core.
 */
#include "offsets.h"

.section .text.vectors, "ax"

/* From a lower EL. All registers are the guest's. Goes to \handler(pcpu), then back. */
.macro exit_slot handler
    .balign 0x80
    stp x0, x1, [sp, #-16]!
    ldr x0, [sp, #16 + STACK_TOP_GPR]
    stp x2, x3, [x0, #16 * 1]
    adr x1, \handler
    b exit_save
.endm

/* Nothing of this kind can happen. Goes to panic(slot, pcpu). */
.macro panic_slot slot
    .balign 0x80
    mov x0, #\slot
    b panic_entry
.endm

.balign 0x800
.global vectors
vectors:
    panic_slot 0            /* current EL, SP_EL0 */
    panic_slot 1
    panic_slot 2
    panic_slot 3
    panic_slot 4            /* current EL, SP_EL2 */
    panic_slot 5
    panic_slot 6
    panic_slot 7
    exit_slot exit_sync     /* EL1 is AArch64: from it, or from its EL0 */
    exit_slot exit_irq
    panic_slot 10           /* FIQ: the stub configures none */
    exit_slot exit_serror
    panic_slot 12           /* EL1 is AArch32: it never is */
    panic_slot 13
    panic_slot 14
    panic_slot 15
.org vectors + 0x800 /* an error if a slot was too long */

/*
 * x0: where x0-x30 go; x1: handler; x2, x3 are saved, x0 and x1 are on the stack.
 * Clobbers everything; the handler returns when the guest may run (again).
 */
exit_save:
    stp x4, x5, [x0, #16 * 2]
    stp x6, x7, [x0, #16 * 3]
    stp x8, x9, [x0, #16 * 4]
    stp x10, x11, [x0, #16 * 5]
    stp x12, x13, [x0, #16 * 6]
    stp x14, x15, [x0, #16 * 7]
    stp x16, x17, [x0, #16 * 8]
    stp x18, x19, [x0, #16 * 9]
    stp x20, x21, [x0, #16 * 10]
    stp x22, x23, [x0, #16 * 11]
    stp x24, x25, [x0, #16 * 12]
    stp x26, x27, [x0, #16 * 13]
    stp x28, x29, [x0, #16 * 14]
    str x30, [x0, #16 * 15]
    ldp x2, x3, [sp], #16
    stp x2, x3, [x0]
    ldr x0, [sp, #STACK_TOP_PCPU]
    blr x1

    b guest_enter

/* Into a core's first guest, from C. x0: struct pcpu. Drops what is on the stack. */
.global guest_start
guest_start:
    ldr x0, [x0, #PCPU_STACK_TOP]
    mov sp, x0

/* SP_EL2: struct stack_top, and ELR_EL2, SPSR_EL2 are the guest's. Does not return. */
guest_enter:
    ldr x0, [sp, #STACK_TOP_GPR]
    ldp x2, x3, [x0, #16 * 1]
    ldp x4, x5, [x0, #16 * 2]
    ldp x6, x7, [x0, #16 * 3]
    ldp x8, x9, [x0, #16 * 4]
    ldp x10, x11, [x0, #16 * 5]
    ldp x12, x13, [x0, #16 * 6]
    ldp x14, x15, [x0, #16 * 7]
    ldp x16, x17, [x0, #16 * 8]
    ldp x18, x19, [x0, #16 * 9]
    ldp x20, x21, [x0, #16 * 10]
    ldp x22, x23, [x0, #16 * 11]
    ldp x24, x25, [x0, #16 * 12]
    ldp x26, x27, [x0, #16 * 13]
    ldp x28, x29, [x0, #16 * 14]
    ldr x30, [x0, #16 * 15]
    ldp x0, x1, [x0]
    eret
    dsb nsh                 /* no speculation past the eret */
    isb

/* x0: slot. Whatever state the core is in, start on an empty stack. */
panic_entry:
    mrs x1, tpidr_el2
    add x2, x1, #PCPU_STACK_TOP
    ldr x2, [x2]
    mov sp, x2
    b panic
