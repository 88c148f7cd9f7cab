/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an event to a decoded exit: what the guest did, in typed fields. Pure
 * functions, without side effects, for any 64 bytes that an event may hold.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/arm/esr.h"
#include "proto/message.h"
#include "vmm/util/types.h"

/* Did the guest execute, read or write what stage 2 does not map? */
static inline bool decode_is_unmapped(const struct rv_event *event)
{
    uint64_t class = ESR_GET(event->esr, ESR_ELx_EC);

    return event->type == RV_EVENT_SYNC &&
           (class == ESR_EC_IABT_LOWER || class == ESR_EC_DABT_LOWER) &&
           (event->esr & ESR_FSC_TYPE) == ESR_FSC_TRANSLATION;
}

/* One kind for each exception class; "lower" and "same" EL differ in `same_el`. */
enum exit_kind {
    EXIT_RESERVED, /* an EC that the architecture has not given out */
    EXIT_UNKNOWN,
    EXIT_WFX,
    EXIT_CP15_32,
    EXIT_CP15_64,
    EXIT_CP14_32,
    EXIT_CP14_LDC,
    EXIT_FP_ACCESS,
    EXIT_CP10_ID,
    EXIT_PAUTH,
    EXIT_OTHER,
    EXIT_CP14_64,
    EXIT_BTI,
    EXIT_ILLEGAL_STATE,
    EXIT_SVC32,
    EXIT_HVC32,
    EXIT_SMC32,
    EXIT_SYSREG128,
    EXIT_SVC64,
    EXIT_HVC64,
    EXIT_SMC64,
    EXIT_SYSREG,
    EXIT_SVE,
    EXIT_ERET,
    EXIT_TSTART,
    EXIT_FPAC,
    EXIT_SME,
    EXIT_GPC,
    EXIT_IMPDEF,
    EXIT_INSN_ABORT,
    EXIT_PC_ALIGNMENT,
    EXIT_DATA_ABORT,
    EXIT_SP_ALIGNMENT,
    EXIT_MOPS,
    EXIT_FP_EXCEPTION32,
    EXIT_FP_EXCEPTION64,
    EXIT_GCS,
    EXIT_SERROR,
    EXIT_BREAKPOINT,
    EXIT_STEP,
    EXIT_WATCHPOINT,
    EXIT_BKPT32,
    EXIT_VECTOR_CATCH32,
    EXIT_BRK64,
    EXIT_PMU,
    EXIT_KINDS,
};

/* What a DFSC, IFSC or xFSC says. */
enum exit_fault {
    EXIT_FAULT_RESERVED,
    EXIT_FAULT_ADDRESS_SIZE,
    EXIT_FAULT_TRANSLATION,
    EXIT_FAULT_ACCESS_FLAG,
    EXIT_FAULT_PERMISSION,
    EXIT_FAULT_EXTERNAL,
    EXIT_FAULT_EXTERNAL_WALK,
    EXIT_FAULT_TAG_CHECK,
    EXIT_FAULT_PARITY,
    EXIT_FAULT_PARITY_WALK,
    EXIT_FAULT_ALIGNMENT,
    EXIT_FAULT_DEBUG,
    EXIT_FAULT_GPF,
    EXIT_FAULT_GPF_WALK,
    EXIT_FAULT_TLB_CONFLICT,
    EXIT_FAULT_ATOMIC_UPDATE, /* hardware update of the tables, unsupported there */
    EXIT_FAULT_LOCKDOWN,
    EXIT_FAULT_ATOMIC, /* exclusive or atomic access, unsupported there */
    EXIT_FAULT_ASYNC_SERROR,
    EXIT_FAULTS,
};

#define EXIT_NO_LEVEL (-128) /* the fault has no translation table level */

struct exit_fsc {
    uint8_t code;  /* the six bits */
    uint8_t fault; /* enum exit_fault */
    int8_t level;  /* -2 to 3, or EXIT_NO_LEVEL */
};

