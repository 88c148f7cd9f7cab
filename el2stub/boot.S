/* SPDX-License-Identifier: BSD-2-Clause */
/* From power-on to C: the image's header, the boot CPU, the others. */
#include "proto/abi_version.h"
#include "offsets.h"

/* struct rv_stub_header; the vmm fills in the last word. */
.section .header, "a"
    .quad RV_STUB_MAGIC
    .short RV_ABI_MAJOR, RV_ABI_MINOR
    .word 0
    .quad image_size
    .quad 0

.text

/* Known controls, whatever was left in them. x0: struct pcpu. Clobbers x1. */
.macro init_el2
    msr spsel, #1
    msr daifset, #0xf
    ldr x1, =vectors
    msr vbar_el2, x1
    msr tpidr_el2, x0           /* panic_entry needs both */
    mov x1, #1 << 31            /* RW: EL1 is AArch64; E2H 0, unless it cannot be: main.c looks */
    msr hcr_el2, x1
    isb                         /* the layout of TCR_EL2 depends on HCR_EL2.E2H */
.endm

/* Boot CPU, at EL2, MMU off, .bss zeroed by the loader. No register means anything. */
.global stub_start
stub_start:
    ldr x2, =stacks + STACK_TOP
    ldr x0, =pcpus
    mrs x1, currentel
    cmp x1, #2 << 2             /* EL2 */
    b.ne 1f                     /* main.c refuses */
    init_el2
1:  mov sp, x2
    str x2, [x0, #PCPU_STACK_TOP]
    ldr x0, =image_start
    b boot_main

/* Another CPU, from firmware, at EL2, MMU off. x0: its struct pcpu. */
.global stub_secondary
stub_secondary:
    init_el2
    mov x19, x0
    ldr x1, [x19, #PCPU_STACK_TOP]
    mov sp, x1
    bl mmu_on
    mov x0, x19
    b pcpu_main
