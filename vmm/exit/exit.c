/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/exit.h"

#include <inttypes.h>
#include <stddef.h>

#include "proto/arm/esr.h"
#include "vmm/exit/decode.h"
#include "vmm/exit/exit_internal.h"
#include "vmm/exit/inject.h"
#include "vmm/insn/thumb.h"
#include "vmm/util/log.h"

typedef void exit_fn(struct exit_run *run);

void exit_set_reg(struct exit_run *run, unsigned reg, uint64_t value)
{
    if (reg < 31u) {
        run->reply->flags |= RV_REPLY_REG;
        run->reply->reg = (uint16_t)reg;
        run->reply->value = value;
    }
}

void exit_injected(struct exit_run *run, int error)
{
    if (error)
        run->reply->hold = true;
}

/* The stub steps the PC; it knows nothing of IT blocks. Its reply comes after the load. */
void exit_step(struct exit_run *run)
{
    run->reply->flags |= RV_REPLY_ADVANCE;
    if (!thumb_in_it_block(run->event->pstate))
        return;
    if (vcpu_fetch(run->vcpu, RV_GROUP_CORE)) {
        run->reply->hold = true;
        return;
    }
    run->vcpu->page->pstate = thumb_it_advance(run->vcpu->page->pstate);
    vcpu_mark_dirty(run->vcpu, RV_GROUP_CORE);
}

static void exit_undefined(struct exit_run *run)
{
    exit_injected(run, inject_undef(run->vcpu));
}

static void exit_unexpected(struct exit_run *run)
{
    if (log_first(LOG_KIND_EXIT, run->info->ec)) {
        log_warn("vCPU %u: unexpected exit, class 0x%02x (%s), ESR 0x%" PRIx64 " at pc 0x%" PRIx64
                 ": the guest takes an UNDEFINED exception",
                 run->vcpu->index, run->info->ec, decode_kind_name(run->info->kind),
                 run->event->esr, run->event->pc);
    }
    exit_undefined(run);
}

static void exit_reflect(struct exit_run *run)
{
    const struct exit_info *info = run->info;
    gva_t far = gva(run->event->far);
    bool watchpoint = info->kind == EXIT_WATCHPOINT;
    bool has_far = info->kind == EXIT_PC_ALIGNMENT || (watchpoint && !info->u.debug.fnv);
    uint64_t esr = ESR_SET(info->ec - info->same_el, ESR_ELx_EC) | info->iss;

    if (info->il)
        esr |= ESR_ELx_IL;
    if (watchpoint)
        esr &= ~(uint64_t)ESR_ISS_WP_VNCR; /* RES0 at EL1 */
    exit_injected(run, inject_sync(run->vcpu, esr, has_far ? &far : NULL));
}

static void exit_wait(struct exit_run *run)
{
    run->reply->flags |= RV_REPLY_WAIT;
    exit_step(run);
}

static void exit_cp14(struct exit_run *run)
{
    const struct exit_cp *cp = &run->info->u.cp;

    if (run->info->kind == EXIT_CP14_64)
        vcpu_set_x(run->vcpu, cp->rt2, 0);
    exit_set_reg(run, cp->rt, 0);
    exit_step(run);
}

static void exit_call(struct exit_run *run)
{
    const struct psci *psci = &run->ctx->psci;
    struct exit_reply *reply = run->reply;
    struct call_result result;

    smccc_call(&run->ctx->smccc, run->vcpu, run->info->u.call.imm, &result);
    reply->hold = result.hold;
    if (result.wait)
        reply->flags |= RV_REPLY_WAIT;
    if (result.restart) {
        /* PC and x0 are those of the restart: nothing of the call is left. */
        reply->hold =
            psci->ops->restart(psci->opaque, run->vcpu->index, result.entry, result.context_id);
        return;
    }
    exit_set_reg(run, 0, result.x[0]);
    for (unsigned i = 1; i < 4 && result.has_x1_to_x3; i++)
        vcpu_set_x(run->vcpu, i, result.x[i]);
    /* The PC of a trapped SMC is the SMC's own; that of an HVC is behind it already. */
    if (run->info->kind == EXIT_SMC64)
        exit_step(run);
}

static void exit_sysreg(struct exit_run *run)
{
    const struct exit_sysreg *reg = &run->info->u.sysreg;
    struct sysreg_access access = {
        .reg = reg,
        .vcpu = run->vcpu->index,
        .pc = run->event->pc,
        .reached = run->event->value,
    };

    if (!reg->read)
        access.value = vcpu_get_x(run->vcpu, reg->rt);
    if (!sysreg_emulate(&run->ctx->sysreg, &run->ctx->sysreg_cpus[run->vcpu->index], &access)) {
        exit_undefined(run);
        return;
    }
    if (access.lost) {
        run->reply->hold = true;
        return;
    }
    exit_step(run);
    run->reply->kick_vcpus = access.kick;
    if (reg->read)
        exit_set_reg(run, reg->rt, access.value);
}

