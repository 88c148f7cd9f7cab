/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/insn/insn.h"

#include <stddef.h>

#include "vmm/insn/insn_internal.h"

/* False: not allocated. Fields that are not set are zero. */
typedef bool insn_fn(uint32_t w, struct insn *i);

/* The general-purpose and SIMD&FP loads and stores of one register share size, V and opc. */
static bool insn_single(uint32_t w, struct insn *i)
{
    unsigned size = BITS(w, 31, 30);
    unsigned opc = BITS(w, 23, 22);

    i->rt = (uint8_t)BITS(w, 4, 0);
    i->rn = (uint8_t)BITS(w, 9, 5);
    i->regs = 1;
    if (BIT(w, 26)) {
        i->class = INSN_FP;
        if (opc & 2u) {
            if (size != 0)
                return false;
            size = 4;
        }
        i->load = opc & 1u;
        i->store = !i->load;
    } else {
        i->class = INSN_GENERAL;
        i->load = opc != 0;
        i->store = !i->load;
        i->sign = opc & 2u;
        i->wide = opc == 2 || (size == 3 && opc < 2);
        if (opc == 3 && size >= 2)
            return false;
        if (opc == 2 && size == 3) {
            i->class = INSN_PREFETCH;
            i->load = false;
            i->sign = false;
            i->wide = false;
        }
    }
    i->size = (uint8_t)(1u << size);
    return true;
}

/* "Load/store register (unscaled immediate)", "(unprivileged)", "(immediate ...-indexed)". */
static bool insn_imm9(uint32_t w, struct insn *i)
{
    static const uint8_t modes[] = {INSN_MODE_OFFSET, INSN_MODE_POST, INSN_MODE_OFFSET,
                                    INSN_MODE_PRE};
    unsigned kind = BITS(w, 11, 10);

    if (!insn_single(w, i))
        return false;
    i->imm = SIGNED(w, 20, 12);
    i->mode = modes[kind];
    i->unscaled = kind == 0;
    i->unprivileged = kind == 2;
    if (i->unprivileged && i->class == INSN_FP)
        return false;
    return i->class != INSN_PREFETCH || kind == 0;
}

/* "Load/store register (unsigned immediate)". */
static bool insn_imm12(uint32_t w, struct insn *i)
{
    if (!insn_single(w, i))
        return false;
    i->imm = (int32_t)(BITS(w, 21, 10) * i->size);
    return true;
}

/* "Load/store register (register offset)". RPRFM is a PRFM of the operations from 24 up. */
static bool insn_register(uint32_t w, struct insn *i)
{
    unsigned option = BITS(w, 15, 13);

    if (!(option & 2u) || !insn_single(w, i))
        return false;
    i->mode = INSN_MODE_REGISTER;
    i->rm = (uint8_t)BITS(w, 20, 16);
    i->extend = (uint8_t)option;
    i->shift = BIT(w, 12) ? (uint8_t)__builtin_ctz(i->size) : 0;
    return true;
}

/* "Load register (literal)". */
static bool insn_literal(uint32_t w, struct insn *i)
{
    unsigned opc = BITS(w, 31, 30);

    i->mode = INSN_MODE_LITERAL;
    i->imm = SIGNED(w, 23, 5) * 4;
    i->rt = (uint8_t)BITS(w, 4, 0);
    i->regs = 1;
    if (BIT(w, 26)) {
        i->class = INSN_FP;
        i->load = true;
        i->size = (uint8_t)(4u << opc);
        return opc != 3;
    }
    if (opc == 3) {
        i->class = INSN_PREFETCH;
        return true;
    }
    i->class = INSN_GENERAL;
    i->load = true;
    i->size = opc == 1 ? 8 : 4;
    i->sign = opc == 2;
    i->wide = opc != 0;
    return true;
}

