/* SPDX-License-Identifier: BSD-2-Clause */
/* From power-on to C: the image's header, the boot CPU, the others, the MMU. */
#include "proto/abi_version.h"
#include "offsets.h"

/* MAIR_EL2: 0 normal write-back, 1 device nGnRE. */
#define MAIR     0x04ff
/* TCR_EL2 (Arm ARM D19.2.139): RES1, 40-bit PA, inner shareable, write-back, 39-bit VA. */
#define TCR      (1 << 31 | 1 << 23 | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 25)
/* SCTLR_EL2 (D19.2.121): RES1 bits, and I, SA, C, M; WXN. */
#define SCTLR_OFF 0x30c50830
#define SCTLR_ON  (SCTLR_OFF | 1 << 19 | 1 << 12 | 1 << 3 | 1 << 2 | 1 << 0)

/* struct rv_stub_header; the vmm fills in the last word. */
.section .header, "a"
    .quad RV_STUB_MAGIC
    .short RV_ABI_MAJOR, RV_ABI_MINOR
    .word 0
    .quad image_size
    .quad 0

.text

/* Boot CPU, at EL2, MMU off, .bss zeroed by the loader. No register means anything. */
.global stub_start
stub_start:
    ldr x0, =stacks + STACK_TOP
    mov sp, x0
    ldr x0, =image_start
    b boot_main

/* Another CPU, from firmware, at EL2, MMU off. x0: its struct pcpu. */
.global stub_secondary
stub_secondary:
    mov x19, x0
    ldr x1, [x19, #PCPU_STACK_TOP]
    mov sp, x1
    bl mmu_on
    mov x0, x19
    b pcpu_main

/* Turn the MMU and the caches on, with the tables of mmu.c. x0: struct pcpu. Clobbers x1. */
.global mmu_on
mmu_on:
    msr tpidr_el2, x0
    ldr x1, =vectors
    msr vbar_el2, x1
    ldr x1, =MAIR
    msr mair_el2, x1
    ldr x1, =TCR
    msr tcr_el2, x1
    ldr x1, =mmu_root
    msr ttbr0_el2, x1
    dsb sy
    tlbi alle2
    ic iallu
    dsb sy
    isb
    ldr x1, =SCTLR_ON
    msr sctlr_el2, x1
    isb
    ret
