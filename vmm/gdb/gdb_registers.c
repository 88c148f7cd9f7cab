/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_registers.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "vmm/gdb/gdb_registers_internal.h"
#include "vmm/insn/insn_exec.h"

#define V_BYTES 16u

/* TCR_EL1 (Arm ARM D24.2.189). */
#define TCR_T0SZ(tcr) ((unsigned)(tcr)&0x3fu)
#define TCR_T1SZ(tcr) ((unsigned)((tcr) >> 16) & 0x3fu)
#define TCR_TBI0      (1ull << 37)
#define TCR_TBI1      (1ull << 38)
#define TCR_TBID0     (1ull << 51)
#define TCR_TBID1     (1ull << 52)

#define SYSTEM(name, field)                                     \
    {                                                           \
        name, __builtin_offsetof(struct rv_vcpu_page, field), 0 \
    }
#define CONSTANT(name, field)                                   \
    {                                                           \
        name, __builtin_offsetof(struct rv_vcpu_page, field), 1 \
    }

const struct gdb_system_register gdb_system_registers[] = {
    SYSTEM("SP_EL0", el1.sp_el0),           SYSTEM("SP_EL1", el1.sp_el1),
    SYSTEM("ELR_EL1", el1.elr_el1),         SYSTEM("SPSR_EL1", el1.spsr_el1),
    SYSTEM("ESR_EL1", el1.esr_el1),         SYSTEM("FAR_EL1", el1.far_el1),
    SYSTEM("VBAR_EL1", el1.vbar_el1),       SYSTEM("SCTLR_EL1", el1.sctlr_el1),
    SYSTEM("TCR_EL1", el1.tcr_el1),         SYSTEM("TTBR0_EL1", el1.ttbr0_el1),
    SYSTEM("TTBR1_EL1", el1.ttbr1_el1),     SYSTEM("MAIR_EL1", el1.mair_el1),
    SYSTEM("AMAIR_EL1", el1.amair_el1),     SYSTEM("CONTEXTIDR_EL1", el1.contextidr_el1),
    SYSTEM("CPACR_EL1", el1.cpacr_el1),     SYSTEM("PAR_EL1", el1.par_el1),
    SYSTEM("AFSR0_EL1", el1.afsr0_el1),     SYSTEM("AFSR1_EL1", el1.afsr1_el1),
    SYSTEM("TPIDR_EL0", el1.tpidr_el0),     SYSTEM("TPIDRRO_EL0", el1.tpidrro_el0),
    SYSTEM("TPIDR_EL1", el1.tpidr_el1),     SYSTEM("CSSELR_EL1", el1.csselr_el1),
    CONSTANT("MPIDR_EL1", el1.vmpidr_el2),  CONSTANT("MIDR_EL1", el1.vpidr_el2),
    SYSTEM("MDSCR_EL1", debug.mdscr),       SYSTEM("CNTKCTL_EL1", timer.cntkctl),
    SYSTEM("CNTV_CTL_EL0", timer.cntv_ctl), SYSTEM("CNTV_CVAL_EL0", timer.cntv_cval),
    SYSTEM("CNTP_CTL_EL0", timer.cntp_ctl), SYSTEM("CNTP_CVAL_EL0", timer.cntp_cval),
    SYSTEM("ZCR_EL1", el1.zcr_el1), /* the last: only where there is SVE */
};
const unsigned gdb_nr_system_registers =
    sizeof(gdb_system_registers) / sizeof(*gdb_system_registers);

static void add(struct gdb_registers *registers, enum gdb_kind kind, unsigned count)
{
    registers->blocks[registers->nr_blocks++] = (struct gdb_registers_block){kind, count};
    registers->count += count;
}

