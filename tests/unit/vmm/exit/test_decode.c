/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decoder against ESR values put together here from the Arm ARM's bit
 * numbers, not from esr.h, so that a wrong mask there is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/exit/decode.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct exit_info decode(uint64_t ec, uint64_t iss)
{
    struct rv_event event = {.esr = ec << 26 | 1ull << 25 | iss};
    struct exit_info info;

    decode_exit(&event, &info);
    return info;
}

/* Deterministic noise: xorshift64. */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void decode_names_the_kind_of_each_class(void **state)
{
    static const struct {
        unsigned ec;
        enum exit_kind kind;
        bool same_el;
    } classes[] = {
        {0x00, EXIT_UNKNOWN, false},
        {0x01, EXIT_WFX, false},
        {0x03, EXIT_CP15_32, false},
        {0x04, EXIT_CP15_64, false},
        {0x05, EXIT_CP14_32, false},
        {0x06, EXIT_CP14_LDC, false},
        {0x07, EXIT_FP_ACCESS, false},
        {0x08, EXIT_CP10_ID, false},
        {0x09, EXIT_PAUTH, false},
        {0x0a, EXIT_OTHER, false},
        {0x0c, EXIT_CP14_64, false},
        {0x0d, EXIT_BTI, false},
        {0x0e, EXIT_ILLEGAL_STATE, false},
        {0x11, EXIT_SVC32, false},
        {0x12, EXIT_HVC32, false},
        {0x13, EXIT_SMC32, false},
        {0x14, EXIT_SYSREG128, false},
        {0x15, EXIT_SVC64, false},
        {0x16, EXIT_HVC64, false},
        {0x17, EXIT_SMC64, false},
        {0x18, EXIT_SYSREG, false},
        {0x19, EXIT_SVE, false},
        {0x1a, EXIT_ERET, false},
        {0x1b, EXIT_TSTART, false},
        {0x1c, EXIT_FPAC, false},
        {0x1d, EXIT_SME, false},
        {0x1e, EXIT_GPC, false},
        {0x1f, EXIT_IMPDEF, false},
        {0x20, EXIT_INSN_ABORT, false},
        {0x21, EXIT_INSN_ABORT, true},
        {0x22, EXIT_PC_ALIGNMENT, false},
        {0x24, EXIT_DATA_ABORT, false},
        {0x25, EXIT_DATA_ABORT, true},
        {0x26, EXIT_SP_ALIGNMENT, false},
        {0x27, EXIT_MOPS, false},
        {0x28, EXIT_FP_EXCEPTION32, false},
        {0x2c, EXIT_FP_EXCEPTION64, false},
        {0x2d, EXIT_GCS, false},
        {0x2f, EXIT_SERROR, false},
        {0x30, EXIT_BREAKPOINT, false},
        {0x31, EXIT_BREAKPOINT, true},
        {0x32, EXIT_STEP, false},
        {0x33, EXIT_STEP, true},
        {0x34, EXIT_WATCHPOINT, false},
        {0x35, EXIT_WATCHPOINT, true},
        {0x38, EXIT_BKPT32, false},
        {0x3a, EXIT_VECTOR_CATCH32, false},
        {0x3c, EXIT_BRK64, false},
        {0x3d, EXIT_PMU, false},
    };
    bool listed[64] = {false};

    for (size_t i = 0; i < COUNT(classes); i++) {
        struct exit_info info = decode(classes[i].ec, 0);

        assert_int_equal(info.kind, classes[i].kind);
        assert_int_equal(info.same_el, classes[i].same_el);
        assert_int_equal(info.ec, classes[i].ec);
        assert_true(info.il);
        listed[classes[i].ec] = true;
    }
    for (unsigned ec = 0; ec < 64; ec++)
        if (!listed[ec])
            assert_int_equal(decode(ec, 0x1ffffff).kind, EXIT_RESERVED);
}

static void decode_keeps_pc_pstate_iss_and_iss2_of_each_event(void **state)
{
    struct rv_event event = {.esr = 0x00abcdef95654321ull, .pc = 0x1234, .pstate = 0x60000010};
    struct exit_info info;

    decode_exit(&event, &info);
    assert_int_equal(info.ec, 0x25);
    assert_false(info.il);
    assert_int_equal(info.iss, 0x1654321);
    assert_int_equal(info.iss2, 0xabcdef);
    assert_int_equal(info.pc, 0x1234);
    assert_int_equal(info.pstate, 0x60000010);
    assert_true(info.aarch32);
    event.pstate = 0x5;
    decode_exit(&event, &info);
    assert_false(info.aarch32);
}

