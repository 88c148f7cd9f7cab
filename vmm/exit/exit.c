/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/exit.h"

#include <inttypes.h>
#include <stddef.h>

#include "proto/boot.h"
#include "vmm/exit/decode.h"
#include "proto/arm/esr.h"
#include "vmm/exit/inject.h"
#include "vmm/exit/thumb.h"
#include "vmm/log.h"

/* One exit on its way. */
struct exit_run {
    struct exit_ctx *ctx;
    struct vcpu *vcpu;
    const struct rv_event *event;
    const struct exit_info *info;
    struct exit_reply *reply; /* zeroed: back to the guest at its PC */
};

typedef void exit_fn(struct exit_run *run);

#define EXIT_FETCH_TRIES 16u

/* Register 31 is the zero register: what goes there is gone. */
static void exit_set_reg(struct exit_reply *reply, unsigned reg, uint64_t value)
{
    if (reg < 31u) {
        reply->flags |= RV_REPLY_REG;
        reply->reg = (uint16_t)reg;
        reply->value = value;
    }
}

/* An injection that failed has said why. The guest cannot go on from where it is. */
static void exit_injected(struct exit_run *run, int err)
{
    if (err)
        run->reply->hold = true;
}

static void exit_undefined(struct exit_run *run)
{
    exit_injected(run, inject_undef(run->vcpu));
}

/*
 * Exceptions that the guest's EL1 takes by itself; should a CPU or a debug
 * control bring one to EL2, EL1 gets it as it is.
 */
