/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SVE and SVE2 encodings that access memory: Arm ARM C4.1, "SVE encodings",
 * the groups "Memory - 32-bit Gather and Unsized Contiguous", "Memory - Contiguous
 * Load", "Memory - 64-bit Gather" and those of the stores.
 */
#include <stddef.h>

#include "vmm/insn/insn_internal.h"

/* False: not allocated. The caller has set rt, rn and pg. */
typedef bool sve_fn(uint32_t w, struct insn *i);

/* dtype of the loads. Its order is: no sign extension if msize <= esize, else the sign. */
static void sve_dtype(unsigned dtype, struct insn *i)
{
    unsigned memory = dtype >> 2, element = dtype & 3u;

    i->sign = memory > element;
    if (i->sign) {
        memory = 3u - memory;
        element = 3u - element;
    }
    i->size = (uint8_t)(1u << memory);
    i->element = (uint8_t)(1u << element);
}

static void sve_load(struct insn *i)
{
    i->class = INSN_SVE;
    i->load = true;
    i->regs = 1;
}

/* A store of elements of 1 << `memory` bytes from a vector of 1 << `element` bytes each. */
static bool sve_store(struct insn *i, unsigned memory, unsigned element)
{
    i->class = INSN_SVE;
    i->store = true;
    i->regs = 1;
    i->size = (uint8_t)(1u << memory);
    i->element = (uint8_t)(1u << element);
    return memory <= element;
}

/* X[rm], scaled by the size in memory. */
static void sve_register(uint32_t w, struct insn *i)
{
    i->mode = INSN_MODE_REGISTER;
    i->rm = (uint8_t)BITS(w, 20, 16);
    i->extend = INSN_LSL;
    i->shift = (uint8_t)__builtin_ctz(i->size);
}

static void sve_vectors(uint32_t w, struct insn *i)
{
    i->mode = INSN_MODE_VL;
    i->imm = SIGNED(w, 19, 16) * i->regs;
}

/* Register 31 is taken for another instruction, or none. */
static bool sve_register_not_31(uint32_t w, struct insn *i)
{
    sve_register(w, i);
    return i->rm != 31;
}

static bool sve_ld1_register(uint32_t w, struct insn *i)
{
    sve_load(i);
    sve_dtype(BITS(w, 24, 21), i);
    return sve_register_not_31(w, i);
}

static bool sve_ldff1_register(uint32_t w, struct insn *i)
{
    sve_load(i);
    sve_dtype(BITS(w, 24, 21), i);
    i->faulting = INSN_FAULTING_FIRST;
    sve_register(w, i);
    return true;
}

static bool sve_ld1_imm(uint32_t w, struct insn *i)
{
    sve_load(i);
    sve_dtype(BITS(w, 24, 21), i);
    i->faulting = BIT(w, 20) ? INSN_FAULTING_NONE : INSN_FAULTING;
    sve_vectors(w, i);
    return true;
}

/* LD2-LD4, ST2-ST4; and where one register is meant, LDNT1, STNT1. */
static void sve_structures(uint32_t w, struct insn *i)
{
    unsigned size = BITS(w, 24, 23);

    if (BIT(w, 30))
        sve_store(i, size, size);
    else
        sve_load(i);
    i->size = i->element = (uint8_t)(1u << size);
    i->regs = (uint8_t)(BITS(w, 22, 21) + 1u);
    i->no_allocate = i->regs == 1;
}

static bool sve_structures_register(uint32_t w, struct insn *i)
{
    sve_structures(w, i);
    return sve_register_not_31(w, i);
}

static bool sve_structures_imm(uint32_t w, struct insn *i)
{
    sve_structures(w, i);
    sve_vectors(w, i);
    return true;
}

static bool sve_block(uint32_t w, struct insn *i)
{
    unsigned ssz = BITS(w, 22, 21);

    i->class = INSN_SVE_BLOCK;
    i->load = true;
    i->regs = 1;
    i->size = i->element = (uint8_t)(1u << BITS(w, 24, 23));
    i->block = (uint8_t)(16u << ssz);
    if (ssz > 1)
        return false;
    if (!BIT(w, 13))
        return sve_register_not_31(w, i);
    i->imm = SIGNED(w, 19, 16) * i->block;
    return !BIT(w, 20);
}

