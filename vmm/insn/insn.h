/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an A64 instruction word does to memory: Arm ARM (DDI 0487) C4.1, "Loads
 * and Stores", DC ZVA, and the SVE and SVE2 encodings that access memory. A pure
 * function of the word. Executing what it says is insn_exec.h's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum insn_class {
    INSN_OTHER,       /* no load or store, or not allocated to anything */
    INSN_UNSUPPORTED, /* accesses memory, in a way that is not emulated: see insn.c */
    INSN_PREFETCH,    /* PRFM, PRFUM, RPRFM; PRFB and such: a hint */
    INSN_GENERAL,     /* one or two general-purpose registers */
    INSN_FP,          /* one or two SIMD&FP registers */
    INSN_STRUCT,      /* LD1-LD4, ST1-ST4, multiple structures */
    INSN_LANE,        /* LD1-LD4, ST1-ST4, single structure */
    INSN_REPLICATE,   /* LD1R-LD4R */
    INSN_EXCLUSIVE,   /* LDXR, STXR, LDXP, STXP and their ordered forms */
    INSN_ATOMIC,      /* LD<op>, SWP: both `load` and `store` */
    INSN_CAS,         /* CAS, CASP: both `load` and `store` */
    INSN_ZERO,        /* DC ZVA: the address is X[rt] */
    INSN_SVE,         /* LD1-LD4, ST1-ST4 of consecutive elements, and the NT, FF, NF forms */
    INSN_SVE_GATHER,  /* LD1, ST1 and such with an address for each element */
    INSN_SVE_FILL,    /* LD1RB and such: one element to all */
    INSN_SVE_BLOCK,   /* LD1RQ, LD1RO: 16 or 32 bytes, again and again */
    INSN_SVE_WHOLE,   /* LDR, STR of a Z or P register */
    INSN_CLASSES,
};

/* Where the address comes from; base register 31 is SP. */
enum insn_mode {
    INSN_MODE_OFFSET,   /* base + imm, base stays */
    INSN_MODE_PRE,      /* base + imm, which is written back */
    INSN_MODE_POST,     /* base; base + imm is written back */
    INSN_MODE_REGISTER, /* base + extended and shifted X[rm] */
    INSN_MODE_POST_REG, /* base; base + X[rm] is written back */
    INSN_MODE_LITERAL,  /* PC + imm */
    INSN_MODE_VL,       /* base + imm times what a transfer of all elements of one register takes */
    INSN_MODE_VECTOR_INDEX, /* base + extended and shifted elements of Z[rm] */
    INSN_MODE_VECTOR,       /* elements of Z[rn] + imm */
    INSN_MODE_VECTOR_REG,   /* elements of Z[rn] + X[rm] */
};

/* As the `option` field has them; the other four are not allocated. */
enum insn_extend {
    INSN_UXTW = 2,
    INSN_LSL = 3,
    INSN_SXTW = 6,
    INSN_SXTX = 7,
};

/* As the atomics' opc field has them. */
enum insn_atomic {
    INSN_ADD,
    INSN_CLR,
    INSN_EOR,
    INSN_SET,
    INSN_SMAX,
    INSN_SMIN,
    INSN_UMAX,
    INSN_UMIN,
    INSN_SWP,
};

/* What a fault of an element means. */
enum insn_faulting {
    INSN_FAULTING,       /* the instruction faults */
    INSN_FAULTING_FIRST, /* LDFF1: only the first active element's does; FFR tells of the others */
    INSN_FAULTING_NONE,  /* LDNF1: none does; FFR tells */
};

struct insn {
    uint8_t class; /* enum insn_class; OTHER, UNSUPPORTED: the rest is zero */
    uint8_t mode;  /* enum insn_mode */
    bool load;
    bool store;
    uint8_t size; /* bytes of one element: 1, 2, 4, 8 or 16 */
    uint8_t regs; /* transfer registers: 1 or 2; of the structures, 1 to 4 */
    uint8_t rt;   /* first; structures: rt, rt + 1, ... modulo 32 */
    uint8_t rt2;  /* second of GENERAL, FP, EXCLUSIVE and CAS */
    uint8_t rs;   /* status of a store-exclusive; operand of ATOMIC and CAS */
    uint8_t rn;
    uint8_t rm;
    int32_t imm;
    uint8_t extend; /* enum insn_extend */
    uint8_t shift;
    bool sign; /* sign-extend ... */
    bool wide; /* ... to 64 bits; the register is an X register */
    bool acquire;
    bool release;
    bool limited;       /* acquire or release within an LORegion: LDLAR, STLLR */
    bool rcpc;          /* acquire in the RCpc sense: LDAPR */
    bool unprivileged;  /* LDTR, STTR */
    bool no_allocate;   /* LDNP, STNP: a hint */
    bool unscaled;      /* LDUR: tells nothing to who executes it */
    uint8_t op;         /* ATOMIC: enum insn_atomic */
    uint8_t structure;  /* STRUCT, LANE, REPLICATE: registers of one structure, 1 to 4 */
    uint8_t vector;     /* STRUCT, REPLICATE: bytes of a vector, 8 or 16 */
    uint8_t lane;       /* LANE */
    bool authenticated; /* LDRAA, LDRAB: what is in X[rn] is not an address yet */
    uint8_t element;    /* SVE*: bytes of an element in the register, `size` or more */
    uint8_t pg;         /* SVE*, but not WHOLE: the governing predicate */
    uint8_t faulting;   /* SVE, GATHER: enum insn_faulting */
    uint8_t block;      /* SVE_BLOCK: bytes, 16 or 32 */
    bool predicate;     /* SVE_WHOLE: P, not Z */
};

/* All of `*insn` is written. */
void insn_decode(uint32_t word, struct insn *insn);

/* Bytes of memory from the address on. DC ZVA and SVE: 0, it is the CPU's to say. */
unsigned insn_length(const struct insn *insn);

/* Needs the SVE registers. */
static inline bool insn_is_sve(const struct insn *insn)
{
    return insn->class >= INSN_SVE && insn->class <= INSN_SVE_WHOLE;
}

/* Writes SIMD&FP registers, and so the whole of the Z registers that they are part of. */
static inline bool insn_loads_v(const struct insn *insn)
{
    return insn->load && insn->class >= INSN_FP && insn->class <= INSN_REPLICATE;
}