static void exit_reflect(struct exit_run *run)
{
    const struct exit_info *info = run->info;
    gva_t far = gva(run->event->far);
    bool has_far = info->kind == EXIT_PC_ALIGNMENT || info->kind == EXIT_WATCHPOINT;
    uint64_t esr = ESR_SET(info->ec - info->same_el, ESR_ELx_EC) | info->iss;

    if (info->il)
        esr |= ESR_ELx_IL;
    exit_injected(run, inject_sync(run->vcpu, esr, has_far ? &far : NULL));
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

/* WFE may end at any time, and so may WFIT and WFET: who uses them looks again. */
static void exit_wfx(struct exit_run *run)
{
    const struct exit_wfx *w = &run->info->u.wfx;

    run->reply->flags = RV_REPLY_ADVANCE;
    if (w->which == ESR_WFX_WFI && decode_condition(w->cond, run->info->pstate))
        run->reply->flags |= RV_REPLY_WAIT;
}

/*
 * An AArch32 instruction of EL0: nothing there is emulated. One whose condition
 * fails may trap all the same (Arm ARM D24.2, ESR_EL2, "COND") and is then a NOP.
 */
static void exit_aarch32(struct exit_run *run, struct exit_cond cond)
{
    if (decode_condition(cond, run->info->pstate))
        exit_undefined(run);
    else
        run->reply->flags = RV_REPLY_ADVANCE;
}

static void exit_cp(struct exit_run *run)
{
    exit_aarch32(run, run->info->u.cp.cond);
}

static void exit_ldc(struct exit_run *run)
{
    exit_aarch32(run, run->info->u.ldc.cond);
}

static void exit_smc32(struct exit_run *run)
{
    exit_aarch32(run, run->info->u.call.cond);
}

/* `advance`: the reply's flag that takes the PC behind the call, if it is not there yet. */
static void exit_call(struct exit_run *run, uint8_t advance)
{
    const struct psci *psci = &run->ctx->psci;
    struct exit_reply *reply = run->reply;
    struct call_result result;

    smccc_call(&run->ctx->smccc, run->vcpu, run->info->u.call.imm, &result);
    reply->hold = result.hold;
    if (result.wait)
        reply->flags = RV_REPLY_WAIT;
    if (result.restart) {
        /* PC and x0 are those of the restart: nothing of the call is left. */
        reply->hold =
            psci->ops->restart(psci->opaque, run->vcpu->index, result.entry, result.context_id);
        return;
    }
    reply->flags |= advance;
    exit_set_reg(reply, 0, result.x[0]);
    for (unsigned i = 1; i < 4 && result.has_x1_to_x3; i++)
        vcpu_set_x(run->vcpu, i, result.x[i]);
}

static void exit_hvc(struct exit_run *run)
{
    exit_call(run, 0);
}

/* The PC of a trapped SMC is the SMC's own; that of an HVC is behind it already. */
static void exit_smc(struct exit_run *run)
{
    exit_call(run, RV_REPLY_ADVANCE);
}

static void exit_sysreg(struct exit_run *run)
{
    const struct exit_sysreg *reg = &run->info->u.sysreg;
    struct sysreg_access access = {
        .reg = reg,
        .vcpu = run->vcpu->index,
        .pc = run->event->pc,
    };

    if (!reg->read)
        access.value = vcpu_get_x(run->vcpu, reg->rt);
    if (!sysreg_emulate(&run->ctx->sysreg, &run->ctx->sysreg_cpus[run->vcpu->index], &access)) {
        exit_undefined(run);
        return;
    }
    run->reply->flags = RV_REPLY_ADVANCE;
    run->reply->kick_vcpus = access.kick;
    if (reg->read)
        exit_set_reg(run->reply, reg->rt, access.value);
}

/* A data abort of the guest's own with fault status `fsc`. */
static void exit_inject_dabt(struct exit_run *run, uint32_t fsc)
{
    const uint32_t keep = ESR_ISS_DABT_FNV | ESR_ISS_DABT_CM | ESR_ISS_DABT_WNR;

    exit_injected(
        run, inject_data_abort(run->vcpu, gva(run->event->far), (run->info->iss & keep) | fsc));
}

/*
 * No device took the access. An IPA that is wider than the guest's physical
 * addresses is its page tables' fault: an address size fault. All else gets
 * what a bus without a listener gives: a synchronous external abort.
 */
static void exit_mmio_failed(struct exit_run *run, int err)
{
    const struct exit_abort *a = &run->info->u.abort;

    if (a->ipa.v >> RV_IPA_BITS) {
        exit_inject_dabt(run, ESR_FSC_ADDRESS_SIZE);
        return;
    }
    if (log_first(LOG_KIND_MMIO, a->ipa.v)) {
        log_warn("vCPU %u: %u-byte %s of address 0x%" PRIx64 " at pc 0x%" PRIx64
                 " failed (error %d): the guest takes an external abort",
                 run->vcpu->index, a->size, a->write ? "write" : "read", a->ipa.v, run->event->pc,
                 -err);
    }
    exit_inject_dabt(run, ESR_FSC_EXTERNAL);
}

/* What the emulated instruction met instead of its access. */
static void exit_insn_fault(struct exit_run *run, const struct insn_fault *fault)
{
    uint32_t iss = fault->write ? ESR_ISS_DABT_WNR : 0;

    switch (fault->kind) {
    case INSN_FAULT_SP:
        exit_injected(
            run, inject_sync(run->vcpu, ESR_SET(ESR_EC_SP_ALIGN, ESR_ELx_EC) | ESR_ELx_IL, NULL));
        return;
    case INSN_FAULT_ALIGNMENT: iss |= ESR_FSC_ALIGNMENT; break;
    case INSN_FAULT_TRANSLATE: iss |= fault->fsc; break;
    case INSN_FAULT_EXCLUSIVE:
        iss |= ESR_FSC_ATOMIC;
        if (log_first(LOG_KIND_MMIO, run->info->u.abort.ipa.v)) {
            log_warn("vCPU %u: exclusive %s of address 0x%" PRIx64 " at pc 0x%" PRIx64
                     ": devices have no exclusive monitor; use an atomic instruction or a lock",
                     run->vcpu->index, fault->write ? "store" : "load", run->info->u.abort.ipa.v,
                     run->event->pc);
        }
        break;
    default:
        iss |= fault->ipa.v >> RV_IPA_BITS ? ESR_FSC_ADDRESS_SIZE : ESR_FSC_EXTERNAL;
        if (log_first(LOG_KIND_MMIO, fault->ipa.v)) {
            log_warn("vCPU %u: %s of address 0x%" PRIx64 " at pc 0x%" PRIx64
                     " failed (error %d): the guest takes an external abort",
                     run->vcpu->index, fault->write ? "write" : "read", fault->ipa.v,
                     run->event->pc, -fault->err);
        }
        break;
    }
    exit_injected(run, inject_data_abort(run->vcpu, fault->far, iss));
}

/*
 * ISV=0: the syndrome does not tell the access; only the instruction does. One
 * that cannot be fetched is tried again, since another vCPU may be changing the
 * page tables; but not for ever.
 */
static void exit_mmio_by_instruction(struct exit_run *run)
{
    uint8_t *tries = &run->ctx->fetch_tries[run->vcpu->index];
    struct insn_mmio_result result;

    switch (insn_mmio_run(&run->ctx->insn_mmio, run->vcpu, run->event, &result)) {
    case INSN_MMIO_DONE:
        run->reply->flags = RV_REPLY_ADVANCE;
        *tries = 0;
        return;
    case INSN_MMIO_FAULT:
        *tries = 0;
        exit_insn_fault(run, &result.fault);
        return;
    case INSN_MMIO_LOST: run->reply->hold = true; return;
    case INSN_MMIO_FETCH:
        if (++*tries < EXIT_FETCH_TRIES)
            return; /* back to the same PC */
        break;
    case INSN_MMIO_UNSUPPORTED: break;
    }
    *tries = 0;
    if (log_first(LOG_KIND_MMIO, run->info->u.abort.ipa.v)) {
        if (run->event->pstate & PSTATE_nRW) {
            log_warn("vCPU %u: access to address 0x%" PRIx64 " at pc 0x%" PRIx64
                     " by AArch32 code, with more than one register, writeback or SIMD: not "
                     "emulated, the guest takes an external abort",
                     run->vcpu->index, run->info->u.abort.ipa.v, run->event->pc);
        } else {
            log_warn("vCPU %u: access to address 0x%" PRIx64 " at pc 0x%" PRIx64
                     " by an instruction that is not emulated (0x%08" PRIx32
                     "): the guest takes an external abort",
                     run->vcpu->index, run->info->u.abort.ipa.v, run->event->pc, result.word);
        }
    }
    exit_inject_dabt(run, ESR_FSC_EXTERNAL);
}

static void exit_mmio(struct exit_run *run)
{
    const struct exit_abort *a = &run->info->u.abort;
    uint64_t value = 0;
    int err;

    if (a->write) {
        if (a->srt != 31u)
            value = run->event->value & decode_size_mask(a->size);
        err = bus_write(run->ctx->bus, a->ipa, a->size, value);
    } else {
        err = bus_read(run->ctx->bus, a->ipa, a->size, &value);
        if (!err)
            exit_set_reg(run->reply, a->srt, decode_load(a, value));
    }
    if (err) {
        exit_mmio_failed(run, err);
        return;
    }
    run->reply->flags |= RV_REPLY_ADVANCE;
}

/* A fault that is not stage 2 saying "no RAM here": the guest gets what the CPU said. */
static void exit_memory_error(struct exit_run *run)
{
    const struct exit_abort *a = &run->info->u.abort;
    uint32_t fsc = ESR_FSC_EXTERNAL;

    if (log_first(LOG_KIND_EXIT, (uint64_t)a->fsc.code << 8 | run->info->ec)) {
        log_warn("vCPU %u: %s: %s, ESR 0x%" PRIx64 " at pc 0x%" PRIx64 ", address 0x%" PRIx64
                 ": passed to the guest",
                 run->vcpu->index, decode_kind_name(run->info->kind),
                 decode_fault_name((enum exit_fault)a->fsc.fault), run->event->esr, run->event->pc,
                 run->event->far);
    }
    if (a->fsc.fault == EXIT_FAULT_ADDRESS_SIZE)
        fsc = ESR_FSC_ADDRESS_SIZE;
    else if (a->fsc.fault == EXIT_FAULT_ALIGNMENT || a->fsc.fault == EXIT_FAULT_ATOMIC)
        fsc = a->fsc.code;
    exit_inject_dabt(run, fsc);
}

static bool exit_is_stage2_miss(const struct exit_abort *a)
{
    return a->fsc.fault == EXIT_FAULT_TRANSLATION || a->fsc.fault == EXIT_FAULT_PERMISSION;
}

static void exit_data_abort(struct exit_run *run)
{
    const struct exit_abort *a = &run->info->u.abort;

    if (!exit_is_stage2_miss(a)) {
        exit_memory_error(run);
    } else if (a->s1ptw) {
        /* Its page tables are not in RAM. Which level was walked, stage 2 does not tell: 0. */
        exit_inject_dabt(run, ESR_FSC_EXTERNAL_WALK);
    } else if (a->cm) {
        /* Cache maintenance by address, where no cache holds anything: done. */
        run->reply->flags = RV_REPLY_ADVANCE;
    } else if (a->isv) {
        exit_mmio(run);
    } else {
        exit_mmio_by_instruction(run);
    }
}

static void exit_instruction_abort(struct exit_run *run)
{
    const struct exit_abort *a = &run->info->u.abort;
    uint32_t fsc = ESR_FSC_EXTERNAL;

    if (exit_is_stage2_miss(a) && a->s1ptw)
        fsc = ESR_FSC_EXTERNAL_WALK;
    else if (a->fsc.fault == EXIT_FAULT_ADDRESS_SIZE ||
             (exit_is_stage2_miss(a) && a->ipa.v >> RV_IPA_BITS))
        fsc = ESR_FSC_ADDRESS_SIZE;
    if (log_first(LOG_KIND_EXIT, a->ipa.v << 8 | run->info->ec)) {
        log_warn("vCPU %u: runs at address 0x%" PRIx64 " (pc 0x%" PRIx64
                 "), where no memory is: the guest takes an instruction abort",
                 run->vcpu->index, a->ipa.v, run->event->pc);
    }
    exit_injected(run, inject_instruction_abort(run->vcpu, gva(run->event->far),
                                                (run->info->iss & ESR_ISS_IABT_FNV) | fsc));
}

/*
 * The host's memory or interconnect reported an error while this guest ran.
 * Nothing says whose it is; the guest goes on, and people are told.
 */
static void exit_serror(struct exit_run *run)
{
    if (log_first(LOG_KIND_EXIT, run->event->esr)) {
        log_error("vCPU %u: SError while the guest ran, ESR 0x%" PRIx64 " at pc 0x%" PRIx64
                  ": look at the host's error records",
                  run->vcpu->index, run->event->esr, run->event->pc);
    }
}

/* By kind. Absent: exit_unexpected. */
static exit_fn *const exit_table[EXIT_KINDS] = {
    [EXIT_DATA_ABORT] = exit_data_abort,
    [EXIT_INSN_ABORT] = exit_instruction_abort,
    [EXIT_HVC64] = exit_hvc,
    [EXIT_SMC64] = exit_smc,
    [EXIT_SYSREG] = exit_sysreg,
    [EXIT_WFX] = exit_wfx,
    [EXIT_SERROR] = exit_serror,

    /* Of EL0 in AArch32: EL1 is AArch64, and HVC and SMC are not for EL0. */
    [EXIT_CP15_32] = exit_cp,
    [EXIT_CP15_64] = exit_cp,
    [EXIT_CP14_32] = exit_cp,
    [EXIT_CP14_64] = exit_cp,
    [EXIT_CP10_ID] = exit_cp,
    [EXIT_CP14_LDC] = exit_ldc,
    [EXIT_SMC32] = exit_smc32,
    [EXIT_HVC32] = exit_undefined,

    /* Features that idregs.c hides, and the guest's own undefined instructions. */
    [EXIT_UNKNOWN] = exit_undefined,
    [EXIT_FP_ACCESS] = exit_undefined,
    [EXIT_SVE] = exit_undefined,
    [EXIT_SME] = exit_undefined,
    [EXIT_PAUTH] = exit_undefined,
    [EXIT_OTHER] = exit_undefined,
    [EXIT_SYSREG128] = exit_undefined,
    [EXIT_ERET] = exit_undefined,
    [EXIT_TSTART] = exit_undefined,
    [EXIT_MOPS] = exit_undefined,
    [EXIT_GCS] = exit_undefined,

    [EXIT_BTI] = exit_reflect,
    [EXIT_ILLEGAL_STATE] = exit_reflect,
    [EXIT_SVC32] = exit_reflect,
    [EXIT_SVC64] = exit_reflect,
    [EXIT_FPAC] = exit_reflect,
    [EXIT_PC_ALIGNMENT] = exit_reflect,
    [EXIT_SP_ALIGNMENT] = exit_reflect,
    [EXIT_FP_EXCEPTION32] = exit_reflect,
    [EXIT_FP_EXCEPTION64] = exit_reflect,
    [EXIT_BREAKPOINT] = exit_reflect,
    [EXIT_STEP] = exit_reflect,
    [EXIT_WATCHPOINT] = exit_reflect,
    [EXIT_BKPT32] = exit_reflect,
    [EXIT_VECTOR_CATCH32] = exit_reflect,
    [EXIT_BRK64] = exit_reflect,
};

/* The stub steps the PC; it knows nothing of IT blocks. Its reply comes after the load. */
static void exit_advance_it(struct exit_run *run)
{
    if (vcpu_fetch(run->vcpu, RV_GROUP_CORE)) {
        run->reply->hold = true;
        return;
    }
    run->vcpu->page->pstate = thumb_it_advance(run->vcpu->page->pstate);
    vcpu_mark_dirty(run->vcpu, RV_GROUP_CORE);
}

void exit_handle(struct exit_ctx *ctx, struct vcpu *vcpu, const struct rv_event *event,
                 struct exit_reply *reply)
{
    struct exit_info info;
    struct exit_run run = {ctx, vcpu, event, &info, reply};
    exit_fn *handle;

    *reply = (struct exit_reply){0};
    decode_exit(event, &info);
    handle = exit_table[info.kind];
    if (!handle)
        handle = exit_unexpected;
    handle(&run);
    if ((reply->flags & RV_REPLY_ADVANCE) && thumb_in_it_block(event->pstate))
        exit_advance_it(&run);
}

void exit_handle_posted(struct exit_ctx *ctx, const struct rv_event *event)
{
    const struct exit_abort *a;
    struct exit_info info;
    uint64_t value;
    int err;

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
    value = a->srt == 31u ? 0 : event->value & decode_size_mask(a->size);
    err = bus_write(ctx->bus, a->ipa, a->size, value);
    if (err && log_first(LOG_KIND_MMIO, a->ipa.v)) {
        log_warn("vCPU %u: posted %u-byte write of address 0x%" PRIx64
                 " failed (error %d): too late to tell the guest",
                 event->vcpu, a->size, a->ipa.v, -err);
    }
}