/* "Load/store register pair", "Load/store no-allocate pair". */
static bool insn_pair(uint32_t w, struct insn *i)
{
    static const uint8_t modes[] = {INSN_MODE_OFFSET, INSN_MODE_POST, INSN_MODE_OFFSET,
                                    INSN_MODE_PRE};
    unsigned opc = BITS(w, 31, 30);
    unsigned kind = BITS(w, 24, 23);

    i->mode = modes[kind];
    i->no_allocate = kind == 0;
    i->load = BIT(w, 22);
    i->store = !i->load;
    i->rt = (uint8_t)BITS(w, 4, 0);
    i->rn = (uint8_t)BITS(w, 9, 5);
    i->rt2 = (uint8_t)BITS(w, 14, 10);
    i->regs = 2;
    if (opc == 3) {
        i->class = INSN_UNSUPPORTED; /* LDTP, STTP, LDTNP, STTNP: FEAT_LSUI */
        return true;
    }
    if (BIT(w, 26)) {
        i->class = INSN_FP;
        i->size = (uint8_t)(4u << opc);
    } else {
        i->class = INSN_GENERAL;
        i->size = opc == 2 ? 8 : 4;
        i->wide = opc != 0;
        i->sign = opc == 1;
        if (opc == 1 && i->no_allocate)
            return false;
        if (opc == 1 && i->store)
            i->class = INSN_UNSUPPORTED; /* STGP: FEAT_MTE */
    }
    i->imm = SIGNED(w, 21, 15) * i->size;
    return true;
}

/* "Load/store exclusive register", "... exclusive pair", "ordered", "Compare and swap [pair]". */
static bool insn_exclusive(uint32_t w, struct insn *i)
{
    bool o2 = BIT(w, 23), l = BIT(w, 22), o1 = BIT(w, 21), o0 = BIT(w, 15);
    unsigned size = BITS(w, 31, 30);

    i->rt = (uint8_t)BITS(w, 4, 0);
    i->rn = (uint8_t)BITS(w, 9, 5);
    i->rt2 = (uint8_t)BITS(w, 14, 10);
    i->rs = (uint8_t)BITS(w, 20, 16);
    i->regs = 1;
    if (o1 && (o2 || size < 2)) {
        i->class = INSN_CAS;
        i->load = i->store = true;
        i->acquire = l;
        i->release = o0;
        if (i->rt2 != 31)
            return false;
        i->rt2 = 0;
        if (!o2) {
            i->regs = 2;
            size += 2;
            if ((i->rt | i->rs) & 1u)
                return false;
            i->rt2 = i->rt + 1u;
        }
    } else {
        /* Rs and Rt2 are should-be-one where there is no such operand: not looked at. */
        i->load = l;
        i->store = !l;
        if (o2) {
            i->class = INSN_GENERAL;
            i->limited = !o0;
            o0 = true;
        } else {
            i->class = INSN_EXCLUSIVE;
            i->regs = o1 ? 2 : 1;
        }
        i->acquire = o0 && l;
        i->release = o0 && !l;
        if (i->class == INSN_GENERAL || l)
            i->rs = 0;
        if (i->regs == 1)
            i->rt2 = 0;
    }
    i->size = (uint8_t)(1u << size);
    i->wide = size == 3;
    return true;
}

/* "LDAPR/STLR (unscaled immediate)". */
static bool insn_rcpc(uint32_t w, struct insn *i)
{
    if (!insn_single(w, i) || i->class != INSN_GENERAL)
        return false;
    i->imm = SIGNED(w, 20, 12);
    i->unscaled = true;
    i->acquire = i->load;
    i->rcpc = i->load;
    i->release = i->store;
    return true;
}