static void decode_splits_each_fault_status_in_fault_and_level(void **state)
{
    static const struct {
        unsigned first, count;
        enum exit_fault fault;
        int level;
    } codes[] = {
        {0x00, 4, EXIT_FAULT_ADDRESS_SIZE, 0},
        {0x04, 4, EXIT_FAULT_TRANSLATION, 0},
        {0x08, 4, EXIT_FAULT_ACCESS_FLAG, 0},
        {0x0c, 4, EXIT_FAULT_PERMISSION, 0},
        {0x10, 1, EXIT_FAULT_EXTERNAL, EXIT_NO_LEVEL},
        {0x11, 1, EXIT_FAULT_TAG_CHECK, EXIT_NO_LEVEL},
        {0x12, 6, EXIT_FAULT_EXTERNAL_WALK, -2},
        {0x18, 1, EXIT_FAULT_PARITY, EXIT_NO_LEVEL},
        {0x1b, 5, EXIT_FAULT_PARITY_WALK, -1},
        {0x21, 1, EXIT_FAULT_ALIGNMENT, EXIT_NO_LEVEL},
        {0x22, 6, EXIT_FAULT_GPF_WALK, -2},
        {0x28, 1, EXIT_FAULT_GPF, EXIT_NO_LEVEL},
        {0x29, 1, EXIT_FAULT_ADDRESS_SIZE, -1},
        {0x2a, 2, EXIT_FAULT_TRANSLATION, -2},
        {0x2c, 1, EXIT_FAULT_ADDRESS_SIZE, -2},
        {0x30, 1, EXIT_FAULT_TLB_CONFLICT, EXIT_NO_LEVEL},
        {0x31, 1, EXIT_FAULT_ATOMIC_UPDATE, EXIT_NO_LEVEL},
        {0x34, 1, EXIT_FAULT_LOCKDOWN, EXIT_NO_LEVEL},
        {0x35, 1, EXIT_FAULT_ATOMIC, EXIT_NO_LEVEL},
    };
    bool listed[64] = {false};

    for (size_t i = 0; i < COUNT(codes); i++) {
        for (unsigned k = 0; k < codes[i].count; k++) {
            unsigned code = codes[i].first + k;
            struct exit_fsc data = decode(0x24, code).u.abort.fsc;
            struct exit_fsc insn = decode(0x20, code).u.abort.fsc;

            assert_int_equal(data.code, code);
            assert_int_equal(data.fault, codes[i].fault);
            assert_int_equal(data.level, codes[i].level + (int)k);
            assert_memory_equal(&insn, &data, sizeof(data));
            listed[code] = true;
        }
    }
    for (unsigned code = 0; code < 64; code++) {
        if (!listed[code]) {
            assert_int_equal(decode_fsc(code).fault, EXIT_FAULT_RESERVED);
            assert_int_equal(decode_fsc(code).level, EXIT_NO_LEVEL);
        }
    }
}

static void decode_data_abort_reads_each_width_sign_register_and_direction(void **state)
{
    for (unsigned n = 0; n < 4u * 2 * 32 * 2 * 2 * 2; n++) {
        unsigned sas = n & 3, sse = n >> 2 & 1, srt = n >> 3 & 31, sf = n >> 8 & 1;
        unsigned ar = n >> 9 & 1, wnr = n >> 10 & 1;
        struct rv_event event = {
            .esr = 0x24ull << 26 | 1u << 24 | sas << 22 | sse << 21 | srt << 16 | sf << 15 |
                   ar << 14 | wnr << 6 | 7,
            .far = 0xffff800012345678ull,
            .ipa = 0x9000018,
        };
        struct exit_info info;
        const struct exit_abort *a = &info.u.abort;

        decode_exit(&event, &info);
        assert_true(a->isv);
        assert_int_equal(a->size, 1u << sas);
        assert_int_equal(a->sign, sse);
        assert_int_equal(a->srt, srt);
        assert_int_equal(a->sf, sf);
        assert_int_equal(a->ar, ar);
        assert_int_equal(a->write, wnr);
        assert_int_equal(a->far.v, event.far);
        assert_int_equal(a->ipa.v, event.ipa);
        assert_int_equal(a->fsc.fault, EXIT_FAULT_TRANSLATION);
    }
}

