/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/explain/describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "proto/boot.h"
#include "vmm/exit/answer.h"
#include "vmm/exit/decode.h"
#include "vmm/explain/describe_internal.h"
#include "vmm/insn/insn.h"
#include "vmm/sysreg/sysreg.h"

void text_put(struct text *t, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(t->at, t->left, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n >= t->left)
        n = (int)t->left - 1;
    t->at += n;
    t->left -= (size_t)n;
}

struct describe_name describe_reg(unsigned n, bool x)
{
    struct describe_name name;

    if (n == 31u)
        snprintf(name.s, sizeof(name.s), "%czr", x ? 'x' : 'w');
    else
        snprintf(name.s, sizeof(name.s), "%c%u", x ? 'x' : 'w', n & 31u);
    return name;
}

static const char *yes(bool set, const char *text)
{
    return set ? text : "";
}

/* By answer: the action, and its effect where the kind alone tells it. */
static const struct {
    const char *action, *effect;
} effects[ANSWER_KINDS] = {
    [ANSWER_UNEXPECTED] = {"inject", "UNDEFINED, and a warning: this class is not expected"},
    [ANSWER_UNDEFINED] = {"inject", "UNDEFINED"},
    [ANSWER_REFLECT] = {"inject", "the same exception, to the guest's EL1"},
    [ANSWER_STEP] = {"emulate", "goes on at once"},
    [ANSWER_WAIT] = {"wait", "until an interrupt is pending"},
    [ANSWER_CALL] = {"emulate", "PSCI or SMCCC call; x0 names the function and takes its result"},
    [ANSWER_SYSREG] = {"inject", "UNDEFINED"},
    [ANSWER_CP14] = {"emulate", "reads as zero: there is no debug ROM"},
    [ANSWER_MMIO] = {"emulate", NULL},
    [ANSWER_INSN] = {"emulate", "fetches the instruction and does its accesses one by one"},
    [ANSWER_WALK] = {"inject", NULL},
    [ANSWER_ABORT] = {"inject", NULL},
    [ANSWER_NOTE] = {"account", "an error message for people; the guest goes on"},
    [ANSWER_SERROR] = {"inject", "SError, once PSTATE.A lets it; an error message for people"},
};

static void effect_sysreg(const struct exit_info *info, struct description *d)
{
    bool defined;
    const char *text = sysreg_effect(&info->u.sysreg, &defined);

    if (defined)
        d->action = "emulate";
    if (text)
        snprintf(d->effect, sizeof(d->effect), "%s%s", yes(!defined, "UNDEFINED: "), text);
}

/* A data or instruction abort at the guest's EL1. */
static void effect_abort(const struct exit_info *info, struct answer answer, struct description *d)
{
    const struct exit_abort *a = &info->u.abort;
    const char *own = info->kind == EXIT_INSN_ABORT ? "instruction" : "data";
    const char *level = answer.kind == ANSWER_WALK ? "; a walk of its tables tells the level" : "";
    const char *why = "";

    if (answer.fsc == ESR_FSC_EXTERNAL)
        why = a->fsc.fault == EXIT_FAULT_TRANSLATION ? ": no memory is there"
                                                     : ": this fault is not \"no RAM here\"";
    else if (answer.fsc == ESR_FSC_EXTERNAL_WALK)
        why = ": the tables are not in RAM";
    else if (answer.kind == ANSWER_WALK)
        why = ": the IPA is too wide";
    else if (answer.fsc == a->fsc.code)
        why = ": the same fault status";
    snprintf(d->effect, sizeof(d->effect), "%s abort, %s%s%s", own,
             decode_fault_name((enum exit_fault)decode_fsc(answer.fsc).fault), why, level);
}

static void describe_effect(const struct describe_input *in, const struct exit_info *info,
                            struct description *d)
{
    struct answer answer = answer_to(info);
    const char *text = effects[answer.kind].effect;
    struct insn insn;

