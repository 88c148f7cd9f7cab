/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/answer.h"

#include <stddef.h>

#include "proto/arm/esr.h"
#include "proto/boot.h"

static struct answer simple(enum answer_kind kind)
{
    return (struct answer){.kind = (uint8_t)kind};
}

/*
 * The faults that are not stage 2 saying "no RAM here". Those that are of the
 * guest's own making keep their status. The others tell of the machine's memory
 * or of tables that the guest does not have, and are to it what a memory error
 * is: a synchronous external abort (Arm ARM D24.2, ESR_EL1, "DFSC").
 */
static const uint8_t fault_statuses[EXIT_FAULTS] = {
    [EXIT_FAULT_RESERVED] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_ADDRESS_SIZE] = ESR_FSC_ADDRESS_SIZE, /* the level is stage 2's */
    [EXIT_FAULT_TRANSLATION] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_ACCESS_FLAG] = ESR_FSC_EXTERNAL, /* the stub sets all access flags */
    [EXIT_FAULT_PERMISSION] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_EXTERNAL] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_EXTERNAL_WALK] = ESR_FSC_EXTERNAL, /* stage 2's: stage 1's go to EL1 */
    [EXIT_FAULT_TAG_CHECK] = ESR_FSC_EXTERNAL,     /* the guest has no tags */
    [EXIT_FAULT_PARITY] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_PARITY_WALK] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_ALIGNMENT] = ESR_FSC_ALIGNMENT,
    [EXIT_FAULT_DEBUG] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_GPF] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_GPF_WALK] = ESR_FSC_EXTERNAL,
    /* From tables that were changed without break-before-make; reported for either stage. */
    [EXIT_FAULT_TLB_CONFLICT] = ESR_FSC_TLB_CONFLICT,
    [EXIT_FAULT_ATOMIC_UPDATE] = ESR_FSC_ATOMIC_UPDATE,
    [EXIT_FAULT_LOCKDOWN] = ESR_FSC_EXTERNAL,
    [EXIT_FAULT_ATOMIC] = ESR_FSC_ATOMIC,
    [EXIT_FAULT_ASYNC_SERROR] = ESR_FSC_EXTERNAL,
};

static struct answer abort_with(unsigned fsc)
{
    return (struct answer){.kind = ANSWER_ABORT, .fsc = (uint8_t)fsc};
}

/*
 * The fault is not stage 2 saying "no RAM here" to the access itself: it is another one,
 * or it is of the walk of the guest's own tables. False: it says so.
 */
static bool answer_other_fault(const struct exit_abort *a, struct answer *answer)
{
    bool permission = a->fsc.fault == EXIT_FAULT_PERMISSION;

    if (a->fsc.fault != EXIT_FAULT_TRANSLATION && !permission)
        *answer = abort_with(fault_statuses[a->fsc.fault]);
    else if (a->s1ptw)
        *answer = (struct answer){ANSWER_WALK, ESR_FSC_EXTERNAL_WALK};
    /* A permission fault has no IPA, but then it is of an address that is mapped. */
    else if (!permission && a->ipa.v >> RV_IPA_BITS)
        *answer = (struct answer){ANSWER_WALK, ESR_FSC_ADDRESS_SIZE};
    else
        return false;
    return true;
}

static struct answer answer_data_abort(const struct exit_info *info)
{
    const struct exit_abort *a = &info->u.abort;
    struct answer answer;

    if (answer_other_fault(a, &answer))
        return answer;
    /* Cache maintenance by address, where no cache holds anything. */
    if (a->cm)
        return simple(ANSWER_STEP);
    return simple(a->isv ? ANSWER_MMIO : ANSWER_INSN);
}

static struct answer answer_instruction_abort(const struct exit_info *info)
{
    struct answer answer;

    return answer_other_fault(&info->u.abort, &answer) ? answer : abort_with(ESR_FSC_EXTERNAL);
}

/* WFE may end at any time, and so may WFIT and WFET: who uses them looks again. */
static struct answer answer_wfx(const struct exit_info *info)
{
    const struct exit_wfx *w = &info->u.wfx;
    bool waits = w->which == ESR_WFX_WFI && decode_condition(w->cond, info->pstate);

    return simple(waits ? ANSWER_WAIT : ANSWER_STEP);
}

/*
 * An AArch32 instruction of EL0. One whose condition fails may trap all the same
 * (Arm ARM D24.2, ESR_EL2, "COND") and is then a NOP.
 */
static struct answer answer_aarch32(const struct exit_info *info, struct exit_cond cond)
{
    return simple(decode_condition(cond, info->pstate) ? ANSWER_UNDEFINED : ANSWER_STEP);
}

static struct answer answer_cp(const struct exit_info *info)
{
    return answer_aarch32(info, info->u.cp.cond);
}

/*
 * MDCR_EL2.TDRA traps the reads of DBGDRAR and DBGDSAR, which EL0 may do unless
 * MDSCR_EL1.TDCC says otherwise (then EL1 has taken the exception itself).
 */
static struct answer answer_cp14(const struct exit_info *info)
{
    const struct exit_cp *cp = &info->u.cp;
    struct answer answer = answer_cp(info);
    bool rom = info->kind == EXIT_CP14_64 ? cp->opc1 == 0 && (cp->crm == 1 || cp->crm == 2)
                                          : cp->opc1 == 0 && (cp->crn == 1 || cp->crn == 2) &&
                                                cp->crm == 0 && cp->opc2 == 0;