static void decode_data_abort_reads_each_flag_alone(void **state)
{
    struct exit_info zero, info;
    struct exit_abort want;
    struct rv_event event = {0};

#define CASE(bits, field, value)                                 \
    do {                                                         \
        event.esr = 0x24ull << 26 | (bits);                      \
        decode_exit(&event, &info);                              \
        memcpy(&want, &zero.u.abort, sizeof(want));              \
        want.field = (value);                                    \
        assert_memory_equal(&info.u.abort, &want, sizeof(want)); \
    } while (0)
    zero = decode(0x24, 0);
    CASE(1ull << 13, vncr, true);
    CASE(3ull << 11, set, 3);
    CASE(1ull << 10, fnv, true);
    CASE(1ull << 9, ea, true);
    CASE(1ull << 8, cm, true);
    CASE(1ull << 7, s1ptw, true);
    CASE(1ull << 6, write, true);
    CASE(0x1full << 32, xs, 31);
    CASE(1ull << 37, dirty_bit, true);
    CASE(1ull << 38, overlay, true);
    CASE(1ull << 39, assured_only, true);
    CASE(1ull << 40, gcs, true);
    CASE(1ull << 41, tag_access, true);
    CASE(1ull << 42, tnd, true);
    CASE(1ull << 43, hdbssf, true);
    CASE(1ull << 15, fnp, true);
    /* With an external abort, and one on a walk: WU and PFV; with a permission fault: TopLevel. */
    zero = decode(0x24, 0x10);
    CASE(0x10 | 1ull << 14, pfv, true);
    CASE(0x10 | 3ull << 16, wu, 3);
    zero = decode(0x24, 0x15);
    CASE(0x15 | 1ull << 14, pfv, true);
    CASE(0x15 | 2ull << 16, wu, 2);
    zero = decode(0x24, 0x0f);
    CASE(0x0f | 1ull << 21, top_level, true);
#undef CASE
}

/* The same bits are RES0 for other faults, and parts of the access with ISV=1. */
static void decode_data_abort_reads_shared_bits_only_where_they_mean_that(void **state)
{
    struct exit_info info = decode(0x24, 0x07 | 1ull << 21 | 3ull << 16 | 1ull << 14);

    assert_false(info.u.abort.pfv || info.u.abort.top_level);
    assert_int_equal(info.u.abort.wu, 0);
    info = decode(0x24, 1ull << 24 | 0x0f | 0xffc000);
    assert_false(info.u.abort.pfv || info.u.abort.top_level || info.u.abort.fnp);
    info = decode(0x24, 1ull << 24 | 0x10 | 0xffc000);
    assert_false(info.u.abort.pfv || info.u.abort.wu);
}

static void decode_instruction_abort_reads_each_flag_alone(void **state)
{
    static const struct {
        uint64_t bits;
        size_t flag;
    } cases[] = {
        {0x10 | 1ull << 14, offsetof(struct exit_abort, pfv)},
        {0x16 | 1ull << 14, offsetof(struct exit_abort, pfv)},
        {0x0c | 1ull << 21, offsetof(struct exit_abort, top_level)},
        {0x0c | 1ull << 38, offsetof(struct exit_abort, overlay)},
        {0x0c | 1ull << 39, offsetof(struct exit_abort, assured_only)},
        {0x0c | 1ull << 43, offsetof(struct exit_abort, hdbssf)},
        {0x10 | 1ull << 10, offsetof(struct exit_abort, fnv)},
        {0x10 | 1ull << 9, offsetof(struct exit_abort, ea)},
        {0x07 | 1ull << 7, offsetof(struct exit_abort, s1ptw)},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct exit_info zero = decode(0x20, cases[i].bits & 0x3f);
        struct exit_info info = decode(0x20, cases[i].bits);

        ((unsigned char *)&zero.u.abort)[cases[i].flag] = 1;
        assert_memory_equal(&info.u.abort, &zero.u.abort, sizeof(zero.u.abort));
    }
    /* Of a data abort alone, or with another fault. */
    assert_false(decode(0x20, 0x0f | 1ull << 42).u.abort.tnd);
    assert_false(decode(0x20, 0x07 | 1ull << 14).u.abort.pfv);
    assert_false(decode(0x20, 0x07 | 1ull << 21).u.abort.top_level);
}

