/* SPDX-License-Identifier: BSD-2-Clause */
/* What insn_sve.c says of a word, as binutils' disassembler writes it. */
#include <stdio.h>
#include <string.h>

#include "tests/oracle/insn_text.h"

/* Appends; what does not fit is cut off, and differs. */
#define ADD(...) (used += (size_t)snprintf(text + used, used < size ? size - used : 0, __VA_ARGS__))

static char letter(unsigned bytes)
{
    return "bhsd"[__builtin_ctz(bytes)];
}

static const char *base(unsigned reg)
{
    static char name[8];

    snprintf(name, sizeof(name), reg == 31 ? "sp" : "x%u", reg);
    return name;
}

static const char *offset(unsigned reg)
{
    static char name[8];

    snprintf(name, sizeof(name), reg == 31 ? "xzr" : "x%u", reg);
    return name;
}

void insn_sve_text(const struct insn *i, char *text, size_t size)
{
    static const char *const extends[8] = {
        [INSN_UXTW] = ", uxtw", [INSN_LSL] = ", lsl", [INSN_SXTW] = ", sxtw"};
    const char *const sizes = "bhwd";
    bool whole = i->class == INSN_SVE_WHOLE;
    size_t used = 0;

    text[0] = 0;
    if (i->class == INSN_PREFETCH)
        ADD("prf");
    if (!insn_is_sve(i))
        return;
    if (whole) {
        ADD("%s\t%c%u, ", i->load ? "ldr" : "str", i->predicate ? 'p' : 'z', i->rt);
    } else {
        ADD("%s%s%u%s%s%c\t{", i->load ? "ld" : "st",
            i->no_allocate                       ? "nt"
            : i->faulting == INSN_FAULTING_FIRST ? "ff"
            : i->faulting == INSN_FAULTING_NONE  ? "nf"
                                                 : "",
            i->regs,
            i->class == INSN_SVE_FILL ? "r"
            : i->block == 16          ? "rq"
            : i->block == 32          ? "ro"
                                      : "",
            i->sign ? "s" : "", sizes[__builtin_ctz(i->size)]);
        if (i->regs > 2 && i->rt + i->regs <= 32) {
            ADD("z%u.%c-z%u.%c", i->rt, letter(i->element), i->rt + i->regs - 1u,
                letter(i->element));
        } else {
            for (unsigned r = 0; r < i->regs; r++)
                ADD("%sz%u.%c", r ? ", " : "", (i->rt + r) % 32u, letter(i->element));
        }
        ADD("}, p%u%s, ", i->pg, i->load ? "/z" : "");
    }
    switch ((enum insn_mode)i->mode) {
    case INSN_MODE_OFFSET: ADD("[%s", base(i->rn)); break;
    case INSN_MODE_VL: ADD("[%s", base(i->rn)); break;
    case INSN_MODE_REGISTER: ADD("[%s, %s", base(i->rn), offset(i->rm)); break;
    case INSN_MODE_VECTOR_INDEX: ADD("[%s, z%u.%c", base(i->rn), i->rm, letter(i->element)); break;
    case INSN_MODE_VECTOR: ADD("[z%u.%c", i->rn, letter(i->element)); break;
    case INSN_MODE_VECTOR_REG: ADD("[z%u.%c, %s", i->rn, letter(i->element), offset(i->rm)); break;
    default: ADD("[?"); break;
    }
    if (i->imm)
        ADD(", #%d%s", (int)i->imm, i->mode == INSN_MODE_VL ? ", mul vl" : "");
    if (i->extend && (i->extend != INSN_LSL || i->shift))
        ADD("%s", extends[i->extend]);
    if (i->shift)
        ADD(" #%u", i->shift);
    ADD("]");
}
