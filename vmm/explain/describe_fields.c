/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields of a syndrome, by the names and in the terms of the Arm ARM. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "proto/arm/esr.h"
#include "vmm/exit/decode.h"
#include "vmm/explain/describe.h"
#include "vmm/explain/describe_internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void __attribute__((format(printf, 6, 7)))
field(struct description *d, const char *name, uint32_t value, enum describe_base base,
      unsigned digits, const char *fmt, ...)
{
    struct describe_field *f = &d->fields[d->nr_fields];
    va_list args;

    if (d->nr_fields == DESCRIBE_FIELDS)
        return;
    d->nr_fields++;
    f->name = name;
    f->value = value;
    f->base = (uint8_t)base;
    f->digits = (uint8_t)digits;
    va_start(args, fmt);
    vsnprintf(f->text, sizeof(f->text), fmt, args);
    va_end(args);
}

/* One bit, which says nothing unless it is set. */
static void flag(struct description *d, const char *name, bool set, const char *meaning)
{
    field(d, name, set, DESCRIBE_BIN, 1, "%s", set ? meaning : "");
}

/* One bit, either value of which says something. */
static void choice(struct description *d, const char *name, bool set, const char *one,
                   const char *zero)
{
    field(d, name, set, DESCRIBE_BIN, 1, "%s", set ? one : zero);
}

/* Titles of the classes in Arm ARM D24.2, ESR_EL2, "EC", shortened. */
static const char *const terms[ESR_EC_COUNT] = {
    [ESR_EC_UNKNOWN] = "Unknown reason",
    [ESR_EC_WFX] = "Trapped WF* instruction",
    [ESR_EC_CP15_32] = "Trapped MCR or MRC access with coproc == 0b1111",
    [ESR_EC_CP15_64] = "Trapped MCRR or MRRC access with coproc == 0b1111",
    [ESR_EC_CP14_32] = "Trapped MCR or MRC access with coproc == 0b1110",
    [ESR_EC_CP14_LDC] = "Trapped LDC or STC access",
    [ESR_EC_FP] = "Access to SME, SVE, Advanced SIMD or floating-point functionality",
    [ESR_EC_CP10_ID] = "Trapped VMRS access, from an ID group trap",
    [ESR_EC_PAUTH] = "Trapped use of a Pointer authentication instruction",
    [ESR_EC_OTHER] = "Trapped instruction without an EC value of its own",
    [ESR_EC_CP14_64] = "Trapped MRRC access with coproc == 0b1110",
    [ESR_EC_BTI] = "Branch Target exception",
    [ESR_EC_ILLEGAL] = "Illegal Execution state",
    [ESR_EC_SVC32] = "SVC instruction execution in AArch32 state",
    [ESR_EC_HVC32] = "HVC instruction execution in AArch32 state",
    [ESR_EC_SMC32] = "SMC instruction execution in AArch32 state",
    [ESR_EC_SYSREG128] = "Trapped MSRR, MRRS or 128-bit System instruction execution",
    [ESR_EC_SVC64] = "SVC instruction execution in AArch64 state",
    [ESR_EC_HVC64] = "HVC instruction execution in AArch64 state",
    [ESR_EC_SMC64] = "SMC instruction execution in AArch64 state",
    [ESR_EC_SYSREG] = "Trapped MSR, MRS or System instruction execution in AArch64 state",
    [ESR_EC_SVE] = "Access to SVE functionality",
    [ESR_EC_ERET] = "Trapped ERET, ERETAA or ERETAB",
    [ESR_EC_TSTART] = "Trapped TSTART access",
    [ESR_EC_FPAC] = "Pointer Authentication instruction authentication failure",
    [ESR_EC_SME] = "Access to SME functionality",
    [ESR_EC_GPC] = "Granule Protection Check exception",
    [ESR_EC_IMPDEF] = "IMPLEMENTATION DEFINED exception to EL3",
    [ESR_EC_IABT_LOWER] = "Instruction Abort from a lower Exception level",
    [ESR_EC_IABT_SAME] = "Instruction Abort taken without a change in Exception level",
    [ESR_EC_PC_ALIGN] = "PC alignment fault",
    [ESR_EC_DABT_LOWER] = "Data Abort from a lower Exception level",
    [ESR_EC_DABT_SAME] = "Data Abort taken without a change in Exception level",
    [ESR_EC_SP_ALIGN] = "SP alignment fault",
    [ESR_EC_MOPS] = "Memory Operation exception",
    [ESR_EC_FP_EXC32] = "Trapped floating-point exception from AArch32 state",
    [ESR_EC_FP_EXC64] = "Trapped floating-point exception from AArch64 state",
    [ESR_EC_GCS] = "GCS exception",
    [ESR_EC_SERROR] = "SError exception",
    [ESR_EC_BP_LOWER] = "Breakpoint exception from a lower Exception level",
    [ESR_EC_BP_SAME] = "Breakpoint exception taken without a change in Exception level",
    [ESR_EC_STEP_LOWER] = "Software Step exception from a lower Exception level",
    [ESR_EC_STEP_SAME] = "Software Step exception taken without a change in Exception level",
    [ESR_EC_WP_LOWER] = "Watchpoint exception from a lower Exception level",
    [ESR_EC_WP_SAME] = "Watchpoint exception taken without a change in Exception level",
    [ESR_EC_BKPT32] = "BKPT instruction execution in AArch32 state",
    [ESR_EC_VECTOR32] = "Vector Catch exception from AArch32 state",
    [ESR_EC_BRK64] = "BRK instruction execution in AArch64 state",
    [ESR_EC_PMU] = "Profiling exception",
};

