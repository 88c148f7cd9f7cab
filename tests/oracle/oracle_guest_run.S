/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page that is copied to ORACLE_CODE. Entered at its start as a function
 * without arguments: loads all registers from ORACLE_STATE, executes the word at
 * ORACLE_PC, stores all registers there; those of SVE from and to ORACLE_SVE, if
 * the word behind the state is not 0. TPIDR_EL0 holds x0 for a moment.
 */
#define STATE  (oracle_run + 0x1000)
#define V      0x100
#define SVE    (oracle_run + 0x2000)
#define NZCV   0x300
#define FPSR   0x308
#define VL     0x310
#define SAVED  (STATE + 0x400)

        .arch   armv8.2-a+sve
        .text
        .balign 4096
        .globl  oracle_run, oracle_run_end
oracle_run:
        adr     x0, STATE
        adr     x9, SAVED
        stp     x19, x20, [x9]
        stp     x21, x22, [x9, #0x10]
        stp     x23, x24, [x9, #0x20]
        stp     x25, x26, [x9, #0x30]
        stp     x27, x28, [x9, #0x40]
        stp     x29, x30, [x9, #0x50]
        mov     x1, sp
        mrs     x2, tpidr_el0
        stp     x1, x2, [x9, #0x60]
        stp     d8, d9, [x9, #0x70]
        stp     d10, d11, [x9, #0x80]
        stp     d12, d13, [x9, #0x90]
        stp     d14, d15, [x9, #0xa0]
        ldr     x1, [x0, #NZCV]
        msr     nzcv, x1
        ldr     x1, [x0, #FPSR]
        msr     fpsr, x1
        ldr     x1, [x0, #248]
        mov     sp, x1
        .irp    r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        ldr     q\r, [x0, #V + 16 * \r]
        .endr
        ldr     x1, [x0, #VL]
        cbz     x1, 1f
        adr     x1, SVE
        addvl   x2, x1, #16
        addvl   x2, x2, #16
        ldr     p0, [x2, #16, mul vl]
        wrffr   p0.b
        .irp    r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        ldr     z\r, [x1, #\r, mul vl]
        .endr
        .irp    r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        ldr     p\r, [x2, #\r, mul vl]
        .endr
1:
        clrex
        .irp    r, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
        ldr     x\r, [x0, #8 * \r]
        .endr
        ldr     x0, [x0]
        b       oracle_slot

        .org    oracle_run + 0x800
oracle_slot:
        nop
        msr     tpidr_el0, x0
        adr     x0, STATE
        .irp    r, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
        str     x\r, [x0, #8 * \r]
        .endr
        mrs     x1, tpidr_el0
        str     x1, [x0]
        mov     x1, sp
        str     x1, [x0, #248]
        .irp    r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        str     q\r, [x0, #V + 16 * \r]
        .endr
        ldr     x1, [x0, #VL]
        cbz     x1, 1f
        adr     x1, SVE
        addvl   x2, x1, #16
        addvl   x2, x2, #16
        .irp    r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        str     z\r, [x1, #\r, mul vl]
        .endr
        .irp    r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
        str     p\r, [x2, #\r, mul vl]
        .endr
        rdffr   p0.b
        str     p0, [x2, #16, mul vl]
1:
        mrs     x1, nzcv
        str     x1, [x0, #NZCV]
        mrs     x1, fpsr
        str     x1, [x0, #FPSR]
        adr     x9, SAVED
        ldp     x1, x2, [x9, #0x60]
        mov     sp, x1
        msr     tpidr_el0, x2
        ldp     d8, d9, [x9, #0x70]
        ldp     d10, d11, [x9, #0x80]
        ldp     d12, d13, [x9, #0x90]
        ldp     d14, d15, [x9, #0xa0]
        ldp     x19, x20, [x9]
        ldp     x21, x22, [x9, #0x10]
        ldp     x23, x24, [x9, #0x20]
        ldp     x25, x26, [x9, #0x30]
        ldp     x27, x28, [x9, #0x40]
        ldp     x29, x30, [x9, #0x50]
        ret
oracle_run_end:

        .section .note.GNU-stack, "", %progbits