static bool sve_fill(uint32_t w, struct insn *i)
{
    i->class = INSN_SVE_FILL;
    i->load = true;
    i->regs = 1;
    sve_dtype(BITS(w, 24, 23) << 2 | BITS(w, 14, 13), i);
    i->imm = (int32_t)(BITS(w, 21, 16) * i->size);
    return true;
}

/* A vector goes in pieces that are aligned to 16 bytes, a predicate in ones aligned to 2. */
static bool sve_whole(uint32_t w, struct insn *i)
{
    i->class = INSN_SVE_WHOLE;
    i->store = BIT(w, 30);
    i->load = !i->store;
    i->regs = 1;
    i->predicate = !BIT(w, 14);
    i->size = i->element = i->predicate ? 2 : 16;
    i->mode = INSN_MODE_VL;
    i->imm = SIGNED(BITS(w, 21, 16) << 3 | BITS(w, 12, 10), 8, 0);
    i->pg = 0;
    return !i->predicate || i->rt < 16;
}

static bool sve_prefetch(uint32_t w, struct insn *i)
{
    *i = (struct insn){.class = INSN_PREFETCH};
    return !BIT(w, 4);
}

/* The same with X[rm], where 31 is not allocated. */
static bool sve_prefetch_register(uint32_t w, struct insn *i)
{
    return sve_prefetch(w, i) && BITS(w, 20, 16) != 31;
}

/* U (bit 14) and ff (bit 13). There is no signed load that fills the element. */
static bool sve_gather(uint32_t w, struct insn *i, unsigned element)
{
    unsigned memory = BITS(w, 24, 23);

    i->class = INSN_SVE_GATHER;
    i->load = true;
    i->regs = 1;
    i->size = (uint8_t)(1u << memory);
    i->element = (uint8_t)(1u << element);
    i->sign = !BIT(w, 14);
    i->faulting = BIT(w, 13) ? INSN_FAULTING_FIRST : INSN_FAULTING;
    return memory < element + !i->sign;
}

static bool sve_scatter(uint32_t w, struct insn *i, unsigned element)
{
    bool fits = sve_store(i, BITS(w, 24, 23), element);

    i->class = INSN_SVE_GATHER;
    return fits;
}

/* Z[rm]. A scaled one of bytes is not allocated: that is the place of others. */
static bool sve_vector_index(uint32_t w, struct insn *i, uint8_t extend, bool scaled)
{
    i->mode = INSN_MODE_VECTOR_INDEX;
    i->rm = (uint8_t)BITS(w, 20, 16);
    i->extend = extend;
    i->shift = scaled ? (uint8_t)__builtin_ctz(i->size) : 0;
    return !scaled || i->size > 1;
}

static uint8_t sve_xs(uint32_t w, unsigned bit)
{
    return BIT(w, bit) ? INSN_SXTW : INSN_UXTW;
}

static bool sve_vector_imm(uint32_t w, struct insn *i)
{
    i->mode = INSN_MODE_VECTOR;
    i->imm = (int32_t)(BITS(w, 20, 16) * i->size);
    return true;
}

static bool sve_vector_register(uint32_t w, struct insn *i)
{
    i->mode = INSN_MODE_VECTOR_REG;
    i->rm = (uint8_t)BITS(w, 20, 16);
    i->no_allocate = true;
    return true;
}

static bool sve_gather32_index(uint32_t w, struct insn *i)
{
    return sve_gather(w, i, 2) && sve_vector_index(w, i, sve_xs(w, 22), BIT(w, 21));
}

static bool sve_gather32_imm(uint32_t w, struct insn *i)
{
    return sve_gather(w, i, 2) && sve_vector_imm(w, i);
}

/* SVE2's LDNT1: U is bit 13 for 32-bit elements, and there is no first-fault form. */
static bool sve_gather32_register(uint32_t w, struct insn *i)
{
    return sve_gather((w & ~(3u << 13)) | BIT(w, 13) << 14, i, 2) && sve_vector_register(w, i);
}

static bool sve_gather64_index32(uint32_t w, struct insn *i)
{
    return sve_gather(w, i, 3) && sve_vector_index(w, i, sve_xs(w, 22), BIT(w, 21));
}

static bool sve_gather64_index(uint32_t w, struct insn *i)
{
    return sve_gather(w, i, 3) && sve_vector_index(w, i, INSN_LSL, BIT(w, 21));
}

static bool sve_gather64_imm(uint32_t w, struct insn *i)
{
    return sve_gather(w, i, 3) && sve_vector_imm(w, i);
}

