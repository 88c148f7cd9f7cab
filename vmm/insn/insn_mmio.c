/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/insn/insn_mmio.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "vmm/insn/insn.h"
#include "vmm/insn/walk.h"
#include "vmm/trace/tap.h"

/* SCTLR_EL1 (Arm ARM D24.2). */
#define SCTLR_A   (1ull << 1)
#define SCTLR_SA  (1ull << 3)
#define SCTLR_SA0 (1ull << 4)
#define SCTLR_E0E (1ull << 24)
#define SCTLR_EE  (1ull << 25)

/* DCZID_EL0. */
#define DCZID_DZP 0x10u
#define DCZID_BS  0x0fu

/* One instruction on its way. */
struct insn_mmio_run {
    const struct insn_mmio *mmio;
    struct vcpu *vcpu;
    struct walk_regs regs; /* copies: the page may change */
    struct insn_sve sve;
    bool lost;
};

static uint64_t get_x(void *opaque, unsigned reg)
{
    return vcpu_get_x(((struct insn_mmio_run *)opaque)->vcpu, reg);
}

static void set_x(void *opaque, unsigned reg, uint64_t value)
{
    vcpu_set_x(((struct insn_mmio_run *)opaque)->vcpu, reg, value);
}

/* Which stack pointer SP is: SP_EL1 at EL1h, else SP_EL0. */
static uint64_t *stack_pointer(struct insn_mmio_run *run)
{
    struct rv_el1 *el1 = &run->vcpu->page->el1;

    return run->regs.pstate & PSTATE_SP ? &el1->sp_el1 : &el1->sp_el0;
}

static uint64_t get_sp(void *opaque)
{
    return *stack_pointer(opaque);
}

static void set_sp(void *opaque, uint64_t value)
{
    struct insn_mmio_run *run = opaque;

    *stack_pointer(run) = value;
    vcpu_mark_dirty(run->vcpu, RV_GROUP_EL1);
}

static void get_v(void *opaque, unsigned reg, uint64_t value[2])
{
    struct insn_mmio_run *run = opaque;

    if (vcpu_fetch(run->vcpu, RV_GROUP_FP))
        run->lost = true;
    memcpy(value, &run->vcpu->page->fp.v[2 * reg], 16);
}

/* The group is fetched first, so that loading it back changes no other register. */
static void set_v(void *opaque, unsigned reg, const uint64_t value[2])
{
    struct insn_mmio_run *run = opaque;

    if (vcpu_fetch(run->vcpu, RV_GROUP_FP))
        run->lost = true;
    memcpy(&run->vcpu->page->fp.v[2 * reg], value, 16);
    vcpu_mark_dirty(run->vcpu, RV_GROUP_FP);
}

/*
 * run->sve becomes the SVE registers, with the length in effect at EL1 and EL0. The
 * area in the page has the longest. NULL: there are none, or the machine is lost.
 */
static struct insn_sve *sve_registers(struct insn_mmio_run *run)
{
    struct rv_vcpu_page *page = run->vcpu->page;
    unsigned lengths = run->mmio->sve;

    if (!lengths)
        return NULL;
    if (vcpu_fetch(run->vcpu, RV_GROUP_FP | RV_GROUP_SVE)) {
        run->lost = true;
        return NULL;
    }
    run->sve =
        insn_sve_at(page->sve, insn_sve_vl(lengths, 15), insn_sve_vl(lengths, page->el1.zcr_el1));
    return &run->sve;
}

int insn_mmio_word(const struct insn_mmio *mmio, ipa_t addr, uint64_t *word)
{
    int error = guest_word(&mmio->ram, mmio->roms, addr, word);

    if (!error)
        tap_load(addr.v, word, sizeof(*word));
    return error;
}

/* Table words, and the instruction. */
static int ram_word(void *opaque, ipa_t addr, uint64_t *word)
{
    return insn_mmio_word(((struct insn_mmio_run *)opaque)->mmio, addr, word);
}

static int ram_swap(void *opaque, ipa_t addr, uint64_t old, uint64_t new)
{
    const struct insn_mmio *mmio = ((struct insn_mmio_run *)opaque)->mmio;
    uint64_t *p = (uint64_t *)(void *)guest_ram_to_write(&mmio->ram, addr.v, sizeof(*p));
    uint64_t expected = htole64(old);
    uint8_t swapped;

    if (!p || addr.v % sizeof(*p))
        return -ENXIO;
    swapped = __atomic_compare_exchange_n(p, &expected, htole64(new), false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED);
    tap_load(addr.v, &swapped, sizeof(swapped));
    return swapped ? 0 : -EAGAIN;
}

static enum walk_fault walk_one(struct insn_mmio_run *run, gva_t addr, enum walk_access access,
                                bool unprivileged, struct walk_result *result)
{
    const struct walk_memory memory = {run, ram_word, ram_swap};
    const struct walk_request request = {addr, access, unprivileged};

    return walk(&run->regs, &memory, &request, result);
}

static int translate(void *opaque, gva_t addr, bool write, bool unprivileged,
                     struct insn_page *page, uint32_t *fsc)
{
    struct insn_mmio_run *run = opaque;
    struct walk_result result;

    if (walk_one(run, addr, write ? WALK_WRITE : WALK_READ, unprivileged, &result)) {
        *fsc = walk_fsc(&result);
        return -EFAULT;
    }
    page->ipa = result.ipa;
    page->device = result.device;
    page->ram = guest_ram_at(&run->mmio->ram, result.ipa.v, 1) != NULL;
    return 0;
}