static void decode_data_abort_without_isv_gives_no_register(void **state)
{
    const struct exit_info info = decode(0x24, 0x00ffc000 | 0x7);

    assert_false(info.u.abort.isv);
    assert_int_equal(info.u.abort.size, 0);
    assert_int_equal(info.u.abort.srt, 0);
    assert_false(info.u.abort.sign || info.u.abort.sf || info.u.abort.ar);
}

static void decode_load_extends_to_the_register(void **state)
{
    static const struct {
        unsigned size;
        bool sign, sf;
        uint64_t raw, want;
    } cases[] = {
        {1, false, false, 0xffffffffffffff80, 0x80},       /* LDRB W */
        {1, false, true, 0x80, 0x80},                      /* LDRB */
        {1, true, false, 0x80, 0xffffff80},                /* LDRSB W: upper half zero */
        {1, true, true, 0x80, 0xffffffffffffff80},         /* LDRSB X */
        {1, true, true, 0xffffffffffffff7f, 0x7f},         /* positive; noise above is cut */
        {2, false, false, 0xabcd8001, 0x8001},             /* LDRH */
        {2, true, false, 0x8001, 0xffff8001},              /* LDRSH W */
        {2, true, true, 0x8001, 0xffffffffffff8001},       /* LDRSH X */
        {4, false, false, 0x1234567890abcdef, 0x90abcdef}, /* LDR W */
        {4, true, true, 0x90abcdef, 0xffffffff90abcdef},   /* LDRSW */
        {4, true, true, 0x70abcdef, 0x70abcdef},
        {8, false, true, 0x8234567890abcdef, 0x8234567890abcdef}, /* LDR X */
        {8, true, true, 0x8234567890abcdef, 0x8234567890abcdef},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct exit_abort a = {
            .size = (uint8_t)cases[i].size, .sign = cases[i].sign, .sf = cases[i].sf};

        assert_int_equal(decode_load(&a, cases[i].raw), cases[i].want);
    }
    assert_int_equal(decode_size_mask(1), 0xff);
    assert_int_equal(decode_size_mask(2), 0xffff);
    assert_int_equal(decode_size_mask(4), 0xffffffff);
    assert_int_equal(decode_size_mask(8), 0xffffffffffffffff);
}

