/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_memory.h"

#include <stdbool.h>

#include "proto/arm/esr.h"
#include "vmm/insn/walk.h"

static int table_read(void *opaque, ipa_t addr, uint64_t *word)
{
    const struct gdb_memory *memory = opaque;

    return guest_word(&memory->ram, memory->roms, addr, word);
}

/* Nothing is changed: a look at a page is not the guest's access to it. */
static int table_swap(void *opaque, ipa_t addr, uint64_t old, uint64_t new)
{
    return 0;
}

/*
 * As a read of EL1 that PAN does not hinder, which may have every page that is mapped. With HA
 * a page whose access flag is clear is no fault.
 */
static bool translate(const struct gdb_memory *memory, const struct rv_vcpu_page *page,
                      uint64_t address, ipa_t *where, uint64_t *run)
{
    const struct rv_el1 *el1 = &page->el1;
    const struct walk_memory tables = {(void *)memory, table_read, table_swap};
    const struct walk_request request = {.addr = gva(address), .access = WALK_READ};
    const struct walk_regs regs = {
        .sctlr = el1->sctlr_el1,
        .tcr = el1->tcr_el1 | WALK_TCR_HA,
        .ttbr0 = el1->ttbr0_el1,
        .ttbr1 = el1->ttbr1_el1,
        .mair = el1->mair_el1,
        .pstate = PSTATE_EL1h,
        .pa_bits = memory->pa_bits,
    };
    struct walk_result result;

    if (walk(&regs, &tables, &request, &result))
        return false;
    *where = result.ipa;
    *run = (1ull << result.bits) - (result.ipa.v & ((1ull << result.bits) - 1));
    return true;
}

/* From there on [where, where + *run) is in one piece, as far as tables tell. */
static bool find(const struct gdb_memory *memory, const struct rv_vcpu_page *page, uint64_t address,
                 ipa_t *where, uint64_t *run)
{
    *where = ipa(address);
    *run = UINT64_MAX;
    return !page || translate(memory, page, address, where, run);
}

static void limit(size_t *size, uint64_t run, uint64_t left)
{
    if (run > left)
        run = left;
    if (*size > run)
        *size = (size_t)run;
}

uint8_t *gdb_memory_at(const struct gdb_memory *memory, const struct rv_vcpu_page *page,
                       uint64_t address, size_t *size, ipa_t *where)
{
    uint64_t run;

    if (!find(memory, page, address, where, &run) || !guest_ram_has(&memory->ram, where->v, 1))
        return NULL;
    limit(size, run, guest_ram_end(&memory->ram) - where->v);
    return guest_ram_to_write(&memory->ram, where->v, *size);
}

const uint8_t *gdb_memory_look(const struct gdb_memory *memory, const struct rv_vcpu_page *page,
                               uint64_t address, size_t *size)
{
    const struct guest_roms *roms = memory->roms;
    const uint8_t *ram = gdb_memory_at(memory, page, address, size, &(ipa_t){0});
    uint64_t run;
    ipa_t where;

    if (ram || !find(memory, page, address, &where, &run))
        return ram;
    for (unsigned i = 0; roms && i < roms->count; i++) {
        const struct guest_rom *rom = &roms->rom[i];

        if (!guest_rom_at(roms, where.v, 1) || where.v - rom->ipa >= rom->size)
            continue;
        limit(size, run, rom->size - (where.v - rom->ipa));
        return guest_rom_at(roms, where.v, *size);
    }
    return NULL;
}
