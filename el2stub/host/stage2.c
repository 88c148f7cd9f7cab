/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 2 of the host: all of the physical address space at its own addresses, in blocks,
 * but for the stub's private memory. It never changes. The memory type is the host's own: with
 * write-back, non-shareable here, its stage 1 decides (Arm ARM D8.6, "Combining stage 1 and
 * stage 2 memory type attributes").
 */
#include "arch.h"
#include "el2stub/host/host.h"

#define PA_BITS_MAX  48u /* 52 bits need the 64 KiB granule, or FEAT_LPA2 */
#define LEVEL_0_BITS 44u /* from here on the walk starts at level 0 (VTCR_EL2.SL0) */
#define VTCR_PS      16
#define HCR_TSC      (1ull << 19) /* trap: SMC */
#define HOST_ATTR    (S2_NORMAL_WB | S2_READ | S2_WRITE | PTE_AF)

static uint64_t level_0[512] __attribute__((aligned(4096)));
static uint64_t vttbr, vtcr; /* VMID 0: no guest has it */

/* ID_AA64MMFR0_EL1.PARange, as far as it is used here. */
static uint32_t pa_range(void)
{
    uint64_t range = read_sysreg(id_aa64mmfr0_el1) & 0xf;

    return range > 5 ? 5 : (uint32_t)range;
}

/*
 * With the MMU off. `*end` is where the stub's free memory ends: the level 1 table, an entry
 * for each GiB, is taken from there. 0, RV_REFUSED_* or NO_ROOM.
 */
int host_stage2_build(uint64_t *end)
{
    static const uint8_t range_bits[] = {32, 36, 40, 42, 44, PA_BITS_MAX};
    const uint32_t bits = range_bits[pa_range()];
    const uint64_t stub = (uint64_t)image_start, stub_end = stub + boot.stub_size;
    uint64_t entries = 1ull << (bits - 30);
    /* Tables that the walk starts with are aligned to their size; a page will do for a small one. */
    uint64_t size = entries * 8 < RV_PAGE_SIZE ? RV_PAGE_SIZE : entries * 8;
    uint64_t *root = (uint64_t *)((*end - size) & ~(size - 1));
    int error;

    if ((uint64_t)root < (uint64_t)image_start + boot.stub_size / 4 || stub_end > 1ull << bits)
        return NO_ROOM;
    *end = (uint64_t)root;
    for (uint64_t i = 0; i < size / 8; i++)
        root[i] = 0;
    for (uint64_t i = 0; i < entries / 512; i++)
        level_0[i] = ((uint64_t)root + i * RV_PAGE_SIZE) | PTE_TABLE;
    vttbr = bits >= LEVEL_0_BITS ? (uint64_t)level_0 : (uint64_t)root;
    vtcr = VTCR_COMMON | (uint64_t)pa_range() << VTCR_PS | (64 - bits) |
           VTCR_SL0(bits >= LEVEL_0_BITS ? 0 : 1);
    pgtable_next = (uint64_t)image_end;
    pgtable_end = (uint64_t)root;
    error = pgtable_map(root, 1, 0, 0, stub, HOST_ATTR, false, ~0u);
    if (error)
        return error;
    return pgtable_map(root, 1, stub_end, stub_end, (1ull << bits) - stub_end, HOST_ATTR, false,
                       ~0u);
}

/*
 * The host's translation, for a CPU that is about to run it. What its TLB has of EL1 and EL0 may
 * come from before: without stage 2, or of a guest's registers. It goes after the switch.
 */
void host_stage2_on(uint64_t hcr)
{
    write_sysreg(vtcr, vtcr_el2);
    write_sysreg(vttbr, vttbr_el2);
    isb();
    write_sysreg(hcr | HCR_VM | HCR_TSC, hcr_el2);
    isb();
    tlb_flush_vcpu();
}
