/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SVE loads and stores, element by element (Arm ARM C8.2, the page of each). Two
 * phases as in insn_exec.c: first every active element is translated, then the
 * bus is accessed; registers are written when nothing can fail any more.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/insn/insn_exec_internal.h"

#define Z_REGS 32u
#define P_REGS 16u

/* The bytes that one index of the vectors stands for: an element, or a structure of them. */
struct sve_unit {
    bool active;
    uint64_t address;
    struct insn_page page[2];
};

struct sve_page {
    bool valid;
    uint64_t address;
    struct insn_page page;
};

struct sve_run {
    struct insn_run *run;
    const struct insn *i;
    struct insn_sve *sve;
    unsigned units;
    unsigned bytes;          /* of memory, for each unit */
    unsigned first;          /* active unit; `units`: there is none */
    unsigned end;            /* units from here on were left out, as FFR will tell */
    struct sve_page seen[2]; /* the pages that were translated last */
    struct sve_unit unit[INSN_VL_MAX];
    uint8_t result[4][INSN_VL_MAX];
};

static uint8_t *sve_z(const struct insn_sve *sve, unsigned reg)
{
    return sve->z + reg % Z_REGS * sve->stride;
}

static uint8_t *sve_p(const struct insn_sve *sve, unsigned reg)
{
    return sve->p + reg % P_REGS * (sve->stride / 8u);
}

/* `size` bytes, 1 to 8, are one element. */
static uint64_t sve_get(const uint8_t *z, unsigned element, unsigned size)
{
    uint64_t value = 0;

    for (unsigned b = 0; b < size; b++)
        value |= (uint64_t)z[element * size + b] << 8u * b;
    return value;
}

static void sve_set(uint8_t *z, unsigned element, unsigned size, uint64_t value)
{
    for (unsigned b = 0; b < size; b++)
        z[element * size + b] = (uint8_t)(value >> 8u * b);
}

/* The predicate has a bit for each byte; that of an element's lowest byte decides. */
static bool sve_is_active(const struct sve_run *s, unsigned element, unsigned size)
{
    unsigned bit = element * size;

    return sve_p(s->sve, s->i->pg)[bit / 8u] & 1u << bit % 8u;
}

static bool sve_is_valid(const struct insn_sve *sve, const struct insn *i)
{
    return sve && sve->vl && sve->vl % 16u == 0 && sve->stride % 16u == 0 &&
           sve->vl <= sve->stride && sve->stride <= INSN_VL_MAX && i->block <= sve->vl;
}

/* Which units there are, and which of them are active. */
static void sve_units(struct sve_run *s)
{
    const struct insn *i = s->i;
    unsigned elements = s->sve->vl / i->element;

    s->bytes = (unsigned)i->regs * i->size;
    s->units = elements;
    if (i->class == INSN_SVE_FILL)
        s->units = 1;
    else if (i->class == INSN_SVE_BLOCK)
        s->units = (unsigned)i->block / i->size;
    else if (i->predicate)
        s->units = elements / 8u;
    for (unsigned e = 0; e < elements; e++) {
        unsigned unit = i->class == INSN_SVE_FILL ? 0 : e;

        if (unit < s->units && (i->class == INSN_SVE_WHOLE || sve_is_active(s, e, i->element)))
            s->unit[unit].active = true;
    }
    for (s->first = 0; s->first < s->units && !s->unit[s->first].active;)
        s->first++;
    s->end = s->units;
}

static int sve_addresses(struct sve_run *s)
{
    const struct insn *i = s->i;
    bool vector_base = i->mode == INSN_MODE_VECTOR || i->mode == INSN_MODE_VECTOR_REG;
    uint64_t imm = (uint64_t)(int64_t)i->imm;
    uint64_t base = 0;

    if (!vector_base && insn_base(s->run, &base))
        return -EFAULT;
    if (i->mode == INSN_MODE_VL)
        base += imm * s->units * i->size;
    else if (i->mode == INSN_MODE_REGISTER)
        base += insn_extend_index(i, insn_get_x(s->run, i->rm));
    else if (i->mode == INSN_MODE_VECTOR_REG)
        base += insn_get_x(s->run, i->rm);
    else
        base += imm;
    for (unsigned e = 0; e < s->units; e++) {
        uint64_t address = base;

        if (vector_base)
            address += sve_get(sve_z(s->sve, i->rn), e, i->element);
        else if (i->class == INSN_SVE_GATHER)
            address += insn_extend_index(i, sve_get(sve_z(s->sve, i->rm), e, i->element));
        else
            address += (uint64_t)e * s->bytes;
        s->unit[e].address = address;
    }
    return 0;
}