/* Put the fields back at the Arm ARM's bit numbers: no bit may be lost or move. */
static uint64_t again(const struct exit_info *i)
{
    const struct exit_cond *c;

    switch (i->kind) {
    case EXIT_WFX: {
        const struct exit_wfx *w = &i->u.wfx;
        return (uint64_t)w->cond.valid << 24 | (uint64_t)w->cond.cond << 20 | (uint64_t)w->rn << 5 |
               (uint64_t)w->rn_valid << 2 | w->which;
    }
    case EXIT_CP15_32:
    case EXIT_CP14_32:
    case EXIT_CP10_ID: {
        const struct exit_cp *p = &i->u.cp;
        return (uint64_t)p->cond.valid << 24 | (uint64_t)p->cond.cond << 20 |
               (uint64_t)p->opc2 << 17 | (uint64_t)p->opc1 << 14 | (uint64_t)p->crn << 10 |
               (uint64_t)p->rt << 5 | (uint64_t)p->crm << 1 | p->read;
    }
    case EXIT_CP15_64:
    case EXIT_CP14_64: {
        const struct exit_cp *p = &i->u.cp;
        return (uint64_t)p->cond.valid << 24 | (uint64_t)p->cond.cond << 20 |
               (uint64_t)p->opc1 << 16 | (uint64_t)p->rt2 << 10 | (uint64_t)p->rt << 5 |
               (uint64_t)p->crm << 1 | p->read;
    }
    case EXIT_CP14_LDC: {
        const struct exit_ldc *l = &i->u.ldc;
        return (uint64_t)l->cond.valid << 24 | (uint64_t)l->cond.cond << 20 |
               (uint64_t)l->imm8 << 12 | (uint64_t)l->rn << 5 | (uint64_t)l->add << 4 |
               (uint64_t)l->am << 1 | l->read;
    }
    case EXIT_FP_ACCESS: return (uint64_t)i->u.cond.valid << 24 | (uint64_t)i->u.cond.cond << 20;
    case EXIT_OTHER: return i->u.other;
    case EXIT_BTI: return i->u.btype;
    case EXIT_SVC32:
    case EXIT_HVC32:
    case EXIT_SVC64:
    case EXIT_HVC64:
    case EXIT_SMC64: return i->u.call.imm;
    case EXIT_SMC32:
        c = &i->u.call.cond;
        return (uint64_t)c->valid << 24 | (uint64_t)c->cond << 20 |
               (uint64_t)i->u.call.cond_not_known << 19;
    case EXIT_SYSREG: {
        const struct exit_sysreg *s = &i->u.sysreg;
        return (uint64_t)s->op0 << 20 | (uint64_t)s->op2 << 17 | (uint64_t)s->op1 << 14 |
               (uint64_t)s->crn << 10 | (uint64_t)s->rt << 5 | (uint64_t)s->crm << 1 | s->read;
    }
    case EXIT_SYSREG128: {
        const struct exit_sysreg *s = &i->u.sysreg;
        return (uint64_t)s->op0 << 20 | (uint64_t)s->op2 << 17 | (uint64_t)s->op1 << 14 |
               (uint64_t)s->crn << 10 | (uint64_t)(s->rt / 2u) << 6 | (uint64_t)s->crm << 1 |
               s->read;
    }
    case EXIT_ERET: return (uint64_t)i->u.eret.auth << 1 | i->u.eret.b_key;
    case EXIT_TSTART: return (uint64_t)i->u.rd << 5;
    case EXIT_FPAC: return (uint64_t)i->u.fpac.data << 1 | i->u.fpac.b_key;
    case EXIT_SME: return i->u.smtc;
    case EXIT_GPC: {
        const struct exit_gpc *g = &i->u.gpc;
        return (uint64_t)g->s2ptw << 21 | (uint64_t)g->insn << 20 | (uint64_t)g->gpcsc << 14 |
               (uint64_t)g->vncr << 13 | (uint64_t)g->cm << 8 | (uint64_t)g->s1ptw << 7 |
               (uint64_t)g->write << 6 | g->fsc.code;
    }
    case EXIT_INSN_ABORT: {
        const struct exit_abort *a = &i->u.abort;
        return (uint64_t)a->top_level << 21 | (uint64_t)a->pfv << 14 | (uint64_t)a->set << 11 |
               (uint64_t)a->fnv << 10 | (uint64_t)a->ea << 9 | (uint64_t)a->s1ptw << 7 |
               a->fsc.code;
    }
    case EXIT_MOPS: {
        const struct exit_mops *m = &i->u.mops;
        return (uint64_t)m->set << 24 | (uint64_t)m->setg << 23 | (uint64_t)m->options << 19 |
               (uint64_t)m->from_epilogue << 18 | (uint64_t)m->wrong_option << 17 |
               (uint64_t)m->option_a << 16 | (uint64_t)m->rd << 10 | (uint64_t)m->rs << 5 | m->rn;
    }
    case EXIT_FP_EXCEPTION32:
    case EXIT_FP_EXCEPTION64:
        return (uint64_t)i->u.fp.valid << 23 | (uint64_t)i->u.fp.vecitr << 8 | i->u.fp.flags;
    case EXIT_GCS:
        return (uint64_t)i->u.gcs.type << 20 | (uint64_t)i->u.gcs.raddr << 10 |
               (uint64_t)i->u.gcs.rvalue << 5 | i->u.gcs.insn;
    case EXIT_SERROR: {
        const struct exit_serror *s = &i->u.serror;
        return (uint64_t)s->impdef << 24 | (uint64_t)s->els << 18 | (uint64_t)s->wu << 16 |
               (uint64_t)s->vfv << 15 | (uint64_t)s->pfv << 14 | (uint64_t)s->iesb << 13 |
               (uint64_t)s->aet << 10 | (uint64_t)s->ea << 9 | (uint64_t)s->wnrv << 7 |
               (uint64_t)s->write << 6 | s->fsc.code;
    }
    case EXIT_BREAKPOINT:
    case EXIT_VECTOR_CATCH32: return i->u.debug.fsc.code;
    case EXIT_STEP:
        return (uint64_t)i->u.debug.step_valid << 24 | (uint64_t)i->u.debug.step_exclusive << 6 |
               i->u.debug.fsc.code;
    case EXIT_WATCHPOINT: {
        const struct exit_debug *d = &i->u.debug;
        return (uint64_t)d->wp << 18 | (uint64_t)d->wp_valid << 17 | (uint64_t)d->wpf << 16 |
               (uint64_t)d->fnp << 15 | (uint64_t)d->vncr << 13 | (uint64_t)d->fnv << 10 |
               (uint64_t)d->cm << 8 | (uint64_t)d->write << 6 | d->fsc.code;
    }
    case EXIT_BKPT32:
    case EXIT_BRK64: return i->u.brk;
    case EXIT_PMU: return (uint64_t)i->u.pmu.fsc << 1 | i->u.pmu.sync;
    default: return 0;
    }
}

