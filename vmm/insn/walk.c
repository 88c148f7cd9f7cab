/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/insn/walk.h"

#include <errno.h>
#include <stddef.h>

#include "proto/arm/esr.h"

/* Arm ARM D24.2, "SCTLR_EL1". */
#define SCTLR_M    (1ull << 0)
#define SCTLR_WXN  (1ull << 19)
#define SCTLR_EE   (1ull << 25)
#define SCTLR_EPAN (1ull << 57)

/* Arm ARM D24.2, "TCR_EL1": what there is one of. */
#define TCR_IPS (7ull << 32)
#define TCR_HD  (1ull << 40)
#define TCR_DS  (1ull << 59)

#define TTBR_BADDR 0x0000fffffffffffeull /* bit 0 is CnP, bits 63 to 48 are the ASID */

/* Arm ARM D8.3, "Translation table descriptor formats". */
#define DESC_VALID          (1ull << 0)
#define DESC_TABLE          (1ull << 1) /* table, or page at level 3 */
#define DESC_ATTR_INDEX     (7ull << 2)
#define DESC_AP_EL0         (1ull << 6) /* AP[1] */
#define DESC_AP_RO          (1ull << 7) /* AP[2] */
#define DESC_AF             (1ull << 10)
#define DESC_DBM            (1ull << 51)
#define DESC_PXN            (1ull << 53)
#define DESC_UXN            (1ull << 54)
#define DESC_PXNTABLE       (1ull << 59)
#define DESC_UXNTABLE       (1ull << 60)
#define DESC_APTABLE_NO_EL0 (1ull << 61)
#define DESC_APTABLE_RO     (1ull << 62)

#define MAX_TRIES 8u

/* Where TCR_EL1 has each half's fields; TG's encodings are not the same either. */
struct walk_half {
    uint8_t tsz, epd, tg, tbi, hpd, tbid, e0pd;
    uint8_t granule[4]; /* log2, by TG */
};

static const struct walk_half walk_halves[2] = {
    {0, 7, 14, 37, 41, 51, 55, {12, 16, 14, 12}},
    {16, 23, 30, 38, 42, 52, 56, {12, 14, 12, 16}},
};

struct walk_run {
    const struct walk_regs *regs;
    const struct walk_memory *memory;
    const struct walk_request *request;
    struct walk_result *out;
    bool el0; /* as which the access is made */
    const struct walk_half *half;
    unsigned pa_bits;
    unsigned granule;                                 /* log2 */
    unsigned stride;                                  /* address bits that a level resolves */
    bool no_el0, read_only, no_exec_el0, no_exec_el1; /* from the tables above */
};

static enum walk_fault walk_failed(struct walk_run *run, enum walk_fault fault, int level)
{
    run->out->fault = fault;
    run->out->level = level;
    return fault;
}

static bool walk_tcr(const struct walk_run *run, unsigned bit)
{
    return run->regs->tcr >> bit & 1u;
}

static uint64_t walk_low_bits(unsigned bits)
{
    return (1ull << bits) - 1u;
}

/* The highest bit that is looked at: Arm ARM J1.1, AddrTop. */
static unsigned walk_top(const struct walk_run *run)
{
    bool tbi = walk_tcr(run, run->half->tbi);

    if (run->request->access == WALK_EXEC && walk_tcr(run, run->half->tbid))
        tbi = false;
    return tbi ? 55u : 63u;
}

/* What the guest chose, but not more than it was told that there is. */
static unsigned walk_pa_bits(const struct walk_regs *regs)
{
    static const uint8_t sizes[8] = {32, 36, 40, 42, 44, 48, 48, 48};
    unsigned ips = sizes[ESR_GET(regs->tcr, TCR_IPS)];

    return ips < regs->pa_bits ? ips : regs->pa_bits;
}

/* Arm ARM J1.1, AArch64.S1DisabledOutput: the address is its own translation. */
static enum walk_fault walk_off(struct walk_run *run)
{
    uint64_t address = run->request->addr.v;
    unsigned top = walk_top(run), bits = run->regs->pa_bits < 48u ? run->regs->pa_bits : 48u;

    if (top == 55u)
        address &= walk_low_bits(56);
    if (address >> bits)
        return walk_failed(run, WALK_ADDRESS_SIZE, 0);
    run->out->ipa = ipa(address);
    run->out->bits = bits;
    run->out->may = WALK_MAY_READ | WALK_MAY_WRITE | WALK_MAY_EXEC;
    /* Device-nGnRnE for data, as long as HCR_EL2.DC is 0. */
    run->out->device = run->request->access != WALK_EXEC;
    return WALK_OK;
}