int gdb_registers_init(struct gdb_registers *registers, unsigned vl, bool pauth)
{
    FILE *out;
    bool failed;

    *registers = (struct gdb_registers){.vl = vl};
    add(registers, GDB_KIND_X, 31);
    add(registers, GDB_KIND_SP, 1);
    add(registers, GDB_KIND_PC, 1);
    add(registers, GDB_KIND_CPSR, 1);
    add(registers, vl ? GDB_KIND_Z : GDB_KIND_V, 32);
    add(registers, GDB_KIND_FPSR, 1);
    add(registers, GDB_KIND_FPCR, 1);
    if (vl) {
        add(registers, GDB_KIND_P, 16);
        add(registers, GDB_KIND_FFR, 1);
        add(registers, GDB_KIND_VG, 1);
    }
    if (pauth)
        add(registers, GDB_KIND_PAUTH, GDB_PAUTH_MASKS);
    add(registers, GDB_KIND_SYSTEM, gdb_nr_system_registers - (vl ? 0 : 1));
    out = open_memstream(&registers->description, &registers->description_size);
    if (!out)
        return -ENOMEM;
    gdb_description_write(registers, out);
    failed = ferror(out);
    return fclose(out) || failed ? -ENOMEM : 0;
}

void gdb_registers_free(struct gdb_registers *registers)
{
    free(registers->description);
    *registers = (struct gdb_registers){0};
}

/* The kind of a register, and which of its kind it is. */
static bool find(const struct gdb_registers *registers, unsigned number, enum gdb_kind *kind,
                 unsigned *index)
{
    for (unsigned i = 0; i < registers->nr_blocks; i++) {
        const struct gdb_registers_block *block = &registers->blocks[i];

        if (number < block->count) {
            *kind = block->kind;
            *index = number;
            return true;
        }
        number -= block->count;
    }
    return false;
}

size_t gdb_register_size(const struct gdb_registers *registers, unsigned number)
{
    enum gdb_kind kind;
    unsigned index;

    if (!find(registers, number, &kind, &index))
        return 0;
    switch (kind) {
    case GDB_KIND_CPSR:
    case GDB_KIND_FPSR:
    case GDB_KIND_FPCR: return 4;
    case GDB_KIND_V: return V_BYTES;
    case GDB_KIND_Z: return registers->vl;
    case GDB_KIND_P:
    case GDB_KIND_FFR: return registers->vl / 8;
    default: return 8;
    }
}

/* Which of the two stack pointers SP is. */
static uint64_t *stack_pointer(struct rv_vcpu_page *page)
{
    bool el1h = (page->pstate & (PSTATE_nRW | PSTATE_M)) == PSTATE_EL1h;

    return el1h ? &page->el1.sp_el1 : &page->el1.sp_el0;
}

/* Where the field of a 64-bit register is; NULL: it has none. The page is not changed by it. */
static uint64_t *field_of(const struct rv_vcpu_page *in, enum gdb_kind kind, unsigned index)
{
    struct rv_vcpu_page *page = (struct rv_vcpu_page *)in;

    switch (kind) {
    case GDB_KIND_X: return &page->x[index];
    case GDB_KIND_SP: return stack_pointer(page);
    case GDB_KIND_PC: return &page->pc;
    case GDB_KIND_CPSR: return &page->pstate;
    case GDB_KIND_FPSR: return &page->fp.fpsr;
    case GDB_KIND_FPCR: return &page->fp.fpcr;
    case GDB_KIND_SYSTEM: return (uint64_t *)((uint8_t *)page + gdb_system_registers[index].offset);
    default: return NULL;
    }
}

/* Where the bytes of an SVE register are in the page. */
static uint8_t *sve_of(const struct gdb_registers *registers, const struct rv_vcpu_page *page,
                       enum gdb_kind kind, unsigned index)
{
    struct insn_sve sve = insn_sve_at((uint8_t *)page->sve, registers->vl, registers->vl);

    switch (kind) {
    case GDB_KIND_Z: return sve.z + (size_t)index * registers->vl;
    case GDB_KIND_P: return sve.p + (size_t)index * (registers->vl / 8);
    default: return sve.ffr;
    }
}

