/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/oracle/insn_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct out {
    char *text;
    size_t size, used;
};

static void __attribute__((format(printf, 2, 3))) add(struct out *o, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(o->text + o->used, o->size - o->used, format, args);
    va_end(args);
    if (n > 0)
        o->used += (size_t)n < o->size - o->used ? (size_t)n : o->size - o->used - 1;
}

static void add_number(struct out *o, int64_t value)
{
    uint64_t abs = value < 0 ? (uint64_t)-value : (uint64_t)value;

    add(o, abs > 9 ? "#%s0x%" PRIx64 : "#%s%" PRIu64, value < 0 ? "-" : "", abs);
}

static void add_x(struct out *o, bool wide, unsigned reg)
{
    if (reg == 31)
        add(o, wide ? "xzr" : "wzr");
    else
        add(o, "%c%u", wide ? 'x' : 'w', reg);
}

static void add_base(struct out *o, unsigned reg)
{
    if (reg == 31)
        add(o, "[sp");
    else
        add(o, "[x%u", reg);
}

static const char *suffix(const struct insn *i)
{
    return i->size == 1 ? "b" : i->size == 2 ? "h" : "";
}

static const char *order(const struct insn *i)
{
    return i->acquire ? i->release ? "al" : "a" : i->release ? "l" : "";
}

/* S, bit 12 of the register offset, is printed also where it shifts by 0. */
static void add_address(struct out *o, const struct insn *i, uint32_t word, uint64_t pc)
{
    static const char *const extends[8] = {
        [INSN_UXTW] = "uxtw", [INSN_LSL] = "lsl", [INSN_SXTW] = "sxtw", [INSN_SXTX] = "sxtx"};

    if (i->mode == INSN_MODE_LITERAL) {
        add(o, "#0x%" PRIx64, pc + (uint64_t)(int64_t)i->imm);
        return;
    }
    add_base(o, i->rn);
    switch ((enum insn_mode)i->mode) {
    case INSN_MODE_OFFSET:
    case INSN_MODE_PRE:
        if (i->imm || i->mode == INSN_MODE_PRE) {
            add(o, ", ");
            add_number(o, i->imm);
        }
        add(o, i->mode == INSN_MODE_PRE ? "]!" : "]");
        break;
    case INSN_MODE_POST:
        add(o, "], ");
        /* capstone has those of one register unsigned. */
        if (i->regs == 1 && i->imm < 0)
            add(o, "#0x%" PRIx64, (uint64_t)(int64_t)i->imm);
        else
            add_number(o, i->imm);
        break;
    case INSN_MODE_POST_REG: add(o, "], x%u", i->rm); break;
    default: break;
    }
    if (i->mode != INSN_MODE_REGISTER)
        return;
    add(o, ", ");
    add_x(o, i->extend & 1u, i->rm);
    if (i->extend != INSN_LSL || (word >> 12 & 1u))
        add(o, ", %s", extends[i->extend]);
    if (word >> 12 & 1u)
        add(o, " #%u", i->shift);
    add(o, "]");
}

static void add_general(struct out *o, const struct insn *i, uint32_t word)
{
    add(o, i->load ? "ld" : "st");
    if (i->class == INSN_EXCLUSIVE)
        add(o, "%sx%s", i->acquire ? "a" : i->release ? "l" : "", i->regs == 2 ? "p" : "r");
    else if (i->regs == 2)
        add(o, "%sp%s", i->no_allocate ? "n" : "", i->sign ? "sw" : "");
    else if (i->limited)
        add(o, i->load ? "lar" : "llr");
    else if (i->acquire || i->release)
        add(o, "%s%sr", i->rcpc ? "ap" : i->load ? "a" : "l", i->unscaled ? "u" : "");
    else if (i->authenticated)
        add(o, "ra%c", word >> 23 & 1u ? 'b' : 'a');
    else
        add(o, "%sr", i->unscaled ? "u" : i->unprivileged ? "t" : "");
    if (i->regs == 1)
        add(o, "%s%s", i->sign ? i->size == 4 ? "sw" : "s" : "", suffix(i));
    add(o, " ");
    if (i->class == INSN_EXCLUSIVE && i->store) {
        add_x(o, false, i->rs);
        add(o, ", ");
    }
    add_x(o, i->wide, i->rt);
    if (i->regs == 2) {
        add(o, ", ");
        add_x(o, i->wide, i->rt2);
    }
    add(o, ", ");
}

