/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/decode.h"

#include <string.h>

#include "proto/arm/esr.h"

/* A field of an ISS as a byte or a truth value: none but IMM16 is wider than eight bits. */
#define FIELD(iss, mask) ((uint8_t)ESR_GET(iss, mask))
#define FLAG(iss, mask)  (((iss) & (mask)) != 0)

/* DFSC: reserved codes are absent, which reads EXIT_FAULT_RESERVED. */
#define NONE EXIT_NO_LEVEL
static const struct {
    uint8_t fault;
    int8_t level;
} fsc_table[64] = {
    [0x00] = {EXIT_FAULT_ADDRESS_SIZE, 0},
    [0x01] = {EXIT_FAULT_ADDRESS_SIZE, 1},
    [0x02] = {EXIT_FAULT_ADDRESS_SIZE, 2},
    [0x03] = {EXIT_FAULT_ADDRESS_SIZE, 3},
    [0x04] = {EXIT_FAULT_TRANSLATION, 0},
    [0x05] = {EXIT_FAULT_TRANSLATION, 1},
    [0x06] = {EXIT_FAULT_TRANSLATION, 2},
    [0x07] = {EXIT_FAULT_TRANSLATION, 3},
    [0x08] = {EXIT_FAULT_ACCESS_FLAG, 0}, /* level 0 of these two: FEAT_LPA2 */
    [0x09] = {EXIT_FAULT_ACCESS_FLAG, 1},
    [0x0a] = {EXIT_FAULT_ACCESS_FLAG, 2},
    [0x0b] = {EXIT_FAULT_ACCESS_FLAG, 3},
    [0x0c] = {EXIT_FAULT_PERMISSION, 0},
    [0x0d] = {EXIT_FAULT_PERMISSION, 1},
    [0x0e] = {EXIT_FAULT_PERMISSION, 2},
    [0x0f] = {EXIT_FAULT_PERMISSION, 3},
    [0x10] = {EXIT_FAULT_EXTERNAL, NONE},
    [0x11] = {EXIT_FAULT_TAG_CHECK, NONE},
    [0x12] = {EXIT_FAULT_EXTERNAL_WALK, -2}, /* level -2: FEAT_D128 */
    [0x13] = {EXIT_FAULT_EXTERNAL_WALK, -1}, /* level -1: FEAT_LPA2 */
    [0x14] = {EXIT_FAULT_EXTERNAL_WALK, 0},
    [0x15] = {EXIT_FAULT_EXTERNAL_WALK, 1},
    [0x16] = {EXIT_FAULT_EXTERNAL_WALK, 2},
    [0x17] = {EXIT_FAULT_EXTERNAL_WALK, 3},
    [0x18] = {EXIT_FAULT_PARITY, NONE},
    [0x1b] = {EXIT_FAULT_PARITY_WALK, -1},
    [0x1c] = {EXIT_FAULT_PARITY_WALK, 0},
    [0x1d] = {EXIT_FAULT_PARITY_WALK, 1},
    [0x1e] = {EXIT_FAULT_PARITY_WALK, 2},
    [0x1f] = {EXIT_FAULT_PARITY_WALK, 3},
    [0x21] = {EXIT_FAULT_ALIGNMENT, NONE},
    [0x22] = {EXIT_FAULT_GPF_WALK, -2}, /* FEAT_D128; decode_debug has its own meaning */
    [0x23] = {EXIT_FAULT_GPF_WALK, -1},
    [0x24] = {EXIT_FAULT_GPF_WALK, 0},
    [0x25] = {EXIT_FAULT_GPF_WALK, 1},
    [0x26] = {EXIT_FAULT_GPF_WALK, 2},
    [0x27] = {EXIT_FAULT_GPF_WALK, 3},
    [0x28] = {EXIT_FAULT_GPF, NONE},
    [0x29] = {EXIT_FAULT_ADDRESS_SIZE, -1},
    [0x2a] = {EXIT_FAULT_TRANSLATION, -2},
    [0x2b] = {EXIT_FAULT_TRANSLATION, -1},
    [0x2c] = {EXIT_FAULT_ADDRESS_SIZE, -2},
    [0x30] = {EXIT_FAULT_TLB_CONFLICT, NONE},
    [0x31] = {EXIT_FAULT_ATOMIC_UPDATE, NONE},
    [0x34] = {EXIT_FAULT_LOCKDOWN, NONE},
    [0x35] = {EXIT_FAULT_ATOMIC, NONE},
};
#undef NONE