    if (answer.kind == ANSWER_UNDEFINED && cp->read && rom)
        answer.kind = ANSWER_CP14;
    return answer;
}

static struct answer answer_ldc(const struct exit_info *info)
{
    return answer_aarch32(info, info->u.ldc.cond);
}

static struct answer answer_smc32(const struct exit_info *info)
{
    return answer_aarch32(info, info->u.call.cond);
}

/*
 * An error of the machine's memory or interconnect while this guest ran. What is
 * corrected, or was not consumed yet (restartable), harms nobody. All else may
 * have harmed this guest's data, and nothing tells that it did not: the guest has
 * to know. RAS (DDI 0587), "Taking error exceptions".
 */
static struct answer answer_serror(const struct exit_info *info)
{
    const struct exit_serror *s = &info->u.serror;
    bool harmless =
        s->fsc.fault == EXIT_FAULT_ASYNC_SERROR && (s->aet == ESR_AET_CE || s->aet == ESR_AET_UEO);

    return simple(harmless ? ANSWER_NOTE : ANSWER_SERROR);
}

/* By kind. Where `decide` is NULL, `kind` is the answer; absent: UNEXPECTED. */
static const struct {
    uint8_t kind;
    struct answer (*decide)(const struct exit_info *info);
} answers[EXIT_KINDS] = {
    [EXIT_DATA_ABORT] = {.decide = answer_data_abort},
    [EXIT_INSN_ABORT] = {.decide = answer_instruction_abort},
    [EXIT_WFX] = {.decide = answer_wfx},
    [EXIT_SERROR] = {.decide = answer_serror},
    [EXIT_HVC64] = {ANSWER_CALL, NULL},
    [EXIT_SMC64] = {ANSWER_CALL, NULL},
    [EXIT_SYSREG] = {ANSWER_SYSREG, NULL},

    /* Of EL0 in AArch32: EL1 is AArch64, and HVC and SMC are not for EL0. */
    [EXIT_CP15_32] = {.decide = answer_cp},
    [EXIT_CP15_64] = {.decide = answer_cp},
    [EXIT_CP14_32] = {.decide = answer_cp14},
    [EXIT_CP14_64] = {.decide = answer_cp14},
    [EXIT_CP10_ID] = {.decide = answer_cp},
    [EXIT_CP14_LDC] = {.decide = answer_ldc},
    [EXIT_SMC32] = {.decide = answer_smc32},
    [EXIT_HVC32] = {ANSWER_UNDEFINED, NULL},

    /* Features that idregs.c hides, and the guest's own undefined instructions. */
    [EXIT_UNKNOWN] = {ANSWER_UNDEFINED, NULL},
    [EXIT_FP_ACCESS] = {ANSWER_UNDEFINED, NULL},
    [EXIT_SVE] = {ANSWER_UNDEFINED, NULL},
    [EXIT_SME] = {ANSWER_UNDEFINED, NULL},
    [EXIT_PAUTH] = {ANSWER_UNDEFINED, NULL},
    [EXIT_OTHER] = {ANSWER_UNDEFINED, NULL},
    [EXIT_SYSREG128] = {ANSWER_UNDEFINED, NULL},
    [EXIT_ERET] = {ANSWER_UNDEFINED, NULL},
    [EXIT_TSTART] = {ANSWER_UNDEFINED, NULL},
    [EXIT_MOPS] = {ANSWER_UNDEFINED, NULL},
    [EXIT_GCS] = {ANSWER_UNDEFINED, NULL},

    /* What EL1 takes by itself, should a CPU or a debug control bring it to EL2. */
    [EXIT_BTI] = {ANSWER_REFLECT, NULL},
    [EXIT_ILLEGAL_STATE] = {ANSWER_REFLECT, NULL},
    [EXIT_SVC32] = {ANSWER_REFLECT, NULL},
    [EXIT_SVC64] = {ANSWER_REFLECT, NULL},
    [EXIT_FPAC] = {ANSWER_REFLECT, NULL},
    [EXIT_PC_ALIGNMENT] = {ANSWER_REFLECT, NULL},
    [EXIT_SP_ALIGNMENT] = {ANSWER_REFLECT, NULL},
    [EXIT_FP_EXCEPTION32] = {ANSWER_REFLECT, NULL},
    [EXIT_FP_EXCEPTION64] = {ANSWER_REFLECT, NULL},
    [EXIT_BREAKPOINT] = {ANSWER_REFLECT, NULL},
    [EXIT_STEP] = {ANSWER_REFLECT, NULL},
    [EXIT_WATCHPOINT] = {ANSWER_REFLECT, NULL},
    [EXIT_BKPT32] = {ANSWER_REFLECT, NULL},
    [EXIT_VECTOR_CATCH32] = {ANSWER_REFLECT, NULL},
    [EXIT_BRK64] = {ANSWER_REFLECT, NULL},
};

struct answer answer_to(const struct exit_info *info)
{
    return answers[info->kind].decide ? answers[info->kind].decide(info)
                                      : simple((enum answer_kind)answers[info->kind].kind);
}