static void add_fp(struct out *o, const struct insn *i)
{
    char kind = "bhsdq"[__builtin_ctz(i->size)];

    add(o, "%s", i->load ? "ld" : "st");
    if (i->regs == 2)
        add(o, "%sp %c%u, %c%u, ", i->no_allocate ? "n" : "", kind, i->rt, kind, i->rt2);
    else
        add(o, "%sr %c%u, ", i->unscaled ? "u" : "", kind, i->rt);
}

static void add_vectors(struct out *o, const struct insn *i)
{
    char kind = "bhsd"[__builtin_ctz(i->size)];

    add(o, "%s%u%s {", i->load ? "ld" : "st", i->structure, i->class == INSN_REPLICATE ? "r" : "");
    for (unsigned r = 0; r < i->regs; r++) {
        add(o, "%sv%u.", r ? ", " : "", (i->rt + r) % 32u);
        if (i->class != INSN_LANE)
            add(o, "%u", i->vector / i->size);
        add(o, "%c", kind);
    }
    add(o, "}");
    if (i->class == INSN_LANE)
        add(o, i->lane > 9 ? "[0x%x]" : "[%u]", i->lane);
    add(o, ", ");
}

static void add_prefetch(struct out *o, const struct insn *i)
{
    static const char *const types[] = {"pld", "pli", "pst"};
    unsigned hint = i->rt;

    add(o, i->unscaled ? "prfum " : "prfm ");
    if (hint / 8 < 3 && (hint / 2 & 3u) < 3)
        add(o, "%sl%u%s, ", types[hint / 8], (hint / 2 & 3u) + 1, hint & 1u ? "strm" : "keep");
    else {
        add_number(o, hint);
        add(o, ", ");
    }
}

static void add_atomic(struct out *o, const struct insn *i)
{
    static const char *const ops[] = {"add",  "clr",  "eor",  "set", "smax",
                                      "smin", "umax", "umin", "swp"};

    if (i->op == INSN_SWP) {
        add(o, "swp%s%s ", order(i), suffix(i));
    } else if (i->rt == 31 && !i->acquire) {
        add(o, "st%s%s%s ", ops[i->op], order(i), suffix(i));
        add_x(o, i->wide, i->rs);
        add(o, ", ");
        return;
    } else {
        add(o, "ld%s%s%s ", ops[i->op], order(i), suffix(i));
    }
    add_x(o, i->wide, i->rs);
    add(o, ", ");
    add_x(o, i->wide, i->rt);
    add(o, ", ");
}

static void add_cas(struct out *o, const struct insn *i)
{
    if (i->regs == 2)
        add(o, "casp%s ", order(i));
    else
        add(o, "cas%s%s ", order(i), suffix(i));
    for (unsigned n = 0; n < i->regs; n++) {
        add_x(o, i->wide, i->rs + n);
        add(o, ", ");
    }
    for (unsigned n = 0; n < i->regs; n++) {
        add_x(o, i->wide, i->rt + n);
        add(o, ", ");
    }
}

void insn_text(const struct insn *i, uint32_t word, uint64_t pc, char *text, size_t size)
{
    struct out o = {text, size, 0};

    text[0] = 0;
    switch ((enum insn_class)i->class) {
    case INSN_PREFETCH:
        if ((word & 0x9e000000u) == 0x84000000u)
            return; /* SVE's */
        add_prefetch(&o, i);
        break;
    case INSN_GENERAL:
    case INSN_EXCLUSIVE: add_general(&o, i, word); break;
    case INSN_FP: add_fp(&o, i); break;
    case INSN_STRUCT:
    case INSN_LANE:
    case INSN_REPLICATE: add_vectors(&o, i); break;
    case INSN_ATOMIC: add_atomic(&o, i); break;
    case INSN_CAS: add_cas(&o, i); break;
    case INSN_ZERO:
        add(&o, "dc zva, ");
        add_x(&o, true, i->rt);
        return;
    case INSN_SVE: /* see insn_sve_text.c */
    case INSN_SVE_GATHER:
    case INSN_SVE_FILL:
    case INSN_SVE_BLOCK:
    case INSN_SVE_WHOLE:
    case INSN_OTHER:
    case INSN_UNSUPPORTED:
    case INSN_CLASSES: return;
    }
    add_address(&o, i, word, pc);
}