struct exit_fsc decode_fsc(unsigned code)
{
    struct exit_fsc fsc = {.code = (uint8_t)(code & 63u)};

    fsc.fault = fsc_table[fsc.code].fault;
    fsc.level =
        fsc.fault == EXIT_FAULT_RESERVED ? (int8_t)EXIT_NO_LEVEL : fsc_table[fsc.code].level;
    return fsc;
}

static struct exit_cond cond_of(uint32_t iss)
{
    return (struct exit_cond){FLAG(iss, ESR_ISS_CV), FIELD(iss, ESR_ISS_COND)};
}

static void decode_nothing(const struct rv_event *event, struct exit_info *out)
{
}

static void decode_wfx(const struct rv_event *event, struct exit_info *out)
{
    struct exit_wfx *w = &out->u.wfx;

    w->cond = cond_of(out->iss);
    w->which = FIELD(out->iss, ESR_ISS_WFX_TI);
    w->rn_valid = FLAG(out->iss, ESR_ISS_WFX_RV);
    w->rn = FIELD(out->iss, ESR_ISS_WFX_RN);
}

static void decode_cp32(const struct rv_event *event, struct exit_info *out)
{
    struct exit_cp *cp = &out->u.cp;

    cp->cond = cond_of(out->iss);
    cp->opc2 = FIELD(out->iss, ESR_ISS_CP32_OPC2);
    cp->opc1 = FIELD(out->iss, ESR_ISS_CP32_OPC1);
    cp->crn = FIELD(out->iss, ESR_ISS_CP32_CRN);
    cp->rt = FIELD(out->iss, ESR_ISS_CP32_RT);
    cp->crm = FIELD(out->iss, ESR_ISS_CP32_CRM);
    cp->read = FLAG(out->iss, ESR_ISS_CP32_READ);
}

static void decode_cp64(const struct rv_event *event, struct exit_info *out)
{
    struct exit_cp *cp = &out->u.cp;

    cp->cond = cond_of(out->iss);
    cp->opc1 = FIELD(out->iss, ESR_ISS_CP64_OPC1);
    cp->rt2 = FIELD(out->iss, ESR_ISS_CP64_RT2);
    cp->rt = FIELD(out->iss, ESR_ISS_CP64_RT);
    cp->crm = FIELD(out->iss, ESR_ISS_CP64_CRM);
    cp->read = FLAG(out->iss, ESR_ISS_CP64_READ);
}

static void decode_ldc(const struct rv_event *event, struct exit_info *out)
{
    struct exit_ldc *ldc = &out->u.ldc;

    ldc->cond = cond_of(out->iss);
    ldc->imm8 = FIELD(out->iss, ESR_ISS_LDC_IMM8);
    ldc->rn = FIELD(out->iss, ESR_ISS_LDC_RN);
    ldc->add = FLAG(out->iss, ESR_ISS_LDC_OFFSET);
    ldc->am = FIELD(out->iss, ESR_ISS_LDC_AM);
    ldc->read = FLAG(out->iss, ESR_ISS_LDC_READ);
}

static void decode_fp_access(const struct rv_event *event, struct exit_info *out)
{
    out->u.cond = cond_of(out->iss);
}

static void decode_other(const struct rv_event *event, struct exit_info *out)
{
    out->u.other = out->iss;
}

static void decode_bti(const struct rv_event *event, struct exit_info *out)
{
    out->u.btype = FIELD(out->iss, ESR_ISS_BTI_BTYPE);
}

static void decode_call(const struct rv_event *event, struct exit_info *out)
{
    out->u.call.imm = (uint16_t)ESR_GET(out->iss, ESR_ISS_CALL_IMM16);
}

static void decode_smc32(const struct rv_event *event, struct exit_info *out)
{
    out->u.call.cond = cond_of(out->iss);
    out->u.call.cond_not_known = FLAG(out->iss, ESR_ISS_SMC32_CCKNOWNPASS);
}