/* Arm ARM D8.4.1: what this access's Exception level may do with the leaf. */
static unsigned walk_permissions(const struct walk_run *run, uint64_t desc, bool read_only)
{
    bool el0_access = (desc & DESC_AP_EL0) && !run->no_el0;
    bool uxn = (desc & DESC_UXN) || run->no_exec_el0;
    bool pxn = (desc & DESC_PXN) || run->no_exec_el1;
    bool wxn = run->regs->sctlr & SCTLR_WXN;
    unsigned may = 0;

    if (run->el0) {
        if (el0_access)
            may = WALK_MAY_READ | (read_only ? 0 : WALK_MAY_WRITE);
        if (!uxn && !(wxn && (may & WALK_MAY_WRITE)))
            may |= WALK_MAY_EXEC;
        return may;
    }
    may = WALK_MAY_READ | (read_only ? 0 : WALK_MAY_WRITE);
    /* What EL0 may write, EL1 may not execute. */
    if (!pxn && !(el0_access && !read_only) && !(wxn && (may & WALK_MAY_WRITE)))
        may |= WALK_MAY_EXEC;
    /* FEAT_PAN3: with EPAN, also what EL0 may only execute. */
    if ((run->regs->pstate & PSTATE_PAN) &&
        (el0_access || ((run->regs->sctlr & SCTLR_EPAN) && !uxn)))
        may &= ~(WALK_MAY_READ | WALK_MAY_WRITE);
    return may;
}

static uint64_t walk_order(const struct walk_run *run, uint64_t word)
{
    return run->regs->sctlr & SCTLR_EE ? __builtin_bswap64(word) : word;
}

/* Write the descriptor back with the flags that the CPU sets by itself: D8.4.6. */
static enum walk_fault walk_update(struct walk_run *run, ipa_t where, uint64_t old, uint64_t new,
                                   int level, bool *again)
{
    int error;

    if (old == new)
        return WALK_OK;
    if (!run->memory->swap)
        return walk_failed(run, WALK_ATOMIC_UPDATE, level);
    error =
        run->memory->swap(run->memory->opaque, where, walk_order(run, old), walk_order(run, new));
    if (error == -EAGAIN)
        *again = true;
    else if (error)
        return walk_failed(run, WALK_ATOMIC_UPDATE, level);
    return WALK_OK;
}

/* A block or page of 2^bits bytes. Priority of the faults: Arm ARM D8.15. */
static enum walk_fault walk_leaf(struct walk_run *run, ipa_t where, uint64_t desc, int level,
                                 unsigned bits, bool *again)
{
    static const unsigned needs[] = {
        [WALK_READ] = WALK_MAY_READ,
        [WALK_WRITE] = WALK_MAY_WRITE,
        [WALK_EXEC] = WALK_MAY_EXEC,
    };
    uint64_t output = desc & walk_low_bits(48) & ~walk_low_bits(bits);
    unsigned need = needs[run->request->access];
    bool read_only = (desc & DESC_AP_RO) || run->read_only;
    uint64_t updated = desc;
    uint8_t attr;

    if (output >> run->pa_bits)
        return walk_failed(run, WALK_ADDRESS_SIZE, level);
    if (!(desc & DESC_AF)) {
        if (!(run->regs->tcr & WALK_TCR_HA))
            return walk_failed(run, WALK_ACCESS_FLAG, level);
        updated |= DESC_AF;
    }
    /* A clean page that may be written: the write itself makes it dirty. HD needs HA. */
    if ((desc & DESC_DBM) && (desc & DESC_AP_RO) && (run->regs->tcr & WALK_TCR_HA) &&
        (run->regs->tcr & TCR_HD)) {
        read_only = run->read_only;
        if (need == WALK_MAY_WRITE)
            updated &= ~DESC_AP_RO;
    }
    run->out->may = walk_permissions(run, desc, read_only);
    if (!(run->out->may & need))
        return walk_failed(run, WALK_PERMISSION, level);
    if (walk_update(run, where, desc, updated, level, again))
        return run->out->fault;

    attr = (uint8_t)(run->regs->mair >> 8u * ESR_GET(desc, DESC_ATTR_INDEX));
    run->out->attr = attr;
    run->out->device = (attr & 0xf0u) == 0;
    run->out->level = level;
    run->out->bits = bits;
    run->out->ipa = ipa(output | (run->request->addr.v & walk_low_bits(bits)));
    return WALK_OK;
}

/* Blocks, with 48-bit output addresses: Arm ARM D8.3.1. */
static bool walk_block_allowed(const struct walk_run *run, int level)
{
    return level == 2 || (level == 1 && run->granule == 12u);
}

static void walk_inherit(struct walk_run *run, uint64_t desc)
{
    if (walk_tcr(run, run->half->hpd))
        return;
    run->no_el0 |= (desc & DESC_APTABLE_NO_EL0) != 0;
    run->read_only |= (desc & DESC_APTABLE_RO) != 0;
    run->no_exec_el0 |= (desc & DESC_UXNTABLE) != 0;
    run->no_exec_el1 |= (desc & DESC_PXNTABLE) != 0;
}

