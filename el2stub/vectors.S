/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exception vectors of EL2 and the way into the guest and out of it.
 *
 * While a guest runs, SP_EL2 points at struct stack_top: where the vCPU's x0-x30
 * go, and the core's struct pcpu. All else of the guest stays in the core.
 */
#include "offsets.h"
#include "el2stub/pairs.S"
#include "branches.S"

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
    .irp slot, 0, 1, 2, 3, 4, 5, 6, 7
    panic_slot \slot       /* current EL, SP_EL0 and SP_EL2 */
    .endr
    exit_slot exit_sync     /* EL1 is AArch64: from it, or from its EL0 */
    exit_slot exit_irq
    panic_slot 10           /* FIQ: the stub configures none */
    exit_slot exit_serror
    .irp slot, 12, 13, 14, 15
    panic_slot \slot       /* EL1 is AArch32: it never is */
    .endr
.org vectors + 0x800 /* an error if a slot was too long */

/*
 * x0: where x0-x30 go; x1: handler; x2, x3 are saved, x0 and x1 are on the stack.
 * Clobbers everything; the handler returns when the guest may run (again).
 */
exit_save:
    forget_branches
    pairs stp, 4
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
    pairs ldp, 2
    ldr x30, [x0, #16 * 15]
    ldp x0, x1, [x0]
    eret
    dsb nsh                 /* no speculation past the eret */
    isb

/* x0: slot. Whatever state the core is in, start on an empty stack. */
panic_entry:
    mrs x1, tpidr_el2
    ldr x2, [x1, #PCPU_STACK_TOP]
    mov sp, x2
    b panic
