/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/insn/insn_exec.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "vmm/insn/insn_exec_internal.h"

uint64_t insn_get_x(const struct insn_run *run, unsigned reg)
{
    return reg < 31u ? run->ctx->ops->get_x(run->ctx->opaque, reg) : 0;
}

static void insn_set_x(const struct insn_run *run, unsigned reg, uint64_t value)
{
    if (reg < 31u)
        run->ctx->ops->set_x(run->ctx->opaque, reg, value);
}

static insn_v insn_get_v(const struct insn_run *run, unsigned reg)
{
    insn_v v;

    run->ctx->ops->get_v(run->ctx->opaque, reg % 32u, v.half);
    return v;
}

/* V[reg] is the low part of Z[reg], and a write to it clears the rest (Arm ARM B1.2.1). */
static void insn_set_v(const struct insn_run *run, unsigned reg, insn_v v)
{
    run->ctx->ops->set_v(run->ctx->opaque, reg % 32u, v.half);
    if (run->ctx->sve)
        insn_sve_set_v(run->ctx->sve, reg % 32u, v.half);
}

int insn_fault(struct insn_run *run, enum insn_fault_kind kind, uint64_t far, bool write)
{
    run->fault->kind = kind;
    run->fault->far = gva(far);
    run->fault->write = write;
    if (kind == INSN_FAULT_ALIGNMENT)
        run->fault->fsc = ESR_FSC_ALIGNMENT;
    else if (kind == INSN_FAULT_EXCLUSIVE)
        run->fault->fsc = ESR_FSC_ATOMIC;
    else if (kind == INSN_FAULT_BUS)
        run->fault->fsc = ESR_FSC_EXTERNAL;
    return -EFAULT;
}

uint64_t insn_extend_index(const struct insn *i, uint64_t value)
{
    if (i->extend == INSN_UXTW)
        value = (uint32_t)value;
    else if (i->extend == INSN_SXTW)
        value = (uint64_t)(int64_t)(int32_t)value;
    return value << i->shift;
}

/*
 * The authenticated address is not known here (that takes the key and the CPU's
 * algorithm), but where it led is: FAR_EL2 has the first byte that aborted, which is
 * the first one or, if the 8 bytes cross a page, the first of the second page.
 * Authentication changes no bit below the 12th, so they tell which.
 */
static int insn_authenticated(struct insn_run *run)
{
    uint64_t beyond = (run->ctx->far - run->address) % PAGE_SIZE;

    if (beyond >= run->i->size || (beyond && run->ctx->far % PAGE_SIZE))
        return -EOPNOTSUPP;
    run->address = run->next_base = run->ctx->far - beyond;
    return 0;
}

int insn_base(struct insn_run *run, uint64_t *base)
{
    const struct insn *i = run->i;

    *base = i->rn == 31u ? run->ctx->ops->get_sp(run->ctx->opaque) : insn_get_x(run, i->rn);
    if (i->rn == 31u && run->ctx->sp_aligned && (*base & 15u))
        return insn_fault(run, INSN_FAULT_SP, *base, i->store && !i->load);
    return 0;
}

static int insn_address(struct insn_run *run)
{
    const struct insn *i = run->i;
    uint64_t imm = (uint64_t)(int64_t)i->imm;
    uint64_t base;

    if (i->class == INSN_ZERO) {
        run->address = insn_get_x(run, i->rt);
        return 0;
    }
    if (i->mode == INSN_MODE_LITERAL) {
        run->address = run->ctx->pc + imm;
        return 0;
    }
    if (insn_base(run, &base))
        return -EFAULT;
    run->address = base;
    switch ((enum insn_mode)i->mode) {
    case INSN_MODE_OFFSET:
    case INSN_MODE_PRE: run->address = run->next_base = base + imm; break;
    case INSN_MODE_POST: run->next_base = base + imm; break;
    case INSN_MODE_REGISTER:
        run->address = base + insn_extend_index(i, insn_get_x(run, i->rm));
        break;
    case INSN_MODE_POST_REG: run->next_base = base + insn_get_x(run, i->rm); break;
    default: break;
    }
    return i->authenticated ? insn_authenticated(run) : 0;
}

static void insn_writeback(struct insn_run *run)
{
    unsigned mode = run->i->mode;

    if (mode != INSN_MODE_PRE && mode != INSN_MODE_POST && mode != INSN_MODE_POST_REG)
        return;
    if (run->i->rn == 31u)
        run->ctx->ops->set_sp(run->ctx->opaque, run->next_base);
    else
        insn_set_x(run, run->i->rn, run->next_base);
}

/* What must be aligned at least to 16 bytes around it: Arm ARM B2.2.2, FEAT_LSE2. */
static bool insn_is_ordered(const struct insn *i)
{
    return i->acquire || i->release || i->class == INSN_EXCLUSIVE || i->class == INSN_ATOMIC ||
           i->class == INSN_CAS;
}