static void decode_sysreg(const struct rv_event *event, struct exit_info *out)
{
    struct exit_sysreg *s = &out->u.sysreg;

    s->op0 = FIELD(out->iss, ESR_ISS_SYS_OP0);
    s->op1 = FIELD(out->iss, ESR_ISS_SYS_OP1);
    s->crn = FIELD(out->iss, ESR_ISS_SYS_CRN);
    s->crm = FIELD(out->iss, ESR_ISS_SYS_CRM);
    s->op2 = FIELD(out->iss, ESR_ISS_SYS_OP2);
    s->rt = FIELD(out->iss, ESR_ISS_SYS_RT);
    s->read = FLAG(out->iss, ESR_ISS_SYS_READ);
    s->key = EXIT_SYSREG_KEY(s->op0, s->op1, s->crn, s->crm, s->op2);
}

static void decode_sysreg128(const struct rv_event *event, struct exit_info *out)
{
    decode_sysreg(event, out);
    out->u.sysreg.rt = (uint8_t)(FIELD(out->iss, ESR_ISS_SYS128_RT) << 1);
}

static void decode_eret(const struct rv_event *event, struct exit_info *out)
{
    out->u.eret.auth = FLAG(out->iss, ESR_ISS_ERET_ERET);
    out->u.eret.b_key = FLAG(out->iss, ESR_ISS_ERET_ERETA);
}

static void decode_tstart(const struct rv_event *event, struct exit_info *out)
{
    out->u.rd = FIELD(out->iss, ESR_ISS_TSTART_RD);
}

static void decode_fpac(const struct rv_event *event, struct exit_info *out)
{
    out->u.fpac.data = FLAG(out->iss, ESR_ISS_FPAC_DATA);
    out->u.fpac.b_key = FLAG(out->iss, ESR_ISS_FPAC_B_KEY);
}

static void decode_sme(const struct rv_event *event, struct exit_info *out)
{
    out->u.smtc = FIELD(out->iss, ESR_ISS_SME_SMTC);
}

static void decode_gpc(const struct rv_event *event, struct exit_info *out)
{
    struct exit_gpc *g = &out->u.gpc;

    g->far = gva(event->far);
    g->ipa = ipa(event->ipa);
    g->fsc = decode_fsc(FIELD(out->iss, ESR_ISS_GPC_XFSC));
    g->s2ptw = FLAG(out->iss, ESR_ISS_GPC_S2PTW);
    g->insn = FLAG(out->iss, ESR_ISS_GPC_IND);
    g->gpcsc = FIELD(out->iss, ESR_ISS_GPC_GPCSC);
    g->vncr = FLAG(out->iss, ESR_ISS_GPC_VNCR);
    g->cm = FLAG(out->iss, ESR_ISS_GPC_CM);
    g->s1ptw = FLAG(out->iss, ESR_ISS_GPC_S1PTW);
    g->write = FLAG(out->iss, ESR_ISS_GPC_WNR);
}

/* Which DFSC and IFSC have PFV, and WU: those of synchronous external aborts. */
static bool is_external(const struct exit_fsc *fsc)
{
    return fsc->fault == EXIT_FAULT_EXTERNAL || fsc->fault == EXIT_FAULT_EXTERNAL_WALK;
}

static void decode_abort_iss2(uint32_t iss2, struct exit_abort *a)
{
    a->hdbssf = FLAG(iss2, ESR_ISS2_HDBSSF);
    a->assured_only = FLAG(iss2, ESR_ISS2_ASSURED_ONLY);
    a->overlay = FLAG(iss2, ESR_ISS2_OVERLAY);
}

static void decode_insn_abort(const struct rv_event *event, struct exit_info *out)
{
    struct exit_abort *a = &out->u.abort;

    a->far = gva(event->far);
    a->ipa = ipa(event->ipa);
    a->fsc = decode_fsc(FIELD(out->iss, ESR_ISS_IABT_IFSC));
    a->pfv = is_external(&a->fsc) && FLAG(out->iss, ESR_ISS_IABT_PFV);
    a->top_level = a->fsc.fault == EXIT_FAULT_PERMISSION && FLAG(out->iss, ESR_ISS_IABT_TOPLEVEL);
    decode_abort_iss2(out->iss2, a);
    a->s1ptw = FLAG(out->iss, ESR_ISS_IABT_S1PTW);
    a->fnv = FLAG(out->iss, ESR_ISS_IABT_FNV);
    a->ea = FLAG(out->iss, ESR_ISS_IABT_EA);
    a->set = FIELD(out->iss, ESR_ISS_IABT_SET);
}