static const char *yes(bool set, const char *text)
{
    return set ? text : "";
}

static void field_reg(struct description *d, const char *name, unsigned n, bool x)
{
    field(d, name, n, DESCRIBE_DEC, 0, "%s", describe_reg(n, x).s);
}

static void field_fsc(struct description *d, const char *name, const struct exit_fsc *fsc)
{
    const char *fault = decode_fault_name((enum exit_fault)fsc->fault);

    if (fsc->level == EXIT_NO_LEVEL)
        field(d, name, fsc->code, DESCRIBE_BIN, 6, "%s", fault);
    else
        field(d, name, fsc->code, DESCRIBE_BIN, 6, "%s, level %d", fault, fsc->level);
}

/* The condition of an AArch32 instruction; of an A64 one, it says "always". */
static void field_cond(struct description *d, struct exit_cond cond, bool aarch32)
{
    static const char *const names[16] = {"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc",
                                          "hi", "ls", "ge", "lt", "gt", "le", "al", "al"};

    choice(d, "CV", cond.valid, "COND holds",
           aarch32 ? "the condition is in PSTATE.IT" : "COND does not hold");
    if (cond.valid)
        field(d, "COND", cond.cond, DESCRIBE_BIN, 4, "%s", names[cond.cond & 15u]);
}

/* Flags that only some CPUs and some faults have: told when they are set. */
static void rare(struct description *d, const char *name, bool set, const char *meaning)
{
    if (set)
        flag(d, name, set, meaning);
}

static void field_wu(struct description *d, uint8_t wu)
{
    static const char *const texts[4] = {"the location may have been updated", "reserved",
                                         "the location was not updated",
                                         "the location was updated"};

    if (wu)
        field(d, "WU", wu, DESCRIBE_BIN, 2, "%s", texts[wu & 3u]);
}

static void abort_flags(struct description *d, const struct exit_abort *a)
{
    static const char *const set[4] = {"recoverable state (UER)", "reserved", "uncontainable (UC)",
                                       "restartable state (UEO)"};
    static const char *const lst[4] = {"", "ST64BV", "LD64B or ST64B", "ST64BV0"};

    if (a->fsc.fault == EXIT_FAULT_EXTERNAL)
        field(d, "SET", a->set, DESCRIBE_BIN, 2, "%s", set[a->set & 3u]);
    else if (a->set)
        field(d, "LST", a->set, DESCRIBE_BIN, 2, "%s", lst[a->set & 3u]);
    rare(d, "PFV", a->pfv, "PFAR_EL2 holds the physical address");
    field_wu(d, a->wu);
    rare(d, "FnP", a->fnp, "FAR may be off the address");
    rare(d, "TopLevel", a->top_level, "because of TopLevel");
    rare(d, "HDBSSF", a->hdbssf, "of the structure that tracks dirty state");
    rare(d, "TnD", a->tnd, "of the access to an allocation tag");
    rare(d, "TagAccess", a->tag_access, "because of NoTagAccess");
    rare(d, "GCS", a->gcs, "guarded control stack access");
    rare(d, "AssuredOnly", a->assured_only, "because of AssuredOnly");
    rare(d, "Overlay", a->overlay, "because of overlay permissions");
    rare(d, "DirtyBit", a->dirty_bit, "because of the dirty state");
    if (a->xs)
        field_reg(d, "Xs", a->xs, true);
    flag(d, "FnV", a->fnv, "FAR is not valid");
    flag(d, "EA", a->ea, "external abort of an IMPLEMENTATION DEFINED type");
}