/* Bytes that are one access if aligned: a pair that is exclusive or compared is one. */
static unsigned insn_unit(const struct insn *i)
{
    return i->class == INSN_EXCLUSIVE || i->class == INSN_CAS ? insn_length(i) : i->size;
}

/*
 * Alignment that does not depend on the memory type comes before all translation,
 * alignment that does comes after it (Arm ARM D8.15, "MMU fault prioritization").
 * A CPU without FEAT_LSE2 wants ordered accesses aligned to their size and has
 * said so before it looked at stage 2, so the weaker rule is right for it too.
 */
static int insn_check_alignment(struct insn_run *run, unsigned length)
{
    uint64_t offset = run->address % insn_unit(run->i);

    if (offset != 0 &&
        (run->ctx->aligned || (insn_is_ordered(run->i) && run->address % 16u + length > 16u)))
        return insn_fault(run, INSN_FAULT_ALIGNMENT, run->address, !run->i->load);
    return 0;
}

int insn_translate_page(struct insn_run *run, unsigned n, uint64_t address, bool write)
{
    uint32_t fsc = 0;
    int error = run->ctx->ops->translate(run->ctx->opaque, gva(address), write,
                                         run->i->unprivileged, &run->page[n], &fsc);

    if (error != -EFAULT)
        return error;
    run->fault->fsc = fsc;
    return insn_fault(run, INSN_FAULT_TRANSLATE, address, write);
}

/* Both ways for what reads and writes: a fault that a read has too is a read's (WnR). */
static int insn_translate(struct insn_run *run, unsigned length)
{
    uint64_t in_page = PAGE_SIZE - run->address % PAGE_SIZE;
    uint64_t address = run->address;
    bool misaligned = run->i->class == INSN_ZERO || address % insn_unit(run->i) != 0;

    for (unsigned n = 0; n < 2; n++) {
        int error = 0;

        if (run->i->load)
            error = insn_translate_page(run, n, address, false);
        if (!error && run->i->store)
            error = insn_translate_page(run, n, address, true);
        if (error)
            return error;
        if (run->page[n].device && misaligned)
            return insn_fault(run, INSN_FAULT_ALIGNMENT, address, !run->i->load);
        if (length <= in_page)
            break;
        address = run->address + in_page;
    }
    return 0;
}

int insn_transfer(struct insn_run *run, unsigned at, unsigned unit, bool write)
{
    const struct insn_ops *ops = run->ctx->ops;

    while (unit) {
        uint64_t address = run->address + at;
        bool second = (address ^ run->address) / PAGE_SIZE != 0;
        ipa_t where = ipa(run->page[second].ipa.v + (second ? address % PAGE_SIZE : at));
        unsigned piece = 8;
        uint64_t value = 0;
        int error;

        while (piece > unit || address % piece)
            piece /= 2;
        if (write) {
            for (unsigned n = 0; n < piece; n++)
                value |= (uint64_t)run->bytes[at + n] << 8u * n;
            error = ops->write(run->ctx->opaque, where, piece, value);
        } else {
            error = ops->read(run->ctx->opaque, where, piece, &value);
            for (unsigned n = 0; n < piece; n++)
                run->bytes[at + n] = (uint8_t)(value >> 8u * n);
        }
        if (error) {
            run->fault->ipa = where;
            run->fault->error = error;
            return insn_fault(run, INSN_FAULT_BUS, address, write);
        }
        at += piece;
        unit -= piece;
    }
    return 0;
}

static int insn_transfer_all(struct insn_run *run, bool write)
{
    unsigned length = insn_length(run->i), unit = insn_unit(run->i);
    int error = 0;

    for (unsigned at = 0; !error && at < length; at += unit)
        error = insn_transfer(run, at, unit, write);
    return error;
}

/* The `n`th element in memory, in the guest's byte order. */
insn_v insn_element(const struct insn_run *run, unsigned n)
{
    unsigned size = run->i->size;
    insn_v v = {{0, 0}};

    assert((n + 1u) * size <= MAX_BYTES);
    for (unsigned b = 0; b < size; b++) {
        unsigned from = n * size + (run->ctx->big_endian ? size - 1u - b : b);

        v.half[b / 8u] |= (uint64_t)run->bytes[from] << 8u * (b % 8u);
    }
    return v;
}

void insn_set_element(struct insn_run *run, unsigned n, insn_v v)
{
    unsigned size = run->i->size;

    assert((n + 1u) * size <= MAX_BYTES);
    for (unsigned b = 0; b < size; b++) {
        unsigned to = n * size + (run->ctx->big_endian ? size - 1u - b : b);

        run->bytes[to] = (uint8_t)(v.half[b / 8u] >> 8u * (b % 8u));
    }
}