/* Of accesses to devices it is zero, as these fields are. */
static void decode_data_abort_iss2(uint32_t iss2, struct exit_abort *a)
{
    decode_abort_iss2(iss2, a);
    a->xs = FIELD(iss2, ESR_ISS2_XS);
    a->dirty_bit = FLAG(iss2, ESR_ISS2_DIRTY_BIT);
    a->gcs = FLAG(iss2, ESR_ISS2_GCS);
    a->tag_access = FLAG(iss2, ESR_ISS2_TAG_ACCESS);
    a->tnd = FLAG(iss2, ESR_ISS2_TND);
}

static void decode_data_abort(const struct rv_event *event, struct exit_info *out)
{
    struct exit_abort *a = &out->u.abort;

    a->far = gva(event->far);
    a->ipa = ipa(event->ipa);
    a->fsc = decode_fsc(FIELD(out->iss, ESR_ISS_DABT_DFSC));
    a->s1ptw = FLAG(out->iss, ESR_ISS_DABT_S1PTW);
    a->fnv = FLAG(out->iss, ESR_ISS_DABT_FNV);
    a->ea = FLAG(out->iss, ESR_ISS_DABT_EA);
    a->set = FIELD(out->iss, ESR_ISS_DABT_SET);
    a->write = FLAG(out->iss, ESR_ISS_DABT_WNR);
    a->cm = FLAG(out->iss, ESR_ISS_DABT_CM);
    a->vncr = FLAG(out->iss, ESR_ISS_DABT_VNCR);
    if (out->iss2)
        decode_data_abort_iss2(out->iss2, a);
    a->isv = FLAG(out->iss, ESR_ISS_DABT_ISV);
    if (!a->isv) {
        a->fnp = FLAG(out->iss, ESR_ISS_DABT_FNP);
        a->top_level =
            a->fsc.fault == EXIT_FAULT_PERMISSION && FLAG(out->iss, ESR_ISS_DABT_TOPLEVEL);
        if (is_external(&a->fsc)) {
            a->pfv = FLAG(out->iss, ESR_ISS_DABT_PFV);
            a->wu = FIELD(out->iss, ESR_ISS_DABT_WU);
        }
        return;
    }
    a->size = (uint8_t)(1u << FIELD(out->iss, ESR_ISS_DABT_SAS));
    a->sign = FLAG(out->iss, ESR_ISS_DABT_SSE);
    a->srt = FIELD(out->iss, ESR_ISS_DABT_SRT);
    a->sf = FLAG(out->iss, ESR_ISS_DABT_SF);
    a->ar = FLAG(out->iss, ESR_ISS_DABT_AR);
}

static void decode_pc_align(const struct rv_event *event, struct exit_info *out)
{
    out->u.pc_align = gva(event->far);
}

static void decode_mops(const struct rv_event *event, struct exit_info *out)
{
    struct exit_mops *m = &out->u.mops;

    m->set = FLAG(out->iss, ESR_ISS_MOPS_SET);
    m->setg = FLAG(out->iss, ESR_ISS_MOPS_SETG);
    m->options = FIELD(out->iss, ESR_ISS_MOPS_OPTIONS);
    m->from_epilogue = FLAG(out->iss, ESR_ISS_MOPS_FROM_EPILOGUE);
    m->wrong_option = FLAG(out->iss, ESR_ISS_MOPS_WRONG_OPTION);
    m->option_a = FLAG(out->iss, ESR_ISS_MOPS_OPTION_A);
    m->rd = FIELD(out->iss, ESR_ISS_MOPS_RD);
    m->rs = FIELD(out->iss, ESR_ISS_MOPS_RS);
    m->rn = FIELD(out->iss, ESR_ISS_MOPS_RN);
}

static void decode_fp_exception(const struct rv_event *event, struct exit_info *out)
{
    out->u.fp.valid = FLAG(out->iss, ESR_ISS_FPEXC_TFV);
    out->u.fp.flags = (uint8_t)(out->iss & ESR_ISS_FPEXC_FLAGS);
    out->u.fp.vecitr = FIELD(out->iss, ESR_ISS_FPEXC_VECITR);
}