static void fields_data_abort(const struct exit_info *info, struct description *d)
{
    const struct exit_abort *a = &info->u.abort;
    struct text *t = TEXT(d->summary);

    field_fsc(d, "DFSC", &a->fsc);
    choice(d, "WnR", a->write, "write", "read");
    choice(d, "ISV", a->isv, "the syndrome tells the access",
           "the syndrome does not tell the access: the instruction must");
    if (a->isv) {
        field(d, "SAS", (uint32_t)__builtin_ctz(a->size), DESCRIBE_BIN, 2, "%u byte%s", a->size,
              yes(a->size > 1, "s"));
        flag(d, "SSE", a->sign, "sign-extends");
        field_reg(d, "SRT", a->srt, a->sf);
        choice(d, "SF", a->sf, "64-bit register", "32-bit register");
        flag(d, "AR", a->ar, "acquire or release");
        text_put(t, "%u-byte %s %s%s%s", a->size, a->write ? "write" : "read",
                 a->write ? "of " : "into ", describe_reg(a->srt, a->sf).s,
                 yes(a->sign, ", sign-extended"));
    } else {
        text_put(t, "%s", a->cm ? "cache maintenance" : a->write ? "write" : "read");
    }
    flag(d, "VNCR", a->vncr, "access that stands for a register, by VNCR_EL2");
    abort_flags(d, a);
    flag(d, "CM", a->cm, "cache maintenance or address translation instruction");
    flag(d, "S1PTW", a->s1ptw, "on the walk of the guest's own tables");
}

static void fields_insn_abort(const struct exit_info *info, struct description *d)
{
    const struct exit_abort *a = &info->u.abort;

    field_fsc(d, "IFSC", &a->fsc);
    abort_flags(d, a);
    flag(d, "S1PTW", a->s1ptw, "on the walk of the guest's own tables");
    text_put(TEXT(d->summary), "instruction fetch");
}

static void fields_sysreg(const struct exit_info *info, struct description *d)
{
    const struct exit_sysreg *r = &info->u.sysreg;
    struct describe_name name = describe_sysreg_name(r->key);
    struct describe_name reg = describe_reg(r->rt, true);
    bool wide = info->kind == EXIT_SYSREG128;

    if (r->op0 == 1)
        choice(d, "Direction", r->read, "SYSL", wide ? "SYSP" : "SYS");
    else
        choice(d, "Direction", r->read, wide ? "read: MRRS" : "read: MRS",
               wide ? "write: MSRR" : "write: MSR");
    field(d, "Op0", r->op0, DESCRIBE_DEC, 0, "%s", "");
    field(d, "Op1", r->op1, DESCRIBE_DEC, 0, "%s", "");
    field(d, "CRn", r->crn, DESCRIBE_DEC, 0, "%s", "");
    field(d, "CRm", r->crm, DESCRIBE_DEC, 0, "%s", "");
    field(d, "Op2", r->op2, DESCRIBE_DEC, 0, "%s", "");
    field_reg(d, "Rt", r->rt, true);
    if (r->op0 == 1 && !r->read)
        text_put(TEXT(d->summary), "%s with %s", name.s, reg.s);
    else
        text_put(TEXT(d->summary), "%s of %s %s %s", r->read ? "read" : "write", name.s,
                 r->read ? "into" : "from", reg.s);
}