    d->action = effects[answer.kind].action;
    snprintf(d->effect, sizeof(d->effect), "%s", text ? text : "");
    switch ((enum answer_kind)answer.kind) {
    case ANSWER_SYSREG: effect_sysreg(info, d); break;
    case ANSWER_WALK:
    case ANSWER_ABORT: effect_abort(info, answer, d); break;
    case ANSWER_MMIO:
        text = info->u.abort.write ? "the device there gets the write"
                                   : "the device there gives the value";
        snprintf(d->effect, sizeof(d->effect), "%s; an external abort if there is none", text);
        break;
    case ANSWER_INSN:
        insn_decode(in->word, &insn);
        if ((in->given & DESCRIBE_INSN) &&
            (insn.class == INSN_OTHER || insn.class == INSN_UNSUPPORTED)) {
            d->action = "inject";
            snprintf(d->effect, sizeof(d->effect), "%s",
                     "data abort, external abort: the instruction is not emulated");
        } else if ((in->given & DESCRIBE_INSN) && insn.class == INSN_EXCLUSIVE) {
            d->action = "inject";
            snprintf(d->effect, sizeof(d->effect), "%s",
                     "data abort, unsupported exclusive: no device has a monitor");
        }
        break;
    case ANSWER_CALL:
        if (info->u.call.imm)
            snprintf(d->effect, sizeof(d->effect), "%s",
                     "x0 = NOT_SUPPORTED: only #0 is a PSCI or SMCCC call");
        break;
    case ANSWER_STEP:
        if (info->kind == EXIT_DATA_ABORT)
            snprintf(d->effect, sizeof(d->effect), "%s",
                     "nothing to do: no cache holds what is there");
        else if (info->kind != EXIT_WFX)
            snprintf(d->effect, sizeof(d->effect), "%s", "nothing to do: the condition fails");
        break;
    default: break;
    }
}

/* An answer that hangs on an AArch32 condition, and that on flags that nobody gave. */
static void describe_condition(const struct describe_input *in, const struct exit_info *info,
                               struct description *d)
{
    struct exit_info other = *info;
    bool differs = false;

    if ((in->given & DESCRIBE_PSTATE) || info->kind == EXIT_WFX)
        return;
    for (uint32_t nzcv = 0; nzcv < 16; nzcv++) {
        other.pstate = nzcv << 28;
        differs |= answer_to(&other).kind != answer_to(info).kind;
    }
    if (differs)
        text_put(TEXT(d->effect), "%s",
                 "nothing, or UNDEFINED if the condition (see PSTATE) holds");
}

static void describe_pstate(uint32_t p, struct text *t)
{
    static const char *const modes[16] = {
        [0] = "EL0t", [4] = "EL1t", [5] = "EL1h", [8] = "EL2t", [9] = "EL2h"};
    const char *mode = modes[p & PSTATE_M];

    if (p & PSTATE_nRW)
        text_put(t, "AArch32 mode 0x%x, %s", (unsigned)(p & 0x1fu), p & PSTATE32_T ? "T32" : "A32");
    else
        text_put(t, "%s", mode ? mode : "reserved mode");
    text_put(t, ", %c%c%c%c", p & PSTATE_N ? 'N' : 'n', p & PSTATE_Z ? 'Z' : 'z',
             p & PSTATE_C ? 'C' : 'c', p & PSTATE_V ? 'V' : 'v');
    text_put(t, ", %c%c%c%c", p & PSTATE_D ? 'D' : 'd', p & PSTATE_A ? 'A' : 'a',
             p & PSTATE_I ? 'I' : 'i', p & PSTATE_F ? 'F' : 'f');
    text_put(t, "%s%s", yes(p & PSTATE_SS, ", SS"), yes(p & PSTATE_IL, ", IL"));
    if (!(p & PSTATE_nRW))
        text_put(t, "%s", yes(p & PSTATE_PAN, ", PAN"));
}

/* Arm ARM D24.2, "FAR_EL2": the classes that set it. */
static bool describe_has_far(const struct exit_info *info)
{
    switch (info->kind) {
    case EXIT_DATA_ABORT:
    case EXIT_INSN_ABORT: return !info->u.abort.fnv;
    case EXIT_WATCHPOINT: return !info->u.debug.fnv;
    case EXIT_SERROR: return info->u.serror.vfv;
    case EXIT_PC_ALIGNMENT:
    case EXIT_GPC: return true;
    default: return false;
    }
}

/* Arm ARM D24.2, "HPFAR_EL2": not for permission faults, but for those of a table walk. */
static bool describe_has_ipa(const struct exit_info *info)
{
    const struct exit_abort *a = &info->u.abort;

    if (info->kind != EXIT_DATA_ABORT && info->kind != EXIT_INSN_ABORT)
        return info->kind == EXIT_GPC;
    return a->s1ptw || a->fsc.fault == EXIT_FAULT_TRANSLATION ||
           a->fsc.fault == EXIT_FAULT_ACCESS_FLAG || a->fsc.fault == EXIT_FAULT_ADDRESS_SIZE;
}