/* "Atomic memory operations". */
static bool insn_atomic(uint32_t w, struct insn *i)
{
    bool o3 = BIT(w, 15);
    unsigned opc = BITS(w, 14, 12);
    unsigned size = BITS(w, 31, 30);

    i->size = (uint8_t)(1u << size);
    i->wide = size == 3;
    i->regs = 1;
    i->rt = (uint8_t)BITS(w, 4, 0);
    i->rn = (uint8_t)BITS(w, 9, 5);
    i->rs = (uint8_t)BITS(w, 20, 16);
    i->acquire = BIT(w, 23);
    i->release = BIT(w, 22);
    if (BIT(w, 26)) {
        i->class = INSN_UNSUPPORTED; /* LDFADD, STFADD and such: FEAT_LSFE */
        return true;
    }
    if (o3 && opc == 4) {
        /* LDAPR; Rs is should-be-one. */
        i->class = INSN_GENERAL;
        i->load = true;
        i->rcpc = true;
        i->rs = 0;
        return i->acquire && !i->release;
    }
    if (o3 && opc != 0) {
        i->class = INSN_UNSUPPORTED; /* LD64B, ST64B: FEAT_LS64; RCW*: FEAT_THE */
        return true;
    }
    i->class = INSN_ATOMIC;
    i->load = i->store = true;
    i->op = (uint8_t)(o3 ? INSN_SWP : opc);
    return true;
}

/* Base register only, or one of the two post-indexed forms. */
static void insn_struct_mode(uint32_t w, struct insn *i)
{
    i->rt = (uint8_t)BITS(w, 4, 0);
    i->rn = (uint8_t)BITS(w, 9, 5);
    i->load = BIT(w, 22);
    i->store = !i->load;
    if (!BIT(w, 23))
        return;
    i->rm = (uint8_t)BITS(w, 20, 16);
    if (i->rm == 31) {
        i->rm = 0;
        i->mode = INSN_MODE_POST;
        i->imm = (int32_t)insn_length(i);
    } else {
        i->mode = INSN_MODE_POST_REG;
    }
}

/* "Advanced SIMD load/store multiple structures [(post-indexed)]". */
static bool insn_struct(uint32_t w, struct insn *i)
{
    static const struct {
        uint8_t regs, structure;
    } opcodes[16] = {
        [0x0] = {4, 4}, [0x2] = {4, 1}, [0x4] = {3, 3}, [0x6] = {3, 1},
        [0x7] = {1, 1}, [0x8] = {2, 2}, [0xa] = {2, 1},
    };
    unsigned opcode = BITS(w, 15, 12);

    i->class = INSN_STRUCT;
    i->regs = opcodes[opcode].regs;
    i->structure = opcodes[opcode].structure;
    i->vector = BIT(w, 30) ? 16 : 8;
    i->size = (uint8_t)(1u << BITS(w, 11, 10));
    if (i->regs == 0 || (i->size == i->vector && i->structure != 1))
        return false;
    insn_struct_mode(w, i);
    return true;
}

/* "Advanced SIMD load/store single structure [(post-indexed)]". */
static bool insn_lane(uint32_t w, struct insn *i)
{
    unsigned q = BIT(w, 30), s = BIT(w, 12), size = BITS(w, 11, 10);
    unsigned scale = BITS(w, 15, 14);

    i->class = INSN_LANE;
    i->structure = i->regs = (uint8_t)((BIT(w, 13) << 1 | BIT(w, 21)) + 1u);
    switch (scale) {
    case 0: i->lane = (uint8_t)(q << 3 | s << 2 | size); break;
    case 1:
        if (size & 1u)
            return false;
        i->lane = (uint8_t)(q << 2 | s << 1 | size >> 1);
        break;
    case 2:
        if ((size & 2u) || (size == 1 && s))
            return false;
        i->lane = (uint8_t)(size == 1 ? q : q << 1 | s);
        scale += size;
        break;
    default:
        if (!BIT(w, 22) || s)
            return false;
        i->class = INSN_REPLICATE;
        i->vector = q ? 16 : 8;
        scale = size;
        break;
    }
    i->size = (uint8_t)(1u << scale);
    insn_struct_mode(w, i);
    return true;
}

/* "Load/store register (pac)". */
static bool insn_pac(uint32_t w, struct insn *i)
{
    i->class = INSN_GENERAL;
    i->load = true;
    i->size = 8;
    i->regs = 1;
    i->wide = true;
    i->rt = (uint8_t)BITS(w, 4, 0);
    i->rn = (uint8_t)BITS(w, 9, 5);
    i->authenticated = true;
    i->mode = BIT(w, 11) ? INSN_MODE_PRE : INSN_MODE_OFFSET;
    i->imm = ((int32_t)BITS(w, 20, 12) - (BIT(w, 22) ? 512 : 0)) * 8;
    return true;
}

