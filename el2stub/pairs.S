/* SPDX-License-Identifier: BSD-2-Clause */
/* Store or load pairs, from x\first to the one after x\last. \base: where x0 has its place. */
.macro pair op, n, next, base
    \op x\n, x\next, [\base, #8 * \n]
.endm
.altmacro
.macro pairs op, first, last=28, base=x0
    .set n, \first
    .rept (\last - \first) / 2 + 1
        pair \op, %n, %(n + 1), \base
        .set n, n + 2
    .endr
.endm
