/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes to RAM that is write-protected so that the vmm learns of them (vmm/vm/vm_dirty.h). */
#include "vmm/exit/exit_internal.h"

/*
 * So often the guest may make a write again without effect. More than once is usual when other vCPUs
 * write there at the same time.
 */
#define WRITE_TRIES 16u

/*
 * Stores, atomics, DC ZVA, and cache maintenance that needs the permission have WnR set. A walk of
 * stage 1 that sets a flag in a table has S1PTW set, also if it is of a load or a fetch.
 */
static bool is_write(const struct exit_info *info)
{
    const struct exit_abort *a = &info->u.abort;

    if (info->kind != EXIT_DATA_ABORT && info->kind != EXIT_INSN_ABORT)
        return false;
    return a->fsc.fault == EXIT_FAULT_PERMISSION && (a->write || a->s1ptw);
}

/*
 * HPFAR_EL2 holds if the fault was of a walk. At others the stub has asked stage 1 of a store with a
 * valid syndrome; of the rest its tables tell. False: the machine is lost.
 */
static bool find(struct exit_run *run, ipa_t *where)
{
    const struct exit_abort *a = &run->info->u.abort;

    *where = a->ipa;
    if (a->s1ptw || (a->isv && a->ipa.v != RV_NO_IPA))
        return true;
    return exit_look_up(run, a->far, where);
}

/* The same address again and again: a TLB has what the tables no longer say, or FAR is not precise. */
static bool is_stuck(struct exit_run *run)
{
    unsigned index = run->vcpu->index;
    bool same = run->ctx->written[index] == run->event->far;

    run->ctx->written[index] = run->event->far;
    run->ctx->tries[index] = same ? (uint8_t)(run->ctx->tries[index] + 1) : 0;
    return run->ctx->tries[index] >= WRITE_TRIES;
}

bool exit_write(struct exit_run *run)
{
    struct exit_ctx *ctx = run->ctx;
    enum exit_ram_write was = EXIT_RAM_WRITE_HAD;
    ipa_t where;

    if (!ctx->ram_write || !is_write(run->info))
        return false;
    if (!find(run, &where))
        return true;
    /* Nowhere: another vCPU has changed the tables, and the guest takes the fault that it has earned. */
    if (where.v != RV_NO_IPA)
        was = ctx->ram_write(ctx->opaque, where);
    if (was == EXIT_RAM_WRITE_ELSEWHERE)
        return false;
    if (was == EXIT_RAM_WRITE_GIVEN)
        ctx->tries[run->vcpu->index] = 0;
    else if (is_stuck(run))
        return ctx->ram_write(ctx->opaque, ipa(RV_NO_IPA)) != EXIT_RAM_WRITE_ELSEWHERE;
    return true;
}
