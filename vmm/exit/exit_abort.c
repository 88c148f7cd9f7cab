/* SPDX-License-Identifier: BSD-2-Clause */
/* Data and instruction aborts: the bus, the instruction, the guest's tables, or an abort at EL1. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "proto/arm/esr.h"
#include "vmm/exit/exit_internal.h"
#include "vmm/exit/inject.h"
#include "vmm/insn/walk.h"
#include "vmm/util/log.h"

/*
 * Another vCPU may change the tables between the fault and our look at them. Then
 * the guest tries again, and takes the fault that it has earned by itself; but not
 * for ever, should stage 2 and the vmm not see the same memory.
 */
#define EXIT_TRIES 16u

/* Back to the same PC? False: it was tried often enough. */
static bool exit_try_again(struct exit_run *run)
{
    uint8_t *tries = &run->ctx->tries[run->vcpu->index];

    if (++*tries < EXIT_TRIES)
        return true;
    *tries = 0;
    return false;
}

static void exit_tried(struct exit_run *run)
{
    run->ctx->tries[run->vcpu->index] = 0;
}

static bool exit_is_fetch(const struct exit_run *run)
{
    return run->info->kind == EXIT_INSN_ABORT;
}

/* The abort that the guest's EL1 takes for this one, with fault status `fsc`. */
static void exit_inject_abort(struct exit_run *run, uint32_t fsc)
{
    const uint32_t keep = ESR_ISS_DABT_FNV | ESR_ISS_DABT_CM | ESR_ISS_DABT_WNR;
    gva_t far = gva(run->event->far);
    uint32_t iss = run->info->iss;

    if (exit_is_fetch(run))
        exit_injected(run,
                      inject_instruction_abort(run->vcpu, far, (iss & ESR_ISS_IABT_FNV) | fsc));
    else
        exit_injected(run, inject_data_abort(run->vcpu, far, (iss & keep) | fsc));
}

void exit_abort(struct exit_run *run)
{
    const struct exit_abort *a = &run->info->u.abort;
    bool nothing_there = a->fsc.fault == EXIT_FAULT_TRANSLATION;

    if (nothing_there && log_first(LOG_KIND_EXIT, a->ipa.v << 8 | run->info->ec)) {
        log_warn("vCPU %u: runs at address 0x%" PRIx64 " (pc 0x%" PRIx64
                 "), where no memory is: the guest takes an instruction abort",
                 run->vcpu->index, a->ipa.v, run->event->pc);
    }
    if (!nothing_there && log_first(LOG_KIND_EXIT, (uint64_t)a->fsc.code << 8 | run->info->ec)) {
        log_warn("vCPU %u: %s: %s, ESR 0x%" PRIx64 " at pc 0x%" PRIx64 ", address 0x%" PRIx64
                 ": passed to the guest",
                 run->vcpu->index, decode_kind_name(run->info->kind),
                 decode_fault_name((enum exit_fault)a->fsc.fault), run->event->esr, run->event->pc,
                 run->event->far);
    }
    exit_inject_abort(run, run->answer.fsc);
}

/* The guest's tables, read as its MMU does. */
static int table_read(void *opaque, ipa_t addr, uint64_t *word)
{
    return insn_mmio_word(&((const struct exit_run *)opaque)->ctx->insn_mmio, addr, word);
}

/*
 * Nothing is changed. A walk that faulted in stage 2 and would set a flag has come
 * to where it faulted; any other does not depend on it.
 */
static int table_swap(void *opaque, ipa_t addr, uint64_t old, uint64_t new)
{
    const struct exit_run *run = opaque;

    return run->info->kind == EXIT_DATA_ABORT || run->info->kind == EXIT_INSN_ABORT
               ? (run->info->u.abort.s1ptw ? -EROFS : 0)
               : 0;
}

/* False: the machine is lost. */
static bool fetch_regs(struct exit_run *run, struct walk_regs *regs)
{
    const struct rv_el1 *el1 = &run->vcpu->page->el1;

    if (vcpu_fetch(run->vcpu, RV_GROUP_EL1)) {
        run->reply->hold = true;
        return false;
    }
    *regs = (struct walk_regs){
        .sctlr = el1->sctlr_el1,
        .tcr = el1->tcr_el1,
        .ttbr0 = el1->ttbr0_el1,
        .ttbr1 = el1->ttbr1_el1,
        .mair = el1->mair_el1,
        .pstate = run->event->pstate,
        .pa_bits = run->ctx->insn_mmio.pa_bits,
    };
    return true;
}

bool exit_translate(struct exit_run *run, const struct walk_request *request,
                    struct walk_result *result)
{
    const struct walk_memory memory = {run, table_read, table_swap};
    struct walk_regs regs;

    if (!fetch_regs(run, &regs))
        return false;
    walk(&regs, &memory, request, result);
    return true;
}

bool exit_look_up(struct exit_run *run, gva_t addr, ipa_t *where)
{
    const struct walk_memory memory = {run, table_read, table_swap};
    const struct walk_request request = {.addr = addr, .access = WALK_READ};
    struct walk_result result;
    struct walk_regs regs;

    if (!fetch_regs(run, &regs))
        return false;
    /* EL1 may read every page that is mapped, unless PAN hinders it; HA: a clear flag is no fault. */
    regs.pstate = PSTATE_EL1h;
    regs.tcr |= WALK_TCR_HA;
    *where = walk(&regs, &memory, &request, &result) ? ipa(RV_NO_IPA) : result.ipa;
    return true;
}

