/* SPDX-License-Identifier: BSD-2-Clause */
/* FP and SIMD registers. x0: struct rv_fp; clobbers x1, and fp_load V0-V31, FPCR, FPSR. */
#include "offsets.h"

.arch_extension fp
.arch_extension simd
.text

.macro each_register op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op q\n, [x0, #16 * \n]
    .endr
.endm

.global fp_save
fp_save:
    each_register str
    mrs x1, fpcr
    str x1, [x0, #FP_FPCR]
    mrs x1, fpsr
    str x1, [x0, #FP_FPSR]
    ret

.global fp_load
fp_load:
    each_register ldr
    ldr x1, [x0, #FP_FPCR]
    msr fpcr, x1
    ldr x1, [x0, #FP_FPSR]
    msr fpsr, x1
    ret