/* The host's own error is told to people, whatever comes of it for the guest. */
static void exit_note(struct exit_run *run)
{
    bool guest_told = run->answer.kind == ANSWER_SERROR;

    if (log_first(LOG_KIND_EXIT, run->event->esr)) {
        log_error("vCPU %u: SError while the guest ran, ESR 0x%" PRIx64 " at pc 0x%" PRIx64
                  ": %s; look at the host's error records",
                  run->vcpu->index, run->event->esr, run->event->pc,
                  guest_told ? "the guest takes an SError" : "the guest goes on");
    }
}

/* A virtual SError. Its syndrome is the host's business: the guest's has IDS=1 and no more. */
static void exit_serror(struct exit_run *run)
{
    exit_note(run);
    exit_injected(run, inject_serror(run->vcpu, ESR_ISS_SERROR_IDS));
}

static exit_fn *const exit_table[ANSWER_KINDS] = {
    [ANSWER_UNEXPECTED] = exit_unexpected,
    [ANSWER_UNDEFINED] = exit_undefined,
    [ANSWER_REFLECT] = exit_reflect,
    [ANSWER_STEP] = exit_step,
    [ANSWER_WAIT] = exit_wait,
    [ANSWER_CALL] = exit_call,
    [ANSWER_SYSREG] = exit_sysreg,
    [ANSWER_CP14] = exit_cp14,
    [ANSWER_MMIO] = exit_mmio,
    [ANSWER_INSN] = exit_insn,
    [ANSWER_WALK] = exit_walk,
    [ANSWER_ABORT] = exit_abort,
    [ANSWER_NOTE] = exit_note,
    [ANSWER_SERROR] = exit_serror,
};

/* What the guest accessed, for people. */
static void count_place(struct exit_stats *stats, const struct exit_info *info, uint64_t function)
{
    switch (info->kind) {
    case EXIT_DATA_ABORT:
        exit_stats_at(stats, info->kind, info->u.abort.write, info->u.abort.ipa.v);
        break;
    case EXIT_SYSREG:
        exit_stats_at(stats, info->kind, !info->u.sysreg.read, info->u.sysreg.key);
        break;
    case EXIT_HVC64:
    case EXIT_SMC64: exit_stats_at(stats, info->kind, false, function); break;
    default: break;
    }
}

void exit_handle(struct exit_ctx *ctx, struct vcpu *vcpu, const struct rv_event *event,
                 struct exit_reply *reply)
{
    struct exit_info info;
    struct exit_run run = {.ctx = ctx, .vcpu = vcpu, .event = event, .info = &info, .reply = reply};

    int64_t begun;

    *reply = (struct exit_reply){0};
    decode_exit(event, &info);
    begun = exit_stats_begin(&ctx->stats, info.kind);
    if (ctx->stats.by_place)
        count_place(&ctx->stats, &info, (uint32_t)vcpu_get_x(vcpu, 0));
    if (!exit_write(&run)) {
        run.answer = answer_to(&info);
        exit_table[run.answer.kind](&run);
    }
    exit_stats_end(&ctx->stats, info.kind, begun);
}

void exit_handle_posted(struct exit_ctx *ctx, const struct rv_event *event)
{
    const struct exit_abort *a;
    struct exit_info info;
    int64_t begun = exit_stats_begin(&ctx->stats, EXIT_STATS_POSTED);
    uint64_t value;
    int error;

    decode_exit(event, &info);
    a = &info.u.abort;
    if (info.kind != EXIT_DATA_ABORT || !a->isv || !a->write) {
        if (log_first(LOG_KIND_EXIT, event->esr)) {
            log_error("vCPU %u: the stub posted what is not a write, ESR 0x%" PRIx64
                      ": dropped; the stub and the vmm do not fit together",
                      event->vcpu, event->esr);
        }
        return;
    }
    exit_stats_at(&ctx->stats, EXIT_STATS_POSTED, true, a->ipa.v);
    value = a->srt == 31u ? 0 : event->value & decode_size_mask(a->size);
    error = bus_write(ctx->bus, a->ipa, a->size, value);
    if (error && log_first(LOG_KIND_MMIO, a->ipa.v)) {
        log_warn("vCPU %u: posted %u-byte write of address 0x%" PRIx64
                 " failed (error %d): too late to tell the guest",
                 event->vcpu, a->size, a->ipa.v, -error);
    }
    exit_stats_end(&ctx->stats, EXIT_STATS_POSTED, begun);
}