/* The bits of a pointer that an authentication code has: D8.10.4. Bit 55 chooses the half. */
static uint64_t pauth_mask(uint64_t tcr, bool upper, bool code)
{
    unsigned size = upper ? TCR_T1SZ(tcr) : TCR_T0SZ(tcr);
    bool tbi = tcr & (upper ? TCR_TBI1 : TCR_TBI0);
    uint64_t mask;

    if (code && tcr & (upper ? TCR_TBID1 : TCR_TBID0))
        tbi = false;
    if (size < 16) /* no such size: 48 bits is the most that a guest may have */
        size = 16;
    mask = ~(~0ull >> size);
    return mask & ~(1ull << 55) & (tbi ? ~0ull >> 8 : ~0ull);
}

void gdb_register_read(const struct gdb_registers *registers, const struct rv_vcpu_page *page,
                       unsigned number, uint8_t *value)
{
    size_t size = gdb_register_size(registers, number);
    enum gdb_kind kind = GDB_KIND_X;
    unsigned index = 0;
    uint64_t word = 0;

    find(registers, number, &kind, &index);
    switch (kind) {
    case GDB_KIND_V:
        for (unsigned i = 0; i < 2; i++) {
            word = htole64(page->fp.v[2 * index + i]);
            memcpy(value + 8 * i, &word, sizeof(word));
        }
        return;
    case GDB_KIND_Z:
    case GDB_KIND_P:
    case GDB_KIND_FFR: memcpy(value, sve_of(registers, page, kind, index), size); return;
    case GDB_KIND_VG: word = registers->vl / 8; break;
    /* Data, code, then the same of the upper half. */
    case GDB_KIND_PAUTH: word = pauth_mask(page->el1.tcr_el1, index & 2, index & 1); break;
    default: word = *field_of(page, kind, index); break;
    }
    word = htole64(word);
    memcpy(value, &word, size);
}

/*
 * The stub loads PSTATE only if its mode is EL0t, EL1t, EL1h, or AArch32's User where the CPU
 * has that: a guest that is in it shows that it has.
 */
static bool mode_is_legal(uint64_t old, uint64_t new)
{
    uint64_t mode = new &(PSTATE_nRW | PSTATE_M);

    if (old & PSTATE_nRW)
        return mode == PSTATE_nRW;
    return mode == PSTATE_EL0t || mode == PSTATE_EL1t || mode == PSTATE_EL1h;
}

int gdb_register_write(const struct gdb_registers *registers, struct rv_vcpu_page *page,
                       unsigned number, const uint8_t *value)
{
    size_t size = gdb_register_size(registers, number);
    enum gdb_kind kind = GDB_KIND_X;
    unsigned index = 0;
    uint64_t word[2] = {0};

    find(registers, number, &kind, &index);
    memcpy(word, value, size < sizeof(word) ? size : sizeof(word));
    word[0] = le64toh(word[0]);
    word[1] = le64toh(word[1]);
    switch (kind) {
    case GDB_KIND_V: memcpy(&page->fp.v[2 * index], word, sizeof(word)); return 0;
    case GDB_KIND_Z: /* V is its low end, and the stub loads both groups */
        memcpy(&page->fp.v[2 * index], word, sizeof(word));
        memcpy(sve_of(registers, page, kind, index), value, size);
        return 0;
    case GDB_KIND_P:
    case GDB_KIND_FFR: memcpy(sve_of(registers, page, kind, index), value, size); return 0;
    case GDB_KIND_VG:
    case GDB_KIND_PAUTH: return -EROFS;
    case GDB_KIND_SYSTEM:
        if (gdb_system_registers[index].constant)
            return -EROFS;
        break;
    case GDB_KIND_CPSR:
        if (!mode_is_legal(page->pstate, word[0]))
            return -EINVAL;
        word[0] |= page->pstate & ~0xffffffffull;
        break;
    default: break;
    }
    *field_of(page, kind, index) = word[0];
    return 0;
}