/* Data Abort and Instruction Abort; for the latter all after `hdbssf` is zero. */
struct exit_abort {
    gva_t far; /* void if `fnv` */
    ipa_t ipa; /* for faults of stage 2 */
    struct exit_fsc fsc;
    bool s1ptw;        /* stage 2 fault on the walk of stage 1 */
    bool fnv;          /* FAR not valid */
    bool ea;           /* IMPLEMENTATION DEFINED type of external abort */
    uint8_t set;       /* synchronous error type of an external abort; else LST */
    bool pfv;          /* an external abort, and PFAR_EL2 holds its PA */
    bool top_level;    /* permission fault: of TopLevel (FEAT_THE) */
    bool assured_only; /* permission fault: of AssuredOnly (FEAT_THE) */
    bool overlay;      /* permission fault: of a permission overlay (FEAT_S1POE) */
    bool hdbssf;       /* of the dirty state tracking structure (FEAT_HDBSS) */
    bool write;        /* WnR */
    bool cm;           /* cache maintenance or address translation instruction */
    bool vncr;         /* access to memory that stands for a register (FEAT_NV2) */
    bool isv;          /* the next six hold; else they are zero */
    uint8_t size;      /* SAS in bytes: 1, 2, 4, 8 */
    bool sign;         /* SSE: a load that sign-extends */
    uint8_t srt;       /* transfer register; 31 is the zero register */
    bool sf;           /* the register is 64 bits wide */
    bool ar;           /* acquire or release */
    bool fnp;          /* ISV=0: FAR is not precise (FEAT_SVE, FEAT_SME) */
    uint8_t wu;        /* ISV=0, external abort: did a store update the location */
    uint8_t xs;        /* status register of ST64BV, ST64BV0 */
    bool dirty_bit;    /* permission fault: of the dirty state */
    bool gcs;          /* guarded control stack access */
    bool tag_access;   /* permission fault: of NoTagAccess (FEAT_MTE_PERM) */
    bool tnd;          /* permission fault: of the access to a tag */
};

/* MSR, MRS, SYS, and their 128-bit forms (`rt` and `rt`+1). */
struct exit_sysreg {
    uint16_t key; /* as EXIT_SYSREG_KEY packs them */
    uint8_t op0, op1, crn, crm, op2;
    uint8_t rt; /* 31 is the zero register */
    bool read;
};