static void insn_set_element_x(struct insn_run *run, unsigned n, uint64_t value)
{
    insn_set_element(run, n, (insn_v){{value, 0}});
}

/* Extended to the register's width. An element is zero above its size already. */
static uint64_t insn_extend(const struct insn *i, uint64_t value)
{
    unsigned unused = 64u - 8u * i->size;

    if (!i->sign)
        return value;
    value = (uint64_t)((int64_t)(value << unused) >> unused);
    return i->wide ? value : (uint32_t)value;
}

static int insn_general(struct insn_run *run)
{
    const struct insn *i = run->i;
    const uint8_t reg[2] = {i->rt, i->rt2};
    int error;

    for (unsigned n = 0; i->store && n < i->regs; n++)
        insn_set_element_x(run, n, insn_get_x(run, reg[n]));
    error = insn_transfer_all(run, i->store);
    for (unsigned n = 0; !error && i->load && n < i->regs; n++)
        insn_set_x(run, reg[n], insn_extend(i, insn_element(run, n).half[0]));
    return error;
}

static int insn_fp(struct insn_run *run)
{
    const struct insn *i = run->i;
    const uint8_t reg[2] = {i->rt, i->rt2};
    int error;

    for (unsigned n = 0; i->store && n < i->regs; n++)
        insn_set_element(run, n, insn_get_v(run, reg[n]));
    error = insn_transfer_all(run, i->store);
    for (unsigned n = 0; !error && i->load && n < i->regs; n++)
        insn_set_v(run, reg[n], insn_element(run, n));
    return error;
}

static insn_v insn_lane_get(insn_v v, unsigned size, unsigned lane)
{
    unsigned bit = 8u * size * lane;

    return (insn_v){{v.half[bit / 64u] >> bit % 64u, 0}};
}

static void insn_lane_set(insn_v *v, unsigned size, unsigned lane, uint64_t value)
{
    unsigned bit = 8u * size * lane;
    uint64_t mask = ~0ull >> (64u - 8u * size) << bit % 64u;

    v->half[bit / 64u] = (v->half[bit / 64u] & ~mask) | (value << bit % 64u & mask);
}

/* The `n`th element in memory belongs to which lane of the how manyth register? */
static void insn_struct_place(const struct insn *i, unsigned n, unsigned *reg, unsigned *lane)
{
    unsigned lanes = i->vector / i->size;
    unsigned group = n / (lanes * i->structure); /* 0 but for LD1 of several registers */

    *reg = group + n % i->structure;
    *lane = n / i->structure % lanes;
}

/* Elements of one structure lie side by side, its registers' lanes of the same number. */
static int insn_struct(struct insn_run *run)
{
    const struct insn *i = run->i;
    unsigned elements = insn_length(i) / i->size;
    insn_v v[4] = {0};
    unsigned reg, lane;
    int error;

    for (unsigned r = 0; i->store && r < i->regs; r++)
        v[r] = insn_get_v(run, i->rt + r);
    for (unsigned n = 0; i->store && n < elements; n++) {
        insn_struct_place(i, n, &reg, &lane);
        insn_set_element(run, n, insn_lane_get(v[reg], i->size, lane));
    }
    error = insn_transfer_all(run, i->store);
    if (error || i->store)
        return error;
    for (unsigned n = 0; n < elements; n++) {
        insn_struct_place(i, n, &reg, &lane);
        insn_lane_set(&v[reg], i->size, lane, insn_element(run, n).half[0]);
    }
    for (unsigned r = 0; r < i->regs; r++)
        insn_set_v(run, i->rt + r, v[r]);
    return 0;
}

static int insn_lane(struct insn_run *run)
{
    const struct insn *i = run->i;
    int error;

    for (unsigned r = 0; i->store && r < i->regs; r++)
        insn_set_element(run, r, insn_lane_get(insn_get_v(run, i->rt + r), i->size, i->lane));
    error = insn_transfer_all(run, i->store);
    for (unsigned r = 0; !error && i->load && r < i->regs; r++) {
        insn_v v = insn_get_v(run, i->rt + r);

        insn_lane_set(&v, i->size, i->lane, insn_element(run, r).half[0]);
        insn_set_v(run, i->rt + r, v);
    }
    return error;
}

static int insn_replicate(struct insn_run *run)
{
    const struct insn *i = run->i;
    int error = insn_transfer_all(run, false);

    for (unsigned r = 0; !error && r < i->regs; r++) {
        uint64_t value = insn_element(run, r).half[0];
        insn_v v = {{0, 0}};

        for (unsigned lane = 0; lane < i->vector / i->size; lane++)
            insn_lane_set(&v, i->size, lane, value);
        insn_set_v(run, i->rt + r, v);
    }
    return error;
}