/* From the start level down; `ia_bits` is what the tables resolve. */
static enum walk_fault walk_tables(struct walk_run *run, uint64_t ttbr, unsigned ia_bits,
                                   bool *again)
{
    uint64_t address = run->request->addr.v & walk_low_bits(ia_bits);
    int level = 4 - (int)((ia_bits - run->granule + run->stride - 1u) / run->stride);
    unsigned high = ia_bits;
    uint64_t base = ttbr & TTBR_BADDR;

    run->no_el0 = run->read_only = run->no_exec_el0 = run->no_exec_el1 = false;
    if (base >> run->pa_bits)
        return walk_failed(run, WALK_ADDRESS_SIZE, 0);
    for (;; level++) {
        unsigned low = run->granule + run->stride * (3u - (unsigned)level);
        uint64_t index = (address & walk_low_bits(high)) >> low;
        ipa_t where = ipa((base & ~walk_low_bits(high - low + 3u)) + index * 8u);
        uint64_t desc = 0;

        if (run->memory->read(run->memory->opaque, where, &desc))
            return walk_failed(run, WALK_EXTERNAL, level);
        desc = walk_order(run, desc);
        if (!(desc & DESC_VALID))
            return walk_failed(run, WALK_TRANSLATION, level);
        if (level == 3 || !(desc & DESC_TABLE)) {
            bool allowed = level == 3 ? (desc & DESC_TABLE) != 0 : walk_block_allowed(run, level);

            if (!allowed)
                return walk_failed(run, WALK_TRANSLATION, level);
            return walk_leaf(run, where, desc, level, low, again);
        }
        walk_inherit(run, desc);
        base = desc & walk_low_bits(48) & ~walk_low_bits(run->granule);
        if (base >> run->pa_bits)
            return walk_failed(run, WALK_ADDRESS_SIZE, level);
        high = low;
    }
}

static enum walk_fault walk_on(struct walk_run *run)
{
    uint64_t tcr = run->regs->tcr, address = run->request->addr.v;
    bool upper = run->half == &walk_halves[1];
    unsigned tsz = tcr >> run->half->tsz & 63u;
    unsigned top = walk_top(run), ia_bits = 64u - tsz;
    bool again = true;

    run->granule = run->half->granule[tcr >> run->half->tg & 3u];
    run->stride = run->granule - 3u;
    run->pa_bits = walk_pa_bits(run->regs);
    if (walk_tcr(run, run->half->epd) || (run->el0 && walk_tcr(run, run->half->e0pd)) ||
        (tcr & TCR_DS) != 0)
        return walk_failed(run, WALK_TRANSLATION, 0);
    /* 16: 48 bits. FEAT_TTST: up to 48, and 47 with 64 KiB, where 48 bits leave no level. */
    if (tsz < 16u || tsz > (run->granule == 16u ? 47u : 48u))
        return walk_failed(run, WALK_TRANSLATION, 0);
    /* All bits above, up to the top one, as bit 55. */
    if (((upper ? ~address : address) & walk_low_bits(top) & ~walk_low_bits(ia_bits)) ||
        (address >> top & 1u) != upper)
        return walk_failed(run, WALK_TRANSLATION, 0);

    for (unsigned n = 0; again && n < MAX_TRIES; n++) {
        again = false;
        if (walk_tables(run, upper ? run->regs->ttbr1 : run->regs->ttbr0, ia_bits, &again))
            return run->out->fault;
    }
    return again ? walk_failed(run, WALK_ATOMIC_UPDATE, run->out->level) : WALK_OK;
}

enum walk_fault walk(const struct walk_regs *regs, const struct walk_memory *memory,
                     const struct walk_request *request, struct walk_result *result)
{
    struct walk_run run = {
        .regs = regs,
        .memory = memory,
        .request = request,
        .out = result,
        .half = &walk_halves[request->addr.v >> 55 & 1u],
    };

    *result = (struct walk_result){.fault = WALK_OK};
    run.el0 =
        !(regs->pstate & PSTATE_EL) || (request->unprivileged && !(regs->pstate & PSTATE_UAO));
    return regs->sctlr & SCTLR_M ? walk_on(&run) : walk_off(&run);
}

uint32_t walk_fsc(const struct walk_result *result)
{
    uint32_t level = (uint32_t)result->level & 3u;

    switch (result->fault) {
    case WALK_ADDRESS_SIZE: return ESR_FSC_ADDRESS_SIZE | level;
    case WALK_TRANSLATION: return ESR_FSC_TRANSLATION | level;
    case WALK_ACCESS_FLAG: return ESR_FSC_ACCESS_FLAG | level;
    case WALK_PERMISSION: return ESR_FSC_PERMISSION | level;
    case WALK_EXTERNAL: return ESR_FSC_EXTERNAL_WALK | level;
    case WALK_ATOMIC_UPDATE: return ESR_FSC_ATOMIC_UPDATE;
    case WALK_OK: break;
    }
    return 0;
}