/* The address that faulted. */
static bool translate_far(struct exit_run *run, struct walk_result *result)
{
    const struct exit_abort *a = &run->info->u.abort;
    const struct walk_request request = {
        .addr = a->far,
        .access = exit_is_fetch(run) ? WALK_EXEC
                  : a->write         ? WALK_WRITE
                                     : WALK_READ,
    };

    return exit_translate(run, &request, result);
}

/*
 * Stage 2 tells that a table is where no RAM is, or that an address is too wide,
 * but not at which level of stage 1. The walk does. A table in read-only memory
 * whose access flag the CPU was to set is an external abort on the walk, too.
 */
void exit_walk(struct exit_run *run)
{
    const struct exit_abort *a = &run->info->u.abort;
    struct walk_result result;
    uint32_t fsc = run->answer.fsc;

    if (!translate_far(run, &result))
        return;
    if (a->s1ptw && a->fsc.fault == EXIT_FAULT_PERMISSION && result.fault == WALK_ATOMIC_UPDATE)
        result.fault = WALK_EXTERNAL;
    if (result.fault == WALK_ADDRESS_SIZE || (a->s1ptw && result.fault == WALK_EXTERNAL))
        fsc = walk_fsc(&result);
    else if (exit_try_again(run))
        return;
    exit_tried(run);
    if (a->s1ptw && log_first(LOG_KIND_EXIT, a->ipa.v << 8 | run->info->ec)) {
        log_warn("vCPU %u: a translation table at address 0x%" PRIx64 " (for 0x%" PRIx64
                 ", pc 0x%" PRIx64 "), where no memory is: the guest takes an abort",
                 run->vcpu->index, a->ipa.v, run->event->far, run->event->pc);
    }
    exit_inject_abort(run, fsc);
}

/*
 * HPFAR_EL2 is UNKNOWN for a permission fault that is not of a walk (Arm ARM
 * D24.2, HPFAR_EL2): the IPA is what stage 1 says. The stub has asked it for a store.
 * False: nothing is to be done now.
 */
static bool exit_find_ipa(struct exit_run *run, ipa_t *addr)
{
    const struct exit_abort *a = &run->info->u.abort;
    struct walk_result result;

    *addr = a->ipa;
    if (a->fsc.fault != EXIT_FAULT_PERMISSION || (a->write && a->ipa.v != RV_NO_IPA))
        return true;
    if (!translate_far(run, &result))
        return false;
    if (result.fault == WALK_OK) {
        exit_tried(run);
        *addr = result.ipa;
        return true;
    }
    if (!exit_try_again(run))
        exit_inject_abort(run, ESR_FSC_EXTERNAL);
    return false;
}

void exit_mmio(struct exit_run *run)
{
    const struct exit_abort *a = &run->info->u.abort;
    uint64_t value = 0;
    ipa_t addr;
    int error;

    if (!exit_find_ipa(run, &addr))
        return;
    if (a->write) {
        if (a->srt != 31u)
            value = run->event->value & decode_size_mask(a->size);
        error = bus_write(run->ctx->bus, addr, a->size, value);
    } else {
        error = bus_read(run->ctx->bus, addr, a->size, &value);
        if (!error)
            exit_set_reg(run, a->srt, decode_load(a, value));
    }
    if (!error) {
        exit_step(run);
        return;
    }
    /* The device is not ready: the PC stays, so that the vCPU makes the access again. */
    if (error == -EAGAIN && a->write)
        return;
    /* What a bus without a listener gives: a synchronous external abort. */
    if (log_first(LOG_KIND_MMIO, addr.v)) {
        log_warn("vCPU %u: %u-byte %s of address 0x%" PRIx64 " at pc 0x%" PRIx64
                 " failed (error %d): the guest takes an external abort",
                 run->vcpu->index, a->size, a->write ? "write" : "read", addr.v, run->event->pc,
                 -error);
    }
    exit_inject_abort(run, ESR_FSC_EXTERNAL);
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
                     run->event->pc, -fault->error);
        }
        break;
    }
    exit_injected(run, inject_data_abort(run->vcpu, fault->far, iss));
}

/* ISV=0: the syndrome does not tell the access; only the instruction does. */
void exit_insn(struct exit_run *run)
{
    struct insn_mmio_result result;

    switch (insn_mmio_run(&run->ctx->insn_mmio, run->vcpu, run->event, &result)) {
    case INSN_MMIO_DONE:
        exit_tried(run);
        exit_step(run);
        return;
    case INSN_MMIO_FAULT:
        exit_tried(run);
        if (result.fault.kind == INSN_FAULT_BUS && result.fault.write &&
            result.fault.error == -EAGAIN)
            return;
        exit_insn_fault(run, &result.fault);
        return;
    case INSN_MMIO_LOST: run->reply->hold = true; return;
    case INSN_MMIO_FETCH:
        if (exit_try_again(run))
            return;
        break;
    case INSN_MMIO_UNSUPPORTED: break;
    }
    exit_tried(run);
    if (!log_first(LOG_KIND_MMIO, run->info->u.abort.ipa.v)) {
        /* said already */
    } else if (run->info->aarch32) {
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
    exit_inject_abort(run, ESR_FSC_EXTERNAL);
}