/* The translation of `address`. One for each page that consecutive elements lie in. */
static int sve_translate_page(struct sve_run *s, uint64_t address, struct insn_page *page)
{
    uint64_t offset = address % PAGE_SIZE;
    int error;

    for (unsigned n = 0; n < 2; n++) {
        if (s->seen[n].valid && s->seen[n].address == address - offset) {
            *page = s->seen[n].page;
            page->ipa = ipa(page->ipa.v + offset);
            return 0;
        }
    }
    error = insn_translate_page(s->run, 0, address, s->i->store);
    if (error)
        return error;
    *page = s->run->page[0];
    s->seen[1] = s->seen[0];
    s->seen[0] = (struct sve_page){true, address - offset, *page};
    s->seen[0].page.ipa = ipa(page->ipa.v - offset);
    return 0;
}

static int sve_translate(struct sve_run *s, struct sve_unit *unit)
{
    uint64_t last = unit->address + s->bytes - 1u;
    bool misaligned = unit->address % s->i->size != 0;
    bool cross = (unit->address ^ last) / PAGE_SIZE != 0;
    uint64_t address = unit->address;

    if (misaligned && s->run->ctx->aligned)
        return insn_fault(s->run, INSN_FAULT_ALIGNMENT, address, s->i->store);
    for (unsigned n = 0; n <= cross; n++) {
        int error = sve_translate_page(s, address, &unit->page[n]);

        if (error)
            return error;
        if (misaligned && unit->page[n].device)
            return insn_fault(s->run, INSN_FAULT_ALIGNMENT, address, s->i->store);
        address = last - last % PAGE_SIZE;
    }
    if (!cross)
        unit->page[1] = unit->page[0];
    return 0;
}

/* May unit `e` be left out, instead of taking a fault? */
static bool sve_is_lenient(const struct sve_run *s, unsigned e)
{
    return s->i->faulting == INSN_FAULTING_NONE ||
           (s->i->faulting == INSN_FAULTING_FIRST && e != s->first);
}

static void sve_leave_out(struct sve_run *s, unsigned e)
{
    *s->run->fault = (struct insn_fault){0};
    s->end = e;
}

static int sve_translate_all(struct sve_run *s)
{
    for (unsigned e = 0; e < s->end; e++) {
        struct sve_unit *unit = &s->unit[e];
        int error;

        if (!unit->active)
            continue;
        error = sve_translate(s, unit);
        if (sve_is_lenient(s, e) &&
            (error == -EFAULT || (!error && !(unit->page[0].ram && unit->page[1].ram))))
            sve_leave_out(s, e);
        else if (error)
            return error;
    }
    return 0;
}

static uint64_t sve_extend(const struct insn *i, uint64_t value)
{
    unsigned unused = 64u - 8u * i->size;

    return i->sign ? (uint64_t)((int64_t)(value << unused) >> unused) : value;
}

/* From the registers to run->bytes. Whole registers are bytes: no byte order. */
static void sve_collect(struct sve_run *s, unsigned e)
{
    const struct insn *i = s->i;

    if (i->class == INSN_SVE_WHOLE) {
        const uint8_t *reg = i->predicate ? sve_p(s->sve, i->rt) : sve_z(s->sve, i->rt);

        memcpy(s->run->bytes, reg + (size_t)e * s->bytes, s->bytes);
        return;
    }
    for (unsigned r = 0; r < i->regs; r++) {
        uint64_t value = sve_get(sve_z(s->sve, i->rt + r), e, i->element);

        insn_set_element(s->run, r, (insn_v){{value, 0}});
    }
}

/* From run->bytes to what will be the registers. */
static void sve_spread(struct sve_run *s, unsigned e)
{
    const struct insn *i = s->i;

    if (i->class == INSN_SVE_WHOLE) {
        memcpy(s->result[0] + (size_t)e * s->bytes, s->run->bytes, s->bytes);
        return;
    }
    for (unsigned r = 0; r < i->regs; r++)
        sve_set(s->result[r], e, i->element, sve_extend(i, insn_element(s->run, r).half[0]));
}