static bool sve_gather64_register(uint32_t w, struct insn *i)
{
    return sve_gather(w, i, 3) && sve_vector_register(w, i);
}

static bool sve_st1_register(uint32_t w, struct insn *i)
{
    return sve_store(i, BITS(w, 24, 23), BITS(w, 22, 21)) && sve_register_not_31(w, i);
}

static bool sve_st1_imm(uint32_t w, struct insn *i)
{
    bool fits = sve_store(i, BITS(w, 24, 23), BITS(w, 22, 21));

    sve_vectors(w, i);
    return fits;
}

/* Bits 22 and 21: 32-bit elements; scaled. */
static bool sve_scatter_index32(uint32_t w, struct insn *i)
{
    return sve_scatter(w, i, BIT(w, 22) ? 2 : 3) &&
           sve_vector_index(w, i, sve_xs(w, 14), BIT(w, 21));
}

static bool sve_scatter_index(uint32_t w, struct insn *i)
{
    return sve_scatter(w, i, 3) && sve_vector_index(w, i, INSN_LSL, BIT(w, 21));
}

static bool sve_scatter_imm(uint32_t w, struct insn *i)
{
    return sve_scatter(w, i, BIT(w, 21) ? 2 : 3) && sve_vector_imm(w, i);
}

static bool sve_scatter_register(uint32_t w, struct insn *i)
{
    return sve_scatter(w, i, BIT(w, 22) ? 2 : 3) && sve_vector_register(w, i);
}

/* The first entry that fits is the one. SVE2.1's are not here: idregs.c hides it. */
static const struct {
    uint32_t mask, value;
    sve_fn *decode;
} sve_table[] = {
    {0xfe408000, 0x84408000, sve_fill},
    {0xffc08000, 0x85c00000, sve_prefetch},
    {0xffc0a000, 0x85800000, sve_whole},
    {0xffa08000, 0x84200000, sve_prefetch},
    {0xfe008000, 0x84000000, sve_gather32_index},
    {0xfe608000, 0x84208000, sve_gather32_imm},
    {0xfe60c000, 0x84008000, sve_gather32_register},
    {0xfe60e000, 0x8400c000, sve_prefetch_register},
    {0xfe60e000, 0x8400e000, sve_prefetch},

    {0xfe00c000, 0xa4000000, sve_block},
    {0xfe00e000, 0xa4004000, sve_ld1_register},
    {0xfe00e000, 0xa4006000, sve_ldff1_register},
    {0xfe00e000, 0xa400a000, sve_ld1_imm},
    {0xfe00e000, 0xa400c000, sve_structures_register},
    {0xfe10e000, 0xa400e000, sve_structures_imm},

    {0xffa08000, 0xc4200000, sve_prefetch},
    {0xfe008000, 0xc4000000, sve_gather64_index32},
    {0xffe08000, 0xc4608000, sve_prefetch},
    {0xfe408000, 0xc4408000, sve_gather64_index},
    {0xfe608000, 0xc4208000, sve_gather64_imm},
    {0xfe60e000, 0xc400e000, sve_prefetch},
    {0xfe60a000, 0xc4008000, sve_gather64_register},

    {0xffc0a000, 0xe5800000, sve_whole},
    {0xfe00e000, 0xe4004000, sve_st1_register},
    {0xfe20e000, 0xe4002000, sve_scatter_register},
    {0xfe00e000, 0xe4006000, sve_structures_register},
    {0xfe00a000, 0xe4008000, sve_scatter_index32},
    {0xfe40e000, 0xe400a000, sve_scatter_index},
    {0xfe40e000, 0xe440a000, sve_scatter_imm},
    {0xfe10e000, 0xe400e000, sve_st1_imm},
    {0xfe10e000, 0xe410e000, sve_structures_imm},
};

bool insn_sve_decode(uint32_t word, struct insn *insn)
{
    insn->rt = (uint8_t)BITS(word, 4, 0);
    insn->rn = (uint8_t)BITS(word, 9, 5);
    insn->pg = (uint8_t)BITS(word, 12, 10);
    for (size_t n = 0; n < sizeof(sve_table) / sizeof(sve_table[0]); n++) {
        if ((word & sve_table[n].mask) == sve_table[n].value)
            return sve_table[n].decode(word, insn);
    }
    return false;
}