/* A data abort, with its ISS2 from bit 32 on. */
static uint64_t again_data_abort(const struct exit_abort *a)
{
    uint64_t esr = (uint64_t)a->hdbssf << 43 | (uint64_t)a->tnd << 42 |
                   (uint64_t)a->tag_access << 41 | (uint64_t)a->gcs << 40 |
                   (uint64_t)a->assured_only << 39 | (uint64_t)a->overlay << 38 |
                   (uint64_t)a->dirty_bit << 37 | (uint64_t)a->xs << 32 | (uint64_t)a->isv << 24 |
                   (uint64_t)a->vncr << 13 | (uint64_t)a->set << 11 | (uint64_t)a->fnv << 10 |
                   (uint64_t)a->ea << 9 | (uint64_t)a->cm << 8 | (uint64_t)a->s1ptw << 7 |
                   (uint64_t)a->write << 6 | a->fsc.code;

    if (a->isv)
        return esr | (uint64_t)__builtin_ctz(a->size) << 22 | (uint64_t)a->sign << 21 |
               (uint64_t)a->srt << 16 | (uint64_t)a->sf << 15 | (uint64_t)a->ar << 14;
    return esr | (uint64_t)a->top_level << 21 | (uint64_t)a->wu << 16 | (uint64_t)a->fnp << 15 |
           (uint64_t)a->pfv << 14;
}

static void decode_loses_no_field_of_a_data_abort(void **state)
{
    uint64_t noise = 0x2545f4914f6cdd1dull;

    for (unsigned k = 0; k < 20000; k++) {
        uint64_t bits = next(&noise) & 0xfff01ffffffull;
        unsigned fsc = bits & 0x3f;
        bool external = fsc == 0x10 || (fsc >= 0x12 && fsc <= 0x17);
        uint64_t defined = 0xfff01003fffull;
        struct exit_info info = decode(0x24, bits);

        if (bits & 1u << 24)
            defined |= 0xffc000;
        else
            defined |=
                1u << 15 | (external ? 0x34000u : 0) | (fsc >= 0x0c && fsc <= 0x0f ? 1u << 21 : 0);
        assert_int_equal(again_data_abort(&info.u.abort), bits & defined);
    }
}