static int sve_transfer(struct sve_run *s, unsigned e)
{
    struct insn_run *run = s->run;
    int error = 0;

    run->address = s->unit[e].address;
    run->page[0] = s->unit[e].page[0];
    run->page[1] = s->unit[e].page[1];
    if (s->i->store)
        sve_collect(s, e);
    for (unsigned at = 0; !error && at < s->bytes; at += s->i->size)
        error = insn_transfer(run, at, s->i->size, s->i->store);
    if (!error && s->i->load)
        sve_spread(s, e);
    return error;
}

static int sve_transfer_all(struct sve_run *s)
{
    for (unsigned e = 0; e < s->end; e++) {
        int error = s->unit[e].active ? sve_transfer(s, e) : 0;

        if (error && sve_is_lenient(s, e))
            sve_leave_out(s, e);
        else if (error)
            return error;
    }
    return 0;
}

/* What one or a few elements of memory become in a whole vector. */
static void sve_repeat(struct sve_run *s)
{
    const struct insn *i = s->i;
    uint8_t *z = s->result[0];

    if (i->class == INSN_SVE_BLOCK) {
        for (unsigned at = i->block; at + i->block <= s->sve->vl; at += i->block)
            memcpy(z + at, z, i->block);
    } else if (i->class == INSN_SVE_FILL) {
        uint64_t value = sve_get(z, 0, i->element);

        for (unsigned e = 0; e < s->sve->vl / i->element; e++)
            sve_set(z, e, i->element, sve_is_active(s, e, i->element) ? value : 0);
    }
}

static void sve_clear_ffr(struct insn_sve *sve, unsigned from)
{
    for (unsigned bit = from; bit < sve->vl; bit++)
        sve->ffr[bit / 8u] &= (uint8_t) ~(1u << bit % 8u);
}

/* What is beyond the vector length was zero in `result` from the start. */
static void sve_write_registers(struct sve_run *s)
{
    const struct insn *i = s->i;

    sve_repeat(s);
    if (i->predicate) {
        memcpy(sve_p(s->sve, i->rt), s->result[0], s->sve->stride / 8u);
    } else {
        for (unsigned r = 0; r < i->regs; r++)
            memcpy(sve_z(s->sve, i->rt + r), s->result[r], s->sve->stride);
    }
    if (s->end < s->units)
        sve_clear_ffr(s->sve, s->end * i->element);
    s->sve->written = true;
}

int insn_sve_exec(struct insn_run *run)
{
    struct sve_run s = {.run = run, .i = run->i, .sve = run->ctx->sve};
    int error = 0;

    if (!sve_is_valid(s.sve, s.i))
        return -EOPNOTSUPP;
    sve_units(&s);
    /* Without an active element nothing is accessed, and SP is not looked at. */
    if (s.first < s.units)
        error = sve_addresses(&s);
    if (!error)
        error = sve_translate_all(&s);
    if (!error)
        error = sve_transfer_all(&s);
    if (!error && s.i->load)
        sve_write_registers(&s);
    return error;
}

void insn_sve_set_v(struct insn_sve *sve, unsigned reg, const uint64_t value[2])
{
    uint8_t *z = sve_z(sve, reg);

    memset(z, 0, sve->stride);
    sve_set(z, 0, 8, value[0]);
    sve_set(z, 1, 8, value[1]);
    sve->written = true;
}

/* Arm ARM D24.2, ZCR_EL1: the longest of the lengths that is not longer than LEN asks for. */
unsigned insn_sve_vl(uint32_t lengths, uint64_t zcr)
{
    uint32_t allowed = lengths & (0xffffu >> (15u - (zcr & 0xfu)));

    return allowed ? (32u - (unsigned)__builtin_clz(allowed)) * 16u : 0;
}

struct insn_sve insn_sve_at(uint8_t *area, unsigned stride, unsigned vl)
{
    uint8_t *p = area + (size_t)Z_REGS * stride;

    return (struct insn_sve){
        .vl = vl, .stride = stride, .z = area, .p = p, .ffr = p + (size_t)P_REGS * (stride / 8u)};
}