static int insn_exclusive(struct insn_run *run)
{
    return insn_fault(run, INSN_FAULT_EXCLUSIVE, run->address, run->i->store);
}

/* Arm ARM C6.2, "LDADD" and the others: `old` is what was in memory. */
static uint64_t insn_atomic_result(const struct insn *i, uint64_t old, uint64_t operand)
{
    unsigned unused = 64u - 8u * i->size;
    int64_t a = (int64_t)(old << unused) >> unused;
    int64_t b = (int64_t)(operand << unused) >> unused;

    operand = operand << unused >> unused;
    switch ((enum insn_atomic)i->op) {
    case INSN_ADD: return old + operand;
    case INSN_CLR: return old & ~operand;
    case INSN_EOR: return old ^ operand;
    case INSN_SET: return old | operand;
    case INSN_SMAX: return a > b ? old : operand;
    case INSN_SMIN: return a < b ? old : operand;
    case INSN_UMAX: return old > operand ? old : operand;
    case INSN_UMIN: return old < operand ? old : operand;
    case INSN_SWP: break;
    }
    return operand;
}

static int insn_atomic(struct insn_run *run)
{
    const struct insn *i = run->i;
    uint64_t operand = insn_get_x(run, i->rs);
    uint64_t old;
    int error = insn_transfer_all(run, false);

    if (error)
        return error;
    old = insn_element(run, 0).half[0];
    insn_set_element_x(run, 0, insn_atomic_result(i, old, operand));
    error = insn_transfer_all(run, true);
    if (!error)
        insn_set_x(run, i->rt, old);
    return error;
}

/* A pair is Rs, Rs + 1 and Rt, Rt + 1, where 31 is the zero register. */
static int insn_cas(struct insn_run *run)
{
    const struct insn *i = run->i;
    uint64_t mask = ~0ull >> (64u - 8u * i->size);
    uint64_t old[2];
    bool equal = true;
    int error = insn_transfer_all(run, false);

    if (error)
        return error;
    for (unsigned n = 0; n < i->regs; n++) {
        old[n] = insn_element(run, n).half[0];
        equal &= old[n] == (insn_get_x(run, i->rs + n) & mask);
    }
    for (unsigned n = 0; n < i->regs; n++)
        insn_set_element_x(run, n, insn_get_x(run, i->rt + n));
    if (equal)
        error = insn_transfer_all(run, true);
    for (unsigned n = 0; !error && n < i->regs; n++)
        insn_set_x(run, i->rs + n, old[n]);
    return error;
}

/* The block that the address lies in; `bytes` is zero and each piece of it starts at 0. */
static int insn_zero(struct insn_run *run)
{
    unsigned size = run->ctx->zva_size;
    uint64_t given = run->address, page = run->page[0].ipa.v - given % size;
    int error = 0;

    for (unsigned at = 0; !error && at < size; at += 8) {
        run->address = given - given % size + at;
        run->page[0].ipa = ipa(page + at);
        error = insn_transfer(run, 0, 8, true);
    }
    if (error)
        run->fault->far = gva(given); /* Arm ARM D24.2, FAR_EL1: what Xt holds */
    return error;
}

/* By class. Absent: not emulated. */
static int (*const insn_exec_table[INSN_CLASSES])(struct insn_run *run) = {
    [INSN_GENERAL] = insn_general,     [INSN_FP] = insn_fp,
    [INSN_STRUCT] = insn_struct,       [INSN_LANE] = insn_lane,
    [INSN_REPLICATE] = insn_replicate, [INSN_EXCLUSIVE] = insn_exclusive,
    [INSN_ATOMIC] = insn_atomic,       [INSN_CAS] = insn_cas,
    [INSN_ZERO] = insn_zero,
};

static bool insn_zva_size_is_valid(unsigned size)
{
    return size >= 8u && size <= INSN_ZVA_MAX && (size & (size - 1u)) == 0;
}

int insn_exec(const struct insn_ctx *ctx, const struct insn *insn, struct insn_fault *fault)
{
    struct insn_run run = {.ctx = ctx, .i = insn, .fault = fault};
    int error;

    *fault = (struct insn_fault){0};
    if (insn->class == INSN_PREFETCH)
        return 0;
    if (insn_is_sve(insn))
        return insn_sve_exec(&run);
    if (insn->class >= INSN_CLASSES || !insn_exec_table[insn->class] ||
        (insn->class == INSN_ZERO && !insn_zva_size_is_valid(ctx->zva_size)))
        return -EOPNOTSUPP;
    error = insn_address(&run);
    if (!error && insn->class != INSN_ZERO)
        error = insn_check_alignment(&run, insn_length(insn));
    if (!error)
        error = insn_translate(&run, insn_length(insn));
    if (!error)
        error = insn_exec_table[insn->class](&run);
    if (!error)
        insn_writeback(&run);
    return error;
}