/* What is in RAM is accessed there, in one piece: other vCPUs may be doing the same. */
static int access_read(void *opaque, ipa_t addr, unsigned size, uint64_t *value)
{
    const struct insn_mmio *mmio = ((struct insn_mmio_run *)opaque)->mmio;
    const uint8_t *p = guest_ram_at(&mmio->ram, addr.v, size);

    if (!p)
        return bus_read(mmio->bus, addr, size, value);
    switch (size) {
    case 1: *value = __atomic_load_n(p, __ATOMIC_RELAXED); break;
    case 2: *value = le16toh(__atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED)); break;
    case 4: *value = le32toh(__atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED)); break;
    default: *value = le64toh(__atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED)); break;
    }
    tap_load(addr.v, value, sizeof(*value));
    return 0;
}

static int access_write(void *opaque, ipa_t addr, unsigned size, uint64_t value)
{
    const struct insn_mmio *mmio = ((struct insn_mmio_run *)opaque)->mmio;
    uint8_t *p = guest_ram_to_write(&mmio->ram, addr.v, size);

    if (!p)
        return bus_write(mmio->bus, addr, size, value);
    switch (size) {
    case 1: __atomic_store_n(p, (uint8_t)value, __ATOMIC_RELAXED); break;
    case 2: __atomic_store_n((uint16_t *)p, htole16((uint16_t)value), __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((uint32_t *)p, htole32((uint32_t)value), __ATOMIC_RELAXED); break;
    default: __atomic_store_n((uint64_t *)p, htole64(value), __ATOMIC_RELAXED); break;
    }
    return 0;
}

static const struct insn_ops ops = {
    .get_x = get_x,
    .set_x = set_x,
    .get_sp = get_sp,
    .set_sp = set_sp,
    .get_v = get_v,
    .set_v = set_v,
    .translate = translate,
    .read = access_read,
    .write = access_write,
};

/* False: nothing executable there now. Another vCPU may have changed the tables since the abort. */
static bool fetch(struct insn_mmio_run *run, uint64_t pc, uint32_t *word)
{
    struct walk_result result;
    uint64_t pair;

    if (pc % 4 || walk_one(run, gva(pc), WALK_EXEC, false, &result) ||
        ram_word(run, ipa(result.ipa.v & ~7ull), &pair))
        return false;
    *word = (uint32_t)(result.ipa.v & 4 ? pair >> 32 : pair);
    return true;
}

enum insn_mmio_end insn_mmio_run(const struct insn_mmio *mmio, struct vcpu *vcpu,
                                 const struct rv_event *event, struct insn_mmio_result *result)
{
    const bool el0 = (event->pstate & PSTATE_EL) == 0;
    struct insn_mmio_run run = {.mmio = mmio, .vcpu = vcpu};
    const struct rv_el1 *el1 = &vcpu->page->el1;
    struct insn_ctx ctx = {.ops = &ops, .opaque = &run, .pc = event->pc, .far = event->far};
    struct insn insn;
    int error;

    memset(result, 0, sizeof(*result));
    if (event->pstate & PSTATE_nRW)
        return INSN_MMIO_UNSUPPORTED;
    if (vcpu_fetch(vcpu, RV_GROUP_CORE | RV_GROUP_EL1))
        return INSN_MMIO_LOST;
    run.regs = (struct walk_regs){
        .sctlr = el1->sctlr_el1,
        .tcr = el1->tcr_el1,
        .ttbr0 = el1->ttbr0_el1,
        .ttbr1 = el1->ttbr1_el1,
        .mair = el1->mair_el1,
        .pstate = event->pstate,
        .pa_bits = mmio->pa_bits,
    };
    ctx.big_endian = (run.regs.sctlr & (el0 ? SCTLR_E0E : SCTLR_EE)) != 0;
    ctx.aligned = (run.regs.sctlr & SCTLR_A) != 0;
    ctx.sp_aligned = (run.regs.sctlr & (el0 ? SCTLR_SA0 : SCTLR_SA)) != 0;
    ctx.zva_size = mmio->zva_size;
    if (!fetch(&run, event->pc, &result->word))
        return INSN_MMIO_FETCH;
    insn_decode(result->word, &insn);
    if (insn_is_sve(&insn) || insn_loads_v(&insn))
        ctx.sve = sve_registers(&run);
    error = insn_exec(&ctx, &insn, &result->fault);
    if (run.lost)
        return INSN_MMIO_LOST;
    /* LOAD of the FP group zeroes the vectors beyond V<n>: SVE has to follow it. */
    if (ctx.sve && (run.sve.written || vcpu->dirty & RV_GROUP_FP))
        vcpu_mark_dirty(vcpu, RV_GROUP_SVE);
    if (error == -EFAULT)
        return INSN_MMIO_FAULT;
    return error ? INSN_MMIO_UNSUPPORTED : INSN_MMIO_DONE;
}

unsigned insn_mmio_pa_bits(uint64_t id_aa64mmfr0)
{
    static const unsigned bits[] = {32, 36, 40, 42, 44, 48};

    return (id_aa64mmfr0 & 0xf) < sizeof(bits) / sizeof(*bits) ? bits[id_aa64mmfr0 & 0xf] : 48;
}

uint16_t insn_mmio_zva_size(uint64_t dczid)
{
    unsigned size = 4u << (dczid & DCZID_BS);

    return dczid & DCZID_DZP || size > INSN_ZVA_MAX ? 0 : (uint16_t)size;
}