/* op0:op1:CRn:CRm:op2 in their order of the instruction encoding: 16 bits. */
#define EXIT_SYSREG_KEY(op0, op1, crn, crm, op2) \
    ((uint16_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

/* The condition of an AArch32 instruction. */
struct exit_cond {
    bool valid; /* CV; else a T32 instruction has its condition in PSTATE.IT */
    uint8_t cond;
};

/* AArch32 MCR, MRC, VMRS (`opc2`, `crn`), MCRR, MRRC (`rt2`). */
struct exit_cp {
    struct exit_cond cond;
    uint8_t opc1, opc2, crn, crm, rt, rt2;
    bool read;
};

struct exit_ldc {
    struct exit_cond cond;
    uint8_t imm8;
    uint8_t rn; /* void if addressing mode `am` is the literal form */
    uint8_t am;
    bool add;
    bool read;
};

struct exit_wfx {
    struct exit_cond cond;
    uint8_t which; /* ESR_WFX_* */
    bool rn_valid;
    uint8_t rn; /* WFIT, WFET: holds the timeout */
};

struct exit_call {
    uint16_t imm;          /* SVC, HVC, SMC in AArch64; SVC, HVC in AArch32 */
    struct exit_cond cond; /* SMC in AArch32 */
    bool cond_not_known;   /* SMC in AArch32: CCKNOWNPASS */
};

struct exit_mops {
    bool set;  /* SET*, else CPY* */
    bool setg; /* SETG* */
    uint8_t options;
    bool from_epilogue;
    bool wrong_option;
    bool option_a;
    uint8_t rd, rs, rn;
};

struct exit_gcs {
    uint8_t type; /* ExType */
    uint8_t raddr, rvalue;
    uint8_t insn; /* IT */
};

struct exit_serror {
    bool impdef; /* IDS: nothing else here holds */
    bool iesb;
    uint8_t aet;
    bool ea;
    bool els;         /* what ELR tells: see the Arm ARM */
    uint8_t wu;       /* did a store update the location */
    bool vfv, pfv;    /* FAR_EL2, PFAR_EL2 hold */
    bool wnrv, write; /* WnR, if WnRV */
    struct exit_fsc fsc;
};

/* Breakpoint, vector catch, software step, watchpoint. */
struct exit_debug {
    gva_t far; /* watchpoint */
    struct exit_fsc fsc;
    bool step_valid, step_exclusive; /* step: ISV, EX */
    bool wp_valid, wpf, fnp;         /* watchpoint: WPTV, WPF, FnP */
    bool fnv, cm, write, vncr, gcs;  /* watchpoint */
    uint8_t wp;                      /* watchpoint number */
};

struct exit_gpc {
    gva_t far;
    ipa_t ipa;
    struct exit_fsc fsc; /* xFSC */
    bool s2ptw, insn, vncr, cm, s1ptw, write;
    uint8_t gpcsc;
};

struct exit_info {
    enum exit_kind kind;
    uint8_t ec;
    bool same_el;    /* "taken without a change in Exception level" classes */
    bool il;         /* the instruction is 32 bits wide (or the class says 1 always) */
    uint32_t iss;    /* ESR_ELx[24:0] */
    uint32_t iss2;   /* ESR_ELx[55:32] */
    uint64_t pc;     /* ELR_EL2: the next instruction for HVC, else the trapped one */
    uint32_t pstate; /* SPSR_EL2 */
    bool aarch32;    /* from AArch32 */
    union {
        struct exit_abort abort;   /* DATA_ABORT, INSN_ABORT */
        struct exit_sysreg sysreg; /* SYSREG, SYSREG128 */
        struct exit_cp cp;         /* CP15_32, CP15_64, CP14_32, CP14_64, CP10_ID */
        struct exit_ldc ldc;       /* CP14_LDC */
        struct exit_cond cond;     /* FP_ACCESS */
        struct exit_wfx wfx;
        struct exit_call call; /* SVC32, HVC32, SMC32, SVC64, HVC64, SMC64 */
        struct exit_mops mops;
        struct exit_gcs gcs;
        struct exit_serror serror;
        struct exit_debug debug; /* BREAKPOINT, STEP, WATCHPOINT, VECTOR_CATCH32 */
        struct exit_gpc gpc;
        gva_t pc_align; /* PC_ALIGNMENT: the address */
        uint16_t brk;   /* BRK64, BKPT32: comment */
        uint8_t smtc;   /* SME: ESR_SMTC_* */
        uint8_t btype;  /* BTI */
        uint8_t rd;     /* TSTART */
        uint32_t other; /* OTHER: ESR_OTHER_* */
        struct {
            bool sync;
            uint8_t fsc; /* why */
        } pmu;
        struct {
            bool auth;  /* ERETAA, ERETAB */
            bool b_key; /* ERETAB */
        } eret;
        struct {
            bool data; /* data key, else instruction key */
            bool b_key;
        } fpac;
        struct {
            bool valid;     /* TFV */
            uint8_t flags;  /* IOF, DZF, OFF, UFF, IXF at bits 0-4, IDF at 7 */
            uint8_t vecitr; /* AArch32 */
        } fp;
    } u;
};

/* Is it an exception that MDCR_EL2.TDE brings to EL2: BRK, breakpoint, watchpoint or step? */
bool decode_is_debug(const struct rv_event *event);

/* Never fails: what it cannot tell is RESERVED. All bytes of `*out` are written. */
void decode_exit(const struct rv_event *event, struct exit_info *out);

/* A fault status code. Arm ARM D24.2, ESR_EL2, "DFSC". */
struct exit_fsc decode_fsc(unsigned code);

/*
 * What a load with ISV=1 puts in its register: `raw` cut to the access size,
 * extended to the register's width, the upper half zero for a W register.
 */
uint64_t decode_load(const struct exit_abort *abort, uint64_t raw);

/* Bits of a value that an access of 1, 2, 4 or 8 bytes carries. */
static inline uint64_t decode_size_mask(unsigned size)
{
    return ~0ull >> (64u - 8u * size);
}

/* PSTATE.IT, from where SPSR_ELx has it. */
static inline uint32_t decode_it(uint32_t pstate)
{
    return (pstate >> 8 & 0xfcu) | (pstate >> 25 & 3u);
}

/* Did an AArch32 instruction's condition hold? Arm ARM J1.3, ConditionHolds. */
bool decode_condition(struct exit_cond cond, uint32_t pstate);

/* "data abort", "translation fault": for people. */
const char *decode_kind_name(enum exit_kind kind);
const char *decode_fault_name(enum exit_fault fault);