static void fields_cp(const struct exit_info *info, struct description *d)
{
    const struct exit_cp *cp = &info->u.cp;
    bool pair = info->kind == EXIT_CP15_64 || info->kind == EXIT_CP14_64;
    unsigned coproc = info->kind == EXIT_CP10_ID                                 ? 10u
                      : info->kind == EXIT_CP14_32 || info->kind == EXIT_CP14_64 ? 14u
                                                                                 : 15u;
    struct text *t = TEXT(d->summary);

    field_cond(d, cp->cond, true);
    choice(d, "Direction", cp->read, "read", "write");
    field(d, "Opc1", cp->opc1, DESCRIBE_DEC, 0, "%s", "");
    if (!pair) {
        field(d, "Opc2", cp->opc2, DESCRIBE_DEC, 0, "%s", "");
        field(d, "CRn", cp->crn, DESCRIBE_DEC, 0, "c%u", cp->crn);
    }
    field(d, "CRm", cp->crm, DESCRIBE_DEC, 0, "c%u", cp->crm);
    field(d, "Rt", cp->rt, DESCRIBE_DEC, 0, "r%u", cp->rt);
    if (pair) {
        field(d, "Rt2", cp->rt2, DESCRIBE_DEC, 0, "r%u", cp->rt2);
        text_put(t, "%s p%u, %u, r%u, r%u, c%u", cp->read ? "mrrc" : "mcrr", coproc, cp->opc1,
                 cp->rt, cp->rt2, cp->crm);
    } else {
        text_put(t, "%s p%u, %u, r%u, c%u, c%u, %u", cp->read ? "mrc" : "mcr", coproc, cp->opc1,
                 cp->rt, cp->crn, cp->crm, cp->opc2);
    }
}

static void fields_ldc(const struct exit_info *info, struct description *d)
{
    const struct exit_ldc *l = &info->u.ldc;

    field_cond(d, l->cond, true);
    choice(d, "Direction", l->read, "STC: memory is written", "LDC: memory is read");
    field(d, "imm8", l->imm8, DESCRIBE_DEC, 0, "offset of %u bytes", l->imm8 * 4u);
    field(d, "Rn", l->rn, DESCRIBE_DEC, 0, "r%u", l->rn);
    choice(d, "Offset", l->add, "added", "subtracted");
    field(d, "AM", l->am, DESCRIBE_BIN, 3, "addressing mode");
}

static void fields_wfx(const struct exit_info *info, struct description *d)
{
    static const char *const names[4] = {"WFI", "WFE", "WFIT", "WFET"};
    const struct exit_wfx *w = &info->u.wfx;

    field(d, "TI", w->which, DESCRIBE_BIN, 2, "%s", names[w->which & 3u]);
    field_cond(d, w->cond, info->aarch32);
    flag(d, "RV", w->rn_valid, "RN holds");
    if (w->rn_valid)
        field_reg(d, "RN", w->rn, true);
    d->kind = names[w->which & 3u];
}

static void fields_call(const struct exit_info *info, struct description *d)
{
    const struct exit_call *c = &info->u.call;

    if (info->kind == EXIT_SMC32) {
        field_cond(d, c->cond, true);
        choice(d, "CCKNOWNPASS", c->cond_not_known, "the condition may have failed",
               "the condition did pass");
        return;
    }
    field(d, "imm16", c->imm, DESCRIBE_HEX, 4, "%s",
          info->kind == EXIT_HVC64 || info->kind == EXIT_SMC64
              ? c->imm ? "not of the SMC Calling Convention" : "SMC Calling Convention"
              : "immediate");
    text_put(TEXT(d->summary), "#%u", c->imm);
}

static void fields_mops(const struct exit_info *info, struct description *d)
{
    const struct exit_mops *m = &info->u.mops;

    choice(d, "MemInst", m->set, "SET*", "CPY*");
    flag(d, "isSETG", m->setg, "SETG*");
    field(d, "Options", m->options, DESCRIBE_BIN, 4, "%s", "");
    flag(d, "FromEpilogue", m->from_epilogue, "from the epilogue instruction");
    flag(d, "WrongOption", m->wrong_option, "the algorithm is not this CPU's");
    choice(d, "OptionA", m->option_a, "option A", "option B");
    field_reg(d, "Rd", m->rd, true);
    field_reg(d, "Rs", m->rs, true);
    field_reg(d, "Rn", m->rn, true);
}

static void fields_gcs(const struct exit_info *info, struct description *d)
{
    const struct exit_gcs *g = &info->u.gcs;

    field(d, "ExType", g->type, DESCRIBE_BIN, 4, "%s",
          g->type == 0   ? "GCS data check"
          : g->type == 1 ? "EXLOCK"
          : g->type == 2 ? "GCSSTR or GCSSTTR trap"
                         : "reserved");
    field_reg(d, "Raddr", g->raddr, true);
    field_reg(d, "Rvalue", g->rvalue, true);
    field(d, "IT", g->insn, DESCRIBE_BIN, 5, "instruction type");
}