static void decode_gcs(const struct rv_event *event, struct exit_info *out)
{
    out->u.gcs.type = FIELD(out->iss, ESR_ISS_GCS_EXTYPE);
    out->u.gcs.raddr = FIELD(out->iss, ESR_ISS_GCS_RADDR);
    out->u.gcs.rvalue = FIELD(out->iss, ESR_ISS_GCS_RVALUE);
    out->u.gcs.insn = FIELD(out->iss, ESR_ISS_GCS_IT);
}

static void decode_serror(const struct rv_event *event, struct exit_info *out)
{
    struct exit_serror *s = &out->u.serror;

    s->fsc = (struct exit_fsc){.level = EXIT_NO_LEVEL};
    s->impdef = FLAG(out->iss, ESR_ISS_SERROR_IDS);
    if (s->impdef)
        return;
    s->iesb = FLAG(out->iss, ESR_ISS_SERROR_IESB);
    s->aet = FIELD(out->iss, ESR_ISS_SERROR_AET);
    s->ea = FLAG(out->iss, ESR_ISS_SERROR_EA);
    s->els = FLAG(out->iss, ESR_ISS_SERROR_ELS);
    s->wu = FIELD(out->iss, ESR_ISS_SERROR_WU);
    s->vfv = FLAG(out->iss, ESR_ISS_SERROR_VFV);
    s->pfv = FLAG(out->iss, ESR_ISS_SERROR_PFV);
    s->wnrv = FLAG(out->iss, ESR_ISS_SERROR_WNRV);
    s->write = FLAG(out->iss, ESR_ISS_SERROR_WNR);
    /* Two codes only: 0b000000 uncategorized, 0b010001 asynchronous SError. */
    s->fsc.code = FIELD(out->iss, ESR_ISS_SERROR_DFSC);
    if (s->fsc.code == ESR_FSC_SERROR)
        s->fsc.fault = EXIT_FAULT_ASYNC_SERROR;
}

static void decode_debug(const struct rv_event *event, struct exit_info *out)
{
    struct exit_debug *d = &out->u.debug;

    d->fsc = (struct exit_fsc){.level = EXIT_NO_LEVEL};
    d->fsc.code = FIELD(out->iss, ESR_ISS_DEBUG_IFSC);
    if (d->fsc.code == ESR_FSC_DEBUG)
        d->fsc.fault = EXIT_FAULT_DEBUG;
}

static void decode_step(const struct rv_event *event, struct exit_info *out)
{
    decode_debug(event, out);
    out->u.debug.step_valid = FLAG(out->iss, ESR_ISS_STEP_ISV);
    out->u.debug.step_exclusive = out->u.debug.step_valid && FLAG(out->iss, ESR_ISS_STEP_EX);
}

static void decode_watchpoint(const struct rv_event *event, struct exit_info *out)
{
    struct exit_debug *d = &out->u.debug;

    decode_debug(event, out);
    d->far = gva(event->far);
    d->wp_valid = FLAG(out->iss, ESR_ISS_WP_WPTV);
    d->wp = FIELD(out->iss, ESR_ISS_WP_WPT);
    d->wpf = FLAG(out->iss, ESR_ISS_WP_WPF);
    d->fnp = FLAG(out->iss, ESR_ISS_WP_FNP);
    d->gcs = FLAG(out->iss2, ESR_ISS2_GCS);
    d->fnv = FLAG(out->iss, ESR_ISS_WP_FNV);
    d->cm = FLAG(out->iss, ESR_ISS_WP_CM);
    d->write = FLAG(out->iss, ESR_ISS_WP_WNR);
    d->vncr = FLAG(out->iss, ESR_ISS_WP_VNCR);
}

static void decode_brk(const struct rv_event *event, struct exit_info *out)
{
    out->u.brk = (uint16_t)ESR_GET(out->iss, ESR_ISS_BRK_COMMENT);
}

static void decode_pmu(const struct rv_event *event, struct exit_info *out)
{
    out->u.pmu.sync = FLAG(out->iss, ESR_ISS_PMU_SYNC);
    out->u.pmu.fsc = FIELD(out->iss, ESR_ISS_PMU_FSC);
}