void describe(const struct describe_input *in, struct description *d)
{
    struct exit_info info;

    memset(d, 0, sizeof(*d));
    decode_exit(&in->event, &info);
    d->esr = in->event.esr;
    d->kind = decode_kind_name(info.kind);
    describe_fields(&info, d);
    describe_effect(in, &info, d);
    describe_condition(in, &info, d);
    if ((in->given & DESCRIBE_IPA) && describe_has_ipa(&info))
        describe_place(in->event.ipa, TEXT(d->place));
    d->has_far = describe_has_far(&info);
    d->has_ipa = describe_has_ipa(&info);
    if (in->given & DESCRIBE_PC)
        text_put(TEXT(d->pc), "%s",
                 info.kind == EXIT_HVC64 || info.kind == EXIT_HVC32 || info.kind == EXIT_SVC64 ||
                         info.kind == EXIT_SVC32
                     ? "behind the instruction"
                     : "at the instruction");
    if (in->given & DESCRIBE_PSTATE)
        describe_pstate(in->event.pstate, TEXT(d->pstate));
    if (in->given & DESCRIBE_INSN)
        describe_insn(in->word, TEXT(d->insn));
}

static void print_field(const struct describe_field *f, FILE *file)
{
    char value[40];
    struct text *t = TEXT(value);

    if (f->base == DESCRIBE_HEX) {
        text_put(t, "0x%0*" PRIx32, f->digits, f->value);
    } else if (f->base == DESCRIBE_BIN && f->digits > 1) {
        text_put(t, "0b");
        for (unsigned n = f->digits; n-- > 0;)
            text_put(t, "%u", f->value >> n & 1u);
    } else {
        text_put(t, "%" PRIu32, f->value);
    }
    if (f->text[0])
        fprintf(file, "  %-9s %-9s %s\n", f->name, value, f->text);
    else
        fprintf(file, "  %-9s %s\n", f->name, value);
}

/* Fields that need no line of their own. */
enum brief {
    BRIEF_NOT,
    BRIEF_NUMBER, /* a number without a meaning of its own: a part of an encoding */
    BRIEF_ZERO,   /* a flag that says nothing by being 0 */
};

static enum brief brief(const struct describe_field *f)
{
    if (f->text[0])
        return BRIEF_NOT;
    if (f->base == DESCRIBE_DEC)
        return BRIEF_NUMBER;
    return f->value == 0 ? BRIEF_ZERO : BRIEF_NOT;
}

static void print_brief(const struct description *d, enum brief which, FILE *file)
{
    bool first = true;

    for (unsigned n = 0; n < d->nr_fields; n++) {
        const struct describe_field *f = &d->fields[n];

        if (brief(f) != which)
            continue;
        if (first)
            fprintf(file, "  %-9s", which == BRIEF_ZERO ? "all 0" : "encoding");
        first = false;
        fprintf(file, " %s", f->name);
        if (which == BRIEF_NUMBER)
            fprintf(file, "=%" PRIu32, f->value);
    }
    if (!first)
        fprintf(file, "\n");
}

void describe_print(const struct describe_input *in, const struct description *d, FILE *file)
{
    fprintf(file, "ESR 0x%" PRIx64 ": %s%s%s%s%s\n", d->esr, d->kind, yes(d->summary[0], ", "),
            d->summary, yes(d->place[0], ", "), d->place);
    for (unsigned n = 0; n < d->nr_fields; n++) {
        if (brief(&d->fields[n]) == BRIEF_NOT)
            print_field(&d->fields[n], file);
    }
    print_brief(d, BRIEF_NUMBER, file);
    print_brief(d, BRIEF_ZERO, file);
    if (in->given & DESCRIBE_FAR)
        fprintf(file, "  %-9s 0x%" PRIx64 "%s\n", "FAR", in->event.far,
                yes(!d->has_far, ", which this exit does not set"));
    if (in->given & DESCRIBE_IPA)
        fprintf(file, "  %-9s 0x%" PRIx64 ", %s\n", "IPA", in->event.ipa,
                d->has_ipa ? d->place : "which this exit does not set");
    if (in->given & DESCRIBE_PC)
        fprintf(file, "  %-9s 0x%" PRIx64 ", %s\n", "PC", in->event.pc, d->pc);
    if (in->given & DESCRIBE_PSTATE)
        fprintf(file, "  %-9s 0x%" PRIx32 ", %s\n", "PSTATE", in->event.pstate, d->pstate);
    if (in->given & DESCRIBE_INSN)
        fprintf(file, "  %-9s %08" PRIx32 "  %s\n", "insn", in->word, d->insn);
    fprintf(file, "  %-9s %-9s %s\n\n", "vmm", d->action, d->effect);
}