static bool insn_zva(uint32_t w, struct insn *i)
{
    i->class = INSN_ZERO;
    i->store = true;
    i->rt = (uint8_t)BITS(w, 4, 0);
    return true;
}

static bool insn_unsupported(uint32_t w, struct insn *i)
{
    i->class = INSN_UNSUPPORTED;
    return true;
}

/*
 * The first entry that fits is the one. What is not emulated is what idregs.c hides
 * from the guest: SME, MTE, MOPS, LS64, GCS, THE, LSE128, LRCPC3, LSUI, LSFE.
 */
static const struct {
    uint32_t mask, value;
    insn_fn *decode;
} insn_table[] = {
    {0xbfbf0000, 0x0c000000, insn_struct},
    {0xbfa00000, 0x0c800000, insn_struct},
    {0xbf9f0000, 0x0d000000, insn_lane},
    {0xbf800000, 0x0d800000, insn_lane},
    {0xbf9f0000, 0x0d010000, insn_unsupported}, /* LDAP1, STL1 */
    {0x3f000000, 0x08000000, insn_exclusive},
    {0x3f000000, 0x09000000, insn_unsupported}, /* LDTXR, STTXR, CAST, CASPT */
    {0x3f200c00, 0x19000000, insn_rcpc},
    {0x3f200c00, 0x19000800, insn_unsupported}, /* LDIAPP, STILP, LDAPR and STLR with writeback */
    {0x3f200c00, 0x1d000800, insn_unsupported}, /* LDAPUR, STLUR of SIMD&FP registers */
    {0x3b200c00, 0x19000400, insn_unsupported}, /* CPY*, SET* */
    {0x3f200000, 0x19200000, insn_unsupported}, /* tags, LSE128, RCWCAS, LDTADD and such */
    {0xffffec00, 0xd91f0c00, insn_unsupported}, /* GCSSTR, GCSSTTR */
    {0x3b000000, 0x18000000, insn_literal},
    {0x3a000000, 0x28000000, insn_pair},
    {0x3b200000, 0x38000000, insn_imm9},
    {0x3b200c00, 0x38200000, insn_atomic},
    {0x3b200c00, 0x38200800, insn_register},
    {0xff200400, 0xf8200400, insn_pac},
    {0x3b000000, 0x39000000, insn_imm12},
    {0xffffffe0, 0xd50b7420, insn_zva},
    {0xffffffe0, 0xd50b7460, insn_unsupported}, /* DC GVA */
    {0xffffffe0, 0xd50b7480, insn_unsupported}, /* DC GZVA */
    {0x9e000000, 0x84000000, insn_sve_decode},
    {0xfe000000, 0xe0000000, insn_unsupported}, /* SME */
};

void insn_decode(uint32_t word, struct insn *insn)
{
    *insn = (struct insn){0};
    for (size_t n = 0; n < sizeof(insn_table) / sizeof(insn_table[0]); n++) {
        if ((word & insn_table[n].mask) != insn_table[n].value)
            continue;
        if (!insn_table[n].decode(word, insn))
            *insn = (struct insn){.class = INSN_OTHER};
        else if (insn->class == INSN_UNSUPPORTED)
            *insn = (struct insn){.class = INSN_UNSUPPORTED};
        return;
    }
}

unsigned insn_length(const struct insn *insn)
{
    switch ((enum insn_class)insn->class) {
    case INSN_STRUCT: return (unsigned)insn->regs * insn->vector;
    case INSN_GENERAL:
    case INSN_FP:
    case INSN_LANE:
    case INSN_REPLICATE:
    case INSN_EXCLUSIVE:
    case INSN_ATOMIC:
    case INSN_CAS: return (unsigned)insn->regs * insn->size;
    default: return 0;
    }
}