static void decode_loses_no_field_of_any_syndrome(void **state)
{
    /* Which bits of the ISS the Arm ARM defines; `fixed` are held at 1. */
    static const struct {
        unsigned ec;
        uint64_t defined, fixed;
    } cases[] = {
        {0x01, 0x1f003e7, 0x0},  {0x03, 0x1ffffff, 0x0}, {0x04, 0x1ff7fff, 0x0},
        {0x05, 0x1ffffff, 0x0},  {0x06, 0x1fff3ff, 0x0}, {0x07, 0x1f00000, 0x0},
        {0x08, 0x1ffffff, 0x0},  {0x0a, 0x1ffffff, 0x0}, {0x0c, 0x1ff7fff, 0x0},
        {0x0d, 0x3, 0x0},        {0x11, 0xffff, 0x0},    {0x12, 0xffff, 0x0},
        {0x13, 0x1f80000, 0x0},  {0x14, 0x3fffdf, 0x0},  {0x15, 0xffff, 0x0},
        {0x16, 0xffff, 0x0},     {0x17, 0xffff, 0x0},    {0x18, 0x3fffff, 0x0},
        {0x1a, 0x3, 0x0},        {0x1b, 0x3e0, 0x0},     {0x1c, 0x3, 0x0},
        {0x1d, 0x7, 0x0},        {0x1e, 0x3fe1ff, 0x0},  {0x20, 0x1ebf, 0x0},
        {0x27, 0x1ff7fff, 0x0},  {0x28, 0x80079f, 0x0},  {0x2c, 0x80079f, 0x0},
        {0x2d, 0xf07fff, 0x0},   {0x2f, 0x7feff, 0x0},   {0x30, 0x3f, 0x0},
        {0x32, 0x7f, 0x1000000}, {0x34, 0xffa57f, 0x0},  {0x38, 0xffff, 0x0},
        {0x3a, 0x3f, 0x0},       {0x3c, 0xffff, 0x0},    {0x3d, 0x3f, 0x0},
    };
    uint64_t noise = 0x9e3779b97f4a7c15ull;

    for (size_t i = 0; i < COUNT(cases); i++) {
        for (unsigned k = 0; k < 2000; k++) {
            uint64_t iss = next(&noise) & 0x1ffffff, defined;
            struct exit_info info;

            if (cases[i].ec == 0x2f)
                iss &= 0xffffff; /* IDS=0 */
            iss |= cases[i].fixed;
            info = decode(cases[i].ec, iss);
            defined = cases[i].defined | cases[i].fixed;
            if (cases[i].ec == 0x20) {
                unsigned fsc = iss & 0x3f;

                defined |= fsc == 0x10 || (fsc >= 0x12 && fsc <= 0x17) ? 1u << 14 : 0;
                defined |= fsc >= 0x0c && fsc <= 0x0f ? 1u << 21 : 0;
            }
            assert_int_equal(again(&info), iss & defined);
        }
    }
}

static void decode_sysreg_packs_the_encoding_in_a_key(void **state)
{
    /* mrs x5, ICC_IAR1_EL1 (S3_0_C12_C12_0): the key is bits [20:5] of the A64 instruction. */
    const struct exit_info info = decode(0x18, 3u << 20 | 12u << 10 | 5u << 5 | 12u << 1 | 1);

    assert_int_equal(info.u.sysreg.key, (0xd538cc05u >> 5) & 0xffff);
    assert_int_equal(info.u.sysreg.key, EXIT_SYSREG_KEY(3, 0, 12, 12, 0));
    assert_int_equal(info.u.sysreg.rt, 5);
    assert_true(info.u.sysreg.read);
}

static void decode_serror_with_an_implementation_defined_syndrome_reads_nothing_of_it(void **state)
{
    const struct exit_info info = decode(0x2f, 0x1ffffff);

    assert_true(info.u.serror.impdef);
    assert_false(info.u.serror.iesb || info.u.serror.ea);
    assert_int_equal(info.u.serror.aet, 0);
    assert_int_equal(info.u.serror.fsc.fault, EXIT_FAULT_RESERVED);
    assert_int_equal(decode(0x2f, 0x11).u.serror.fsc.fault, EXIT_FAULT_ASYNC_SERROR);
}

static void decode_debug_exceptions_have_their_own_fault_status(void **state)
{
    assert_int_equal(decode(0x30, 0x22).u.debug.fsc.fault, EXIT_FAULT_DEBUG);
    assert_int_equal(decode(0x34, 0x22).u.debug.fsc.fault, EXIT_FAULT_DEBUG);
    assert_int_equal(decode(0x32, 0x22).u.debug.fsc.fault, EXIT_FAULT_DEBUG);
    assert_int_equal(decode(0x24, 0x22).u.abort.fsc.fault, EXIT_FAULT_GPF_WALK);
}

