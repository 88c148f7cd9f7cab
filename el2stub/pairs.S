/* SPDX-License-Identifier: BSD-2-Clause */
/* Store or load pairs, from x\first to the one after x\last. \base: where x0 has its place. */
.macro pair op, n, next, base, reg, size
    \op \reg\n, \reg\next, [\base, #\size * \n]
.endm
.altmacro
.macro pairs op, first, last=28, base=x0, reg=x, size=8
    .set n, \first
    .rept (\last - \first) / 2 + 1
        pair \op, %n, %(n + 1), \base, \reg, \size
        .set n, n + 2
    .endr
.endm