static void fields_serror(const struct exit_info *info, struct description *d)
{
    static const char *const aet[8] = {"uncontainable (UC)", "unrecoverable state (UEU)",
                                       "restartable (UEO)",  "recoverable (UER)",
                                       "reserved",           "reserved",
                                       "corrected (CE)",     "reserved"};
    const struct exit_serror *s = &info->u.serror;

    choice(d, "IDS", s->impdef, "the rest is IMPLEMENTATION DEFINED", "as defined here");
    if (s->impdef)
        return;
    if (s->fsc.code == ESR_FSC_SERROR)
        field_fsc(d, "DFSC", &s->fsc);
    else
        field(d, "DFSC", s->fsc.code, DESCRIBE_BIN, 6, "%s",
              s->fsc.code ? "reserved" : "uncategorized");
    field(d, "AET", s->aet, DESCRIBE_BIN, 3, "%s",
          yes(s->fsc.code == ESR_FSC_SERROR, aet[s->aet & 7u]));
    flag(d, "IESB", s->iesb, "synchronized by an implicit error barrier");
    flag(d, "EA", s->ea, "external abort of an IMPLEMENTATION DEFINED type");
    rare(d, "ELS", s->els, "see the Arm ARM: what ELR tells");
    field_wu(d, s->wu);
    rare(d, "VFV", s->vfv, "FAR holds the address");
    rare(d, "PFV", s->pfv, "PFAR_EL2 holds the physical address");
    if (s->wnrv)
        choice(d, "WnR", s->write, "write", "read");
}

static void fields_debug(const struct exit_info *info, struct description *d)
{
    const struct exit_debug *g = &info->u.debug;

    field_fsc(d, info->kind == EXIT_WATCHPOINT ? "DFSC" : "IFSC", &g->fsc);
    if (info->kind == EXIT_STEP) {
        flag(d, "ISV", g->step_valid, "EX holds");
        flag(d, "EX", g->step_exclusive, "a load-exclusive was stepped");
    } else if (info->kind == EXIT_WATCHPOINT) {
        choice(d, "WnR", g->write, "write", "read");
        flag(d, "WPTV", g->wp_valid, "WPT holds");
        if (g->wp_valid)
            field(d, "WPT", g->wp, DESCRIBE_DEC, 0, "watchpoint %u", g->wp);
        flag(d, "WPF", g->wpf, "the access may have missed the watchpoint");
        flag(d, "FnP", g->fnp, "FAR may be off the address");
        rare(d, "GCS", g->gcs, "guarded control stack access");
        flag(d, "FnV", g->fnv, "FAR is not valid");
        flag(d, "CM", g->cm, "cache maintenance instruction");
        flag(d, "VNCR", g->vncr, "access that stands for a register, by VNCR_EL2");
    }
}

static void fields_gpc(const struct exit_info *info, struct description *d)
{
    const struct exit_gpc *g = &info->u.gpc;

    field_fsc(d, "xFSC", &g->fsc);
    choice(d, "InD", g->insn, "instruction fetch", "data access");
    choice(d, "WnR", g->write, "write", "read");
    flag(d, "S2PTW", g->s2ptw, "on the walk of stage 2");
    field(d, "GPCSC", g->gpcsc, DESCRIBE_BIN, 6, "status of the check");
    flag(d, "VNCR", g->vncr, "access that stands for a register, by VNCR_EL2");
    flag(d, "CM", g->cm, "cache maintenance instruction");
    flag(d, "S1PTW", g->s1ptw, "on the walk of stage 1");
}

static void fields_fp(const struct exit_info *info, struct description *d)
{
    static const char *const names[8] = {"IOF", "DZF", "OFF", "UFF", "IXF", NULL, NULL, "IDF"};
    static const char *const meanings[8] = {
        "invalid operation", "divide by zero", "overflow", "underflow", "inexact", "", "",
        "input denormal"};

    choice(d, "TFV", info->u.fp.valid, "the flags hold", "the flags do not hold");
    for (unsigned n = 0; n < 8; n++) {
        if (names[n] && info->u.fp.valid)
            flag(d, names[n], info->u.fp.flags >> n & 1u, meanings[n]);
    }
    field(d, "VECITR", info->u.fp.vecitr, DESCRIBE_BIN, 3, "%s",
          yes(info->kind == EXIT_FP_EXCEPTION32, "vector iteration"));
}

