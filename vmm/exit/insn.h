/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an A64 instruction word does to memory: Arm ARM (DDI 0487) C4.1, "Loads
 * and Stores", and DC ZVA. A pure function of the word. Executing what it says
 * is insn_exec.h's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum insn_class {
    INSN_OTHER,       /* no load or store, or not allocated to anything */
    INSN_UNSUPPORTED, /* accesses memory, in a way that is not emulated: see insn.c */
    INSN_PREFETCH,    /* PRFM, PRFUM, RPRFM: a hint */
    INSN_GENERAL,     /* one or two general-purpose registers */
    INSN_FP,          /* one or two SIMD&FP registers */
    INSN_STRUCT,      /* LD1-LD4, ST1-ST4, multiple structures */
    INSN_LANE,        /* LD1-LD4, ST1-ST4, single structure */
    INSN_REPLICATE,   /* LD1R-LD4R */
    INSN_EXCLUSIVE,   /* LDXR, STXR, LDXP, STXP and their ordered forms */
    INSN_ATOMIC,      /* LD<op>, SWP: both `load` and `store` */
    INSN_CAS,         /* CAS, CASP: both `load` and `store` */
    INSN_ZERO,        /* DC ZVA: the address is X[rt] */
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
    bool limited;      /* acquire or release within an LORegion: LDLAR, STLLR */
    bool rcpc;         /* acquire in the RCpc sense: LDAPR */
    bool unprivileged; /* LDTR, STTR */
    bool no_allocate;  /* LDNP, STNP: a hint */
    bool unscaled;     /* LDUR: tells nothing to who executes it */
    uint8_t op;        /* ATOMIC: enum insn_atomic */
    uint8_t structure; /* STRUCT, LANE, REPLICATE: registers of one structure, 1 to 4 */
    uint8_t vector;    /* STRUCT, REPLICATE: bytes of a vector, 8 or 16 */
    uint8_t lane;      /* LANE */
};

/* All of `*insn` is written. */
void insn_decode(uint32_t word, struct insn *insn);

/* Bytes of memory from the address on. DC ZVA: 0, the block size is the CPU's to say. */
unsigned insn_length(const struct insn *insn);
