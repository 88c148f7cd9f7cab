/* SPDX-License-Identifier: BSD-2-Clause */
/* FP, SIMD and SVE registers, to and from memory at x0. */
#include "el2stub/pairs.S"
.arch_extension fp
.arch_extension simd
.arch_extension sve
.text

/* x0: 512 bytes, V0-V31. */
.global fp_save
fp_save:
    pairs stp, 0, 30, x0, q, 16
    ret

.global fp_load
fp_load:
    pairs ldp, 0, 30, x0, q, 16
    ret

/* Z0-Z31, P0-P15; x0 is then where the predicates are. */
.macro each_vector op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op z\n, [x0, #\n, mul vl]
    .endr
    addvl x0, x0, #16
    addvl x0, x0, #16
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \op p\n, [x0, #\n, mul vl]
    .endr
.endm

/* x0: struct rv_vcpu_page.sve; clobbered. FFR can be reached through a predicate only. */
.global sve_save
sve_save:
    each_vector str
    rdffr p0.b
    str p0, [x0, #16, mul vl]
    ldr p0, [x0]
    ret

.global sve_load
sve_load:
    each_vector ldr
    ldr p0, [x0, #16, mul vl]
    wrffr p0.b
    ldr p0, [x0]
    ret

/* x0: bytes in a vector, at this exception level. */
.global sve_length
sve_length:
    rdvl x0, #1
    ret