/* Arm ARM D24.2, ESR_EL2, table of EC. Absent: reserved. */
static const struct {
    uint8_t kind;
    bool same_el;
    void (*iss)(const struct rv_event *event, struct exit_info *out);
} ec_table[ESR_EC_COUNT] = {
    [ESR_EC_UNKNOWN] = {EXIT_UNKNOWN, false, decode_nothing},
    [ESR_EC_WFX] = {EXIT_WFX, false, decode_wfx},
    [ESR_EC_CP15_32] = {EXIT_CP15_32, false, decode_cp32},
    [ESR_EC_CP15_64] = {EXIT_CP15_64, false, decode_cp64},
    [ESR_EC_CP14_32] = {EXIT_CP14_32, false, decode_cp32},
    [ESR_EC_CP14_LDC] = {EXIT_CP14_LDC, false, decode_ldc},
    [ESR_EC_FP] = {EXIT_FP_ACCESS, false, decode_fp_access},
    [ESR_EC_CP10_ID] = {EXIT_CP10_ID, false, decode_cp32},
    [ESR_EC_PAUTH] = {EXIT_PAUTH, false, decode_nothing},
    [ESR_EC_OTHER] = {EXIT_OTHER, false, decode_other},
    [ESR_EC_CP14_64] = {EXIT_CP14_64, false, decode_cp64},
    [ESR_EC_BTI] = {EXIT_BTI, false, decode_bti},
    [ESR_EC_ILLEGAL] = {EXIT_ILLEGAL_STATE, false, decode_nothing},
    [ESR_EC_SVC32] = {EXIT_SVC32, false, decode_call},
    [ESR_EC_HVC32] = {EXIT_HVC32, false, decode_call},
    [ESR_EC_SMC32] = {EXIT_SMC32, false, decode_smc32},
    [ESR_EC_SYSREG128] = {EXIT_SYSREG128, false, decode_sysreg128},
    [ESR_EC_SVC64] = {EXIT_SVC64, false, decode_call},
    [ESR_EC_HVC64] = {EXIT_HVC64, false, decode_call},
    [ESR_EC_SMC64] = {EXIT_SMC64, false, decode_call},
    [ESR_EC_SYSREG] = {EXIT_SYSREG, false, decode_sysreg},
    [ESR_EC_SVE] = {EXIT_SVE, false, decode_nothing},
    [ESR_EC_ERET] = {EXIT_ERET, false, decode_eret},
    [ESR_EC_TSTART] = {EXIT_TSTART, false, decode_tstart},
    [ESR_EC_FPAC] = {EXIT_FPAC, false, decode_fpac},
    [ESR_EC_SME] = {EXIT_SME, false, decode_sme},
    [ESR_EC_GPC] = {EXIT_GPC, false, decode_gpc},
    [ESR_EC_IMPDEF] = {EXIT_IMPDEF, false, decode_nothing},
    [ESR_EC_IABT_LOWER] = {EXIT_INSN_ABORT, false, decode_insn_abort},
    [ESR_EC_IABT_SAME] = {EXIT_INSN_ABORT, true, decode_insn_abort},
    [ESR_EC_PC_ALIGN] = {EXIT_PC_ALIGNMENT, false, decode_pc_align},
    [ESR_EC_DABT_LOWER] = {EXIT_DATA_ABORT, false, decode_data_abort},
    [ESR_EC_DABT_SAME] = {EXIT_DATA_ABORT, true, decode_data_abort},
    [ESR_EC_SP_ALIGN] = {EXIT_SP_ALIGNMENT, false, decode_nothing},
    [ESR_EC_MOPS] = {EXIT_MOPS, false, decode_mops},
    [ESR_EC_FP_EXC32] = {EXIT_FP_EXCEPTION32, false, decode_fp_exception},
    [ESR_EC_FP_EXC64] = {EXIT_FP_EXCEPTION64, false, decode_fp_exception},
    [ESR_EC_GCS] = {EXIT_GCS, false, decode_gcs},
    [ESR_EC_SERROR] = {EXIT_SERROR, false, decode_serror},
    [ESR_EC_BP_LOWER] = {EXIT_BREAKPOINT, false, decode_debug},
    [ESR_EC_BP_SAME] = {EXIT_BREAKPOINT, true, decode_debug},
    [ESR_EC_STEP_LOWER] = {EXIT_STEP, false, decode_step},
    [ESR_EC_STEP_SAME] = {EXIT_STEP, true, decode_step},
    [ESR_EC_WP_LOWER] = {EXIT_WATCHPOINT, false, decode_watchpoint},
    [ESR_EC_WP_SAME] = {EXIT_WATCHPOINT, true, decode_watchpoint},
    [ESR_EC_BKPT32] = {EXIT_BKPT32, false, decode_brk},
    [ESR_EC_VECTOR32] = {EXIT_VECTOR_CATCH32, false, decode_debug},
    [ESR_EC_BRK64] = {EXIT_BRK64, false, decode_brk},
    [ESR_EC_PMU] = {EXIT_PMU, false, decode_pmu},
};

