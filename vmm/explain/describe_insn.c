/* SPDX-License-Identifier: BSD-2-Clause */
/* An instruction word as an assembler would write it, as far as exits need it. */
#include <inttypes.h>
#include <stdlib.h>

#include "vmm/explain/describe_internal.h"
#include "vmm/insn/insn.h"

#define REG(n, x) (describe_reg((n), (x)).s)

static const char *suffix(unsigned size)
{
    return size == 1 ? "b" : size == 2 ? "h" : "";
}

/* SIMD&FP registers by their size in bytes. */
static char fp_letter(unsigned size)
{
    return size == 1 ? 'b' : size == 2 ? 'h' : size == 4 ? 's' : size == 8 ? 'd' : 'q';
}

/* Base register 31 is SP. */
static void put_base(struct text *t, unsigned rn)
{
    text_put(t, "%s", rn == 31 ? "sp" : REG(rn, true));
}

static void put_address(const struct insn *i, struct text *t)
{
    static const char *const extends[8] = {
        [INSN_UXTW] = "uxtw", [INSN_LSL] = "lsl", [INSN_SXTW] = "sxtw", [INSN_SXTX] = "sxtx"};

    if (i->mode == INSN_MODE_LITERAL) {
        text_put(t, "pc %c 0x%x", i->imm < 0 ? '-' : '+', (unsigned)abs(i->imm));
        return;
    }
    text_put(t, "[");
    put_base(t, i->rn);
    switch ((enum insn_mode)i->mode) {
    case INSN_MODE_OFFSET:
        if (i->imm)
            text_put(t, ", #%" PRId32, i->imm);
        text_put(t, "]");
        break;
    case INSN_MODE_PRE: text_put(t, ", #%" PRId32 "]!", i->imm); break;
    case INSN_MODE_POST: text_put(t, "], #%" PRId32, i->imm); break;
    case INSN_MODE_POST_REG: text_put(t, "], %s", REG(i->rm, true)); break;
    case INSN_MODE_REGISTER:
        text_put(t, ", %s", REG(i->rm, (i->extend & 1u) != 0));
        if (i->extend != INSN_LSL || i->shift)
            text_put(t, ", %s", extends[i->extend & 7u]);
        if (i->shift)
            text_put(t, " #%u", i->shift);
        text_put(t, "]");
        break;
    default: text_put(t, "]"); break;
    }
}

static void put_general(const struct insn *i, uint32_t word, struct text *t)
{
    const char *st = i->load ? "ld" : "st";
    const char *sign = i->sign ? "s" : "";
    const char *size = i->sign && i->size == 4 ? "w" : suffix(i->size);

    if (i->authenticated) {
        text_put(t, "ldra%c %s, ", word & 1u << 23 ? 'b' : 'a', REG(i->rt, true));
    } else if (i->regs == 2) {
        text_put(t, "%s%sp%s%s %s, %s, ", st, i->no_allocate ? "n" : "", sign, i->sign ? "w" : "",
                 REG(i->rt, i->wide), REG(i->rt2, i->wide));
    } else {
        const char *order = i->rcpc      ? "ap"
                            : i->limited ? (i->load ? "la" : "ll")
                            : i->acquire ? "a"
                            : i->release ? "l"
                                         : "";

        text_put(t, "%s%s%sr%s%s %s, ", st, order,
                 i->unprivileged ? "t"
                 : i->unscaled   ? "u"
                                 : "",
                 sign, size, REG(i->rt, i->wide));
    }
    put_address(i, t);
}

static void put_fp(const struct insn *i, struct text *t)
{
    char letter = fp_letter(i->size);

    text_put(t, "%s%s%s ", i->load ? "ld" : "st",
             i->regs == 1     ? (i->unscaled ? "u" : "")
             : i->no_allocate ? "n"
                              : "",
             i->regs == 2 ? "p" : "r");
    text_put(t, "%c%u, ", letter, i->rt);
    if (i->regs == 2)
        text_put(t, "%c%u, ", letter, i->rt2);
    put_address(i, t);
}

static void put_vectors(const struct insn *i, struct text *t)
{
    /* 128-bit elements are none; the letter is that of a b, h, s or d element. */
    char letter = fp_letter(i->size);

    text_put(t, "%s%u%s {", i->load ? "ld" : "st", i->structure,
             i->class == INSN_REPLICATE ? "r" : "");
    for (unsigned n = 0; n < i->regs; n++) {
        text_put(t, "%sv%u.", n ? ", " : "", (i->rt + n) & 31u);
        if (i->class == INSN_LANE)
            text_put(t, "%c", letter);
        else
            text_put(t, "%u%c", i->vector / i->size, letter);
    }
    text_put(t, "}");
    if (i->class == INSN_LANE)
        text_put(t, "[%u]", i->lane);
    text_put(t, ", ");
    put_address(i, t);
}

static void put_exclusive(const struct insn *i, struct text *t)
{
    text_put(t, "%s%s%s%s ", i->load ? "ld" : "st",
             i->acquire   ? "a"
             : i->release ? "l"
                          : "",
             i->regs == 2 ? "xp" : "xr", suffix(i->size));
    if (i->store)
        text_put(t, "%s, ", REG(i->rs, false));
    text_put(t, "%s, ", REG(i->rt, i->wide));
    if (i->regs == 2)
        text_put(t, "%s, ", REG(i->rt2, i->wide));
    put_address(i, t);
}