/* The table of condition codes, written out as flag values that satisfy each. */
static void decode_condition_follows_the_flags(void **state)
{
    for (unsigned nzcv = 0; nzcv < 16; nzcv++) {
        bool n = nzcv & 8, z = nzcv & 4, c = nzcv & 2, v = nzcv & 1;
        const bool want[16] = {z,
                               !z,
                               c,
                               !c,
                               n,
                               !n,
                               v,
                               !v,
                               c & !z,
                               !c | z,
                               n == v,
                               n != v,
                               !z & (n == v),
                               z | (n != v),
                               true,
                               true};

        for (uint8_t code = 0; code < 16; code++) {
            struct exit_cond valid = {true, code}, invalid = {false, 0};
            uint32_t it = (uint32_t)code << 4 | 8; /* ITSTATE: last instruction of a block */
            uint32_t t32 = nzcv << 28 | 0x30 | (it & 3) << 25 | (it >> 2) << 10;

            assert_int_equal(decode_condition(valid, nzcv << 28 | 0x10), want[code]);
            assert_int_equal(decode_condition(invalid, t32), want[code]);
            /* Not in a block: runs whatever the flags. */
            assert_true(decode_condition(invalid, nzcv << 28 | 0x30));
            assert_true(decode_condition(invalid, nzcv << 28 | 0x5));
        }
    }
}

static void decode_writes_all_bytes_whatever_the_event(void **state)
{
    uint64_t noise = 88172645463325252ull;

    for (unsigned k = 0; k < 20000; k++) {
        struct rv_event event;
        struct exit_info a, b;
        uint64_t words[sizeof(event) / 8];

        for (size_t i = 0; i < COUNT(words); i++)
            words[i] = next(&noise);
        memcpy(&event, words, sizeof(event));
        memset(&a, 0x00, sizeof(a));
        memset(&b, 0xff, sizeof(b));
        decode_exit(&event, &a);
        decode_exit(&event, &b);
        assert_memory_equal(&a, &b, sizeof(a));
    }
}

static void decode_has_a_name_for_each_kind_and_fault(void **state)
{
    for (int kind = 0; kind < EXIT_KINDS; kind++)
        assert_non_null(decode_kind_name((enum exit_kind)kind));
    for (int fault = 0; fault < EXIT_FAULTS; fault++)
        assert_non_null(decode_fault_name((enum exit_fault)fault));
    assert_string_equal(decode_kind_name(EXIT_KINDS), "reserved exception class");
    assert_string_equal(decode_fault_name(EXIT_FAULTS), "reserved fault");
}

/* MDCR_EL2.TDE: these classes, of a lower Exception level, and of no other event. */
static void decode_is_debug_names_what_a_debugger_may_have_caused(void **state)
{
    for (uint64_t ec = 0; ec < 64; ec++) {
        struct rv_event event = {.type = RV_EVENT_SYNC, .esr = ec << 26};
        bool debug = ec == 0x30 || ec == 0x32 || ec == 0x34 || ec == 0x3c;

        assert_int_equal(decode_is_debug(&event), debug);
        event.type = RV_EVENT_SERROR;
        assert_false(decode_is_debug(&event));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_names_the_kind_of_each_class),
        cmocka_unit_test(decode_keeps_pc_pstate_iss_and_iss2_of_each_event),
        cmocka_unit_test(decode_splits_each_fault_status_in_fault_and_level),
        cmocka_unit_test(decode_data_abort_reads_each_width_sign_register_and_direction),
        cmocka_unit_test(decode_data_abort_reads_each_flag_alone),
        cmocka_unit_test(decode_data_abort_reads_shared_bits_only_where_they_mean_that),
        cmocka_unit_test(decode_instruction_abort_reads_each_flag_alone),
        cmocka_unit_test(decode_data_abort_without_isv_gives_no_register),
        cmocka_unit_test(decode_loses_no_field_of_a_data_abort),
        cmocka_unit_test(decode_load_extends_to_the_register),
        cmocka_unit_test(decode_loses_no_field_of_any_syndrome),
        cmocka_unit_test(decode_sysreg_packs_the_encoding_in_a_key),
        cmocka_unit_test(decode_serror_with_an_implementation_defined_syndrome_reads_nothing_of_it),
        cmocka_unit_test(decode_debug_exceptions_have_their_own_fault_status),
        cmocka_unit_test(decode_condition_follows_the_flags),
        cmocka_unit_test(decode_writes_all_bytes_whatever_the_event),
        cmocka_unit_test(decode_has_a_name_for_each_kind_and_fault),
        cmocka_unit_test(decode_is_debug_names_what_a_debugger_may_have_caused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