bool decode_is_debug(const struct rv_event *event)
{
    switch (event->type == RV_EVENT_SYNC ? ESR_GET(event->esr, ESR_ELx_EC) : ESR_EC_UNKNOWN) {
    case ESR_EC_BP_LOWER:
    case ESR_EC_STEP_LOWER:
    case ESR_EC_WP_LOWER:
    case ESR_EC_BRK64: return true;
    default: return false;
    }
}

void decode_exit(const struct rv_event *event, struct exit_info *out)
{
    unsigned ec = (unsigned)ESR_GET(event->esr, ESR_ELx_EC);

    memset(out, 0, sizeof(*out));
    out->kind = (enum exit_kind)ec_table[ec].kind;
    out->ec = (uint8_t)ec;
    out->same_el = ec_table[ec].same_el;
    out->il = (event->esr & ESR_ELx_IL) != 0;
    out->iss = (uint32_t)ESR_GET(event->esr, ESR_ELx_ISS);
    out->iss2 = (uint32_t)ESR_GET(event->esr, ESR_ELx_ISS2);
    out->pc = event->pc;
    out->pstate = event->pstate;
    out->aarch32 = (event->pstate & PSTATE_nRW) != 0;
    if (ec_table[ec].iss)
        ec_table[ec].iss(event, out);
}

uint64_t decode_load(const struct exit_abort *abort, uint64_t raw)
{
    uint64_t mask = decode_size_mask(abort->size);
    uint64_t value = raw & mask;
    uint64_t top = mask ^ (mask >> 1);

    if (abort->sign)
        value = (value ^ top) - top;
    return abort->sf ? value : (uint32_t)value;
}

bool decode_condition(struct exit_cond cond, uint32_t pstate)
{
    unsigned code = cond.cond;
    bool n = (pstate & PSTATE_N) != 0, z = (pstate & PSTATE_Z) != 0;
    bool c = (pstate & PSTATE_C) != 0, v = (pstate & PSTATE_V) != 0;
    bool holds;

    if (!cond.valid) {
        unsigned it = decode_it(pstate);

        if ((pstate & (PSTATE_nRW | PSTATE32_T)) != (PSTATE_nRW | PSTATE32_T) || (it & 15u) == 0)
            return true; /* not in an IT block */
        code = it >> 4;
    }
    switch (code >> 1) {
    case 0: holds = z; break;            /* EQ, NE */
    case 1: holds = c; break;            /* CS, CC */
    case 2: holds = n; break;            /* MI, PL */
    case 3: holds = v; break;            /* VS, VC */
    case 4: holds = c && !z; break;      /* HI, LS */
    case 5: holds = n == v; break;       /* GE, LT */
    case 6: holds = n == v && !z; break; /* GT, LE */
    default: return true;                /* AL */
    }
    return holds != ((code & 1u) != 0);
}