static void fields_small(const struct exit_info *info, struct description *d)
{
    static const char *const smtc[5] = {"trapped by SMEN or TSM", "illegal in Streaming SVE mode",
                                        "needs Streaming SVE mode", "needs PSTATE.ZA",
                                        "ZT0 trapped"};
    static const char *const other[5] = {"ST64BV", "ST64BV0", "LD64B or ST64B", "TSB CSYNC",
                                         "PSB CSYNC"};

    switch (info->kind) {
    case EXIT_FP_ACCESS: field_cond(d, info->u.cond, info->aarch32); break;
    case EXIT_OTHER:
        field(d, "ISS", info->u.other, DESCRIBE_HEX, 7, "%s",
              info->u.other < COUNT(other) ? other[info->u.other] : "reserved");
        break;
    case EXIT_SME:
        field(d, "SMTC", info->u.smtc, DESCRIBE_BIN, 3, "%s",
              info->u.smtc < COUNT(smtc) ? smtc[info->u.smtc] : "reserved");
        break;
    case EXIT_BTI: field(d, "BTYPE", info->u.btype, DESCRIBE_BIN, 2, "PSTATE.BTYPE"); break;
    case EXIT_TSTART: field_reg(d, "Rd", info->u.rd, true); break;
    case EXIT_ERET:
        choice(d, "ERET", info->u.eret.auth, "ERETAA or ERETAB", "ERET");
        if (info->u.eret.auth)
            choice(d, "ERETA", info->u.eret.b_key, "ERETAB", "ERETAA");
        break;
    case EXIT_FPAC:
        choice(d, "Data", info->u.fpac.data, "data key", "instruction key");
        choice(d, "BKey", info->u.fpac.b_key, "B key", "A key");
        break;
    case EXIT_BKPT32:
    case EXIT_BRK64:
        field(d, "Comment", info->u.brk, DESCRIBE_HEX, 4, "immediate");
        text_put(TEXT(d->summary), "#%u", info->u.brk);
        break;
    case EXIT_PMU:
        choice(d, "SYNC", info->u.pmu.sync, "synchronous", "asynchronous");
        field(d, "FSC", info->u.pmu.fsc, DESCRIBE_BIN, 5, "why the exception was made");
        break;
    default:
        if (info->iss)
            field(d, "ISS", info->iss, DESCRIBE_HEX, 7, "no fields in this class");
        break;
    }
}

/* By kind. Absent: fields_small. */
static void (*const field_table[EXIT_KINDS])(const struct exit_info *, struct description *) = {
    [EXIT_DATA_ABORT] = fields_data_abort,
    [EXIT_INSN_ABORT] = fields_insn_abort,
    [EXIT_SYSREG] = fields_sysreg,
    [EXIT_SYSREG128] = fields_sysreg,
    [EXIT_CP15_32] = fields_cp,
    [EXIT_CP15_64] = fields_cp,
    [EXIT_CP14_32] = fields_cp,
    [EXIT_CP14_64] = fields_cp,
    [EXIT_CP10_ID] = fields_cp,
    [EXIT_CP14_LDC] = fields_ldc,
    [EXIT_WFX] = fields_wfx,
    [EXIT_SVC32] = fields_call,
    [EXIT_HVC32] = fields_call,
    [EXIT_SMC32] = fields_call,
    [EXIT_SVC64] = fields_call,
    [EXIT_HVC64] = fields_call,
    [EXIT_SMC64] = fields_call,
    [EXIT_MOPS] = fields_mops,
    [EXIT_GCS] = fields_gcs,
    [EXIT_SERROR] = fields_serror,
    [EXIT_BREAKPOINT] = fields_debug,
    [EXIT_STEP] = fields_debug,
    [EXIT_WATCHPOINT] = fields_debug,
    [EXIT_VECTOR_CATCH32] = fields_debug,
    [EXIT_GPC] = fields_gpc,
    [EXIT_FP_EXCEPTION32] = fields_fp,
    [EXIT_FP_EXCEPTION64] = fields_fp,
};

void describe_fields(const struct exit_info *info, struct description *d)
{
    d->term = terms[info->ec] ? terms[info->ec] : "reserved";
    field(d, "EC", info->ec, DESCRIBE_HEX, 2, "%s", d->term);
    choice(d, "IL", info->il, "32-bit instruction", "16-bit instruction");
    if (field_table[info->kind])
        field_table[info->kind](info, d);
    else
        fields_small(info, d);
}