static void put_atomic(const struct insn *i, struct text *t)
{
    static const char *const ops[] = {
        [INSN_ADD] = "ldadd",   [INSN_CLR] = "ldclr",   [INSN_EOR] = "ldeor",
        [INSN_SET] = "ldset",   [INSN_SMAX] = "ldsmax", [INSN_SMIN] = "ldsmin",
        [INSN_UMAX] = "ldumax", [INSN_UMIN] = "ldumin", [INSN_SWP] = "swp",
    };
    const char *op = i->class == INSN_CAS ? (i->regs == 2 ? "casp" : "cas") : ops[i->op];

    text_put(t, "%s%s%s%s %s, ", op, i->acquire ? "a" : "", i->release ? "l" : "", suffix(i->size),
             REG(i->rs, i->wide));
    if (i->regs == 2)
        text_put(t, "%s, ", REG(i->rs + 1u, i->wide));
    text_put(t, "%s, ", REG(i->rt, i->wide));
    if (i->regs == 2)
        text_put(t, "%s, ", REG(i->rt2, i->wide));
    put_address(i, t);
}

/* What is accessed; of the address, which may differ for each element, the base. */
static void put_sve(const struct insn *i, struct text *t)
{
    bool vector_base = i->mode == INSN_MODE_VECTOR || i->mode == INSN_MODE_VECTOR_REG;

    if (i->class == INSN_SVE_WHOLE) {
        text_put(t, "sve %s %c%u, [", i->load ? "ldr" : "str", i->predicate ? 'p' : 'z', i->rt);
    } else {
        text_put(t, "sve %s of %u-byte elements, %u of {z%u}, p%u, [",
                 i->faulting == INSN_FAULTING_FIRST  ? "first-fault load"
                 : i->faulting == INSN_FAULTING_NONE ? "non-fault load"
                 : i->load                           ? "load"
                                                     : "store",
                 i->size, i->regs, i->rt, i->pg);
    }
    if (vector_base)
        text_put(t, "z%u", i->rn);
    else
        put_base(t, i->rn);
    text_put(t, "%s]", i->mode == INSN_MODE_VECTOR_INDEX ? " + elements" : ", ...");
}

/* Arm ARM C4.1, "Exception generation", "System instructions", "System register move". */
static void put_other(uint32_t w, struct text *t)
{
    static const struct {
        uint32_t mask, value;
        const char *name;
    } calls[] = {
        {0xffe0001f, 0xd4000001, "svc"}, {0xffe0001f, 0xd4000002, "hvc"},
        {0xffe0001f, 0xd4000003, "smc"}, {0xffe0001f, 0xd4200000, "brk"},
        {0xffe0001f, 0xd4400000, "hlt"},
    };
    static const struct {
        uint32_t value;
        const char *name;
    } plain[] = {
        {0xd503201f, "nop"},  {0xd503205f, "wfe"},    {0xd503207f, "wfi"},    {0xd503209f, "sev"},
        {0xd69f03e0, "eret"}, {0xd69f0bff, "eretaa"}, {0xd69f0fff, "eretab"},
    };
    bool read = (w & 1u << 21) != 0;
    uint16_t key = (uint16_t)(w >> 5);
    struct describe_name name = describe_sysreg_name(key);

    for (size_t n = 0; n < sizeof(calls) / sizeof(calls[0]); n++) {
        if ((w & calls[n].mask) == calls[n].value) {
            text_put(t, "%s #%" PRIu32, calls[n].name, w >> 5 & 0xffffu);
            return;
        }
    }
    for (size_t n = 0; n < sizeof(plain) / sizeof(plain[0]); n++) {
        if (w == plain[n].value) {
            text_put(t, "%s", plain[n].name);
            return;
        }
    }
    if ((w & 0xffffffc0u) == 0xd5031000u)
        text_put(t, "%s %s", w & 0x20u ? "wfit" : "wfet", REG(w & 31u, true));
    else if ((w & 0xffd00000u) == 0xd5100000u && read)
        text_put(t, "mrs %s, %s", REG(w & 31u, true), name.s);
    else if ((w & 0xffd00000u) == 0xd5100000u)
        text_put(t, "msr %s, %s", name.s, REG(w & 31u, true));
    else if ((w & 0xfff80000u) == 0xd5080000u)
        text_put(t, "sys: %s, %s", name.s, REG(w & 31u, true));
    else if ((w & 0xfff80000u) == 0xd5280000u)
        text_put(t, "sysl %s, %s", REG(w & 31u, true), name.s);
    else
        text_put(t, "neither a load or store nor a system instruction");
}

void describe_insn(uint32_t word, struct text *t)
{
    struct insn i;

    insn_decode(word, &i);
    switch ((enum insn_class)i.class) {
    case INSN_GENERAL: put_general(&i, word, t); break;
    case INSN_FP: put_fp(&i, t); break;
    case INSN_STRUCT:
    case INSN_LANE:
    case INSN_REPLICATE: put_vectors(&i, t); break;
    case INSN_EXCLUSIVE: put_exclusive(&i, t); break;
    case INSN_ATOMIC:
    case INSN_CAS: put_atomic(&i, t); break;
    case INSN_SVE:
    case INSN_SVE_GATHER:
    case INSN_SVE_FILL:
    case INSN_SVE_BLOCK:
    case INSN_SVE_WHOLE: put_sve(&i, t); break;
    case INSN_ZERO: text_put(t, "dc zva, %s", REG(i.rt, true)); break;
    case INSN_PREFETCH:
        text_put(t, "prefetch ");
        put_address(&i, t);
        break;
    case INSN_UNSUPPORTED: text_put(t, "accesses memory in a way that is not emulated"); break;
    default: put_other(word, t); break;
    }
}