static const char *const kind_names[EXIT_KINDS] = {
    [EXIT_RESERVED] = "reserved exception class",
    [EXIT_UNKNOWN] = "unknown reason",
    [EXIT_WFX] = "WFI or WFE",
    [EXIT_CP15_32] = "MCR or MRC of CP15",
    [EXIT_CP15_64] = "MCRR or MRRC of CP15",
    [EXIT_CP14_32] = "MCR or MRC of CP14",
    [EXIT_CP14_LDC] = "LDC or STC of CP14",
    [EXIT_FP_ACCESS] = "floating-point access",
    [EXIT_CP10_ID] = "VMRS of an identification register",
    [EXIT_PAUTH] = "pointer authentication instruction",
    [EXIT_OTHER] = "trapped instruction without a class of its own",
    [EXIT_CP14_64] = "MRRC of CP14",
    [EXIT_BTI] = "branch target exception",
    [EXIT_ILLEGAL_STATE] = "illegal execution state",
    [EXIT_SVC32] = "SVC in AArch32",
    [EXIT_HVC32] = "HVC in AArch32",
    [EXIT_SMC32] = "SMC in AArch32",
    [EXIT_SYSREG128] = "128-bit system register access",
    [EXIT_SVC64] = "SVC",
    [EXIT_HVC64] = "HVC",
    [EXIT_SMC64] = "SMC",
    [EXIT_SYSREG] = "system register access",
    [EXIT_SVE] = "SVE access",
    [EXIT_ERET] = "ERET",
    [EXIT_TSTART] = "TSTART",
    [EXIT_FPAC] = "pointer authentication failure",
    [EXIT_SME] = "SME access",
    [EXIT_GPC] = "granule protection check",
    [EXIT_IMPDEF] = "IMPLEMENTATION DEFINED exception",
    [EXIT_INSN_ABORT] = "instruction abort",
    [EXIT_PC_ALIGNMENT] = "PC alignment fault",
    [EXIT_DATA_ABORT] = "data abort",
    [EXIT_SP_ALIGNMENT] = "SP alignment fault",
    [EXIT_MOPS] = "memory copy or set exception",
    [EXIT_FP_EXCEPTION32] = "floating-point exception in AArch32",
    [EXIT_FP_EXCEPTION64] = "floating-point exception",
    [EXIT_GCS] = "guarded control stack exception",
    [EXIT_SERROR] = "SError",
    [EXIT_BREAKPOINT] = "breakpoint",
    [EXIT_STEP] = "software step",
    [EXIT_WATCHPOINT] = "watchpoint",
    [EXIT_BKPT32] = "BKPT in AArch32",
    [EXIT_VECTOR_CATCH32] = "vector catch in AArch32",
    [EXIT_BRK64] = "BRK",
    [EXIT_PMU] = "profiling exception",
};

static const char *const fault_names[EXIT_FAULTS] = {
    [EXIT_FAULT_RESERVED] = "reserved fault",
    [EXIT_FAULT_ADDRESS_SIZE] = "address size fault",
    [EXIT_FAULT_TRANSLATION] = "translation fault",
    [EXIT_FAULT_ACCESS_FLAG] = "access flag fault",
    [EXIT_FAULT_PERMISSION] = "permission fault",
    [EXIT_FAULT_EXTERNAL] = "external abort",
    [EXIT_FAULT_EXTERNAL_WALK] = "external abort on a table walk",
    [EXIT_FAULT_TAG_CHECK] = "tag check fault",
    [EXIT_FAULT_PARITY] = "parity or ECC error",
    [EXIT_FAULT_PARITY_WALK] = "parity or ECC error on a table walk",
    [EXIT_FAULT_ALIGNMENT] = "alignment fault",
    [EXIT_FAULT_DEBUG] = "debug exception",
    [EXIT_FAULT_GPF] = "granule protection fault",
    [EXIT_FAULT_GPF_WALK] = "granule protection fault on a table walk",
    [EXIT_FAULT_TLB_CONFLICT] = "TLB conflict",
    [EXIT_FAULT_ATOMIC_UPDATE] = "unsupported atomic hardware update",
    [EXIT_FAULT_LOCKDOWN] = "lockdown fault",
    [EXIT_FAULT_ATOMIC] = "unsupported exclusive or atomic access",
    [EXIT_FAULT_ASYNC_SERROR] = "asynchronous SError",
};

const char *decode_kind_name(enum exit_kind kind)
{
    return (unsigned)kind < EXIT_KINDS ? kind_names[kind] : kind_names[EXIT_RESERVED];
}

const char *decode_fault_name(enum exit_fault fault)
{
    return (unsigned)fault < EXIT_FAULTS ? fault_names[fault] : fault_names[EXIT_FAULT_RESERVED];
}
