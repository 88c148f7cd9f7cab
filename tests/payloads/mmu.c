/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/payloads/mmu.h"

#include "tests/payloads/guest.h"

/* Block descriptor, stage 1 (Arm ARM D8.3). */
#define BLOCK_VALID    0x1ull
#define BLOCK_NORMAL   (0x0ull << 2) /* AttrIndx, see MAIR_VALUE */
#define BLOCK_DEVICE   (0x1ull << 2)
#define BLOCK_EL0      (0x1ull << 6) /* AP[1] */
#define BLOCK_INNER    (0x3ull << 8)
#define BLOCK_ACCESSED (0x1ull << 10)
#define BLOCK_PXN      (0x1ull << 53)
#define BLOCK_UXN      (0x1ull << 54)
#define MAIR_VALUE     0x04ffull /* 0: normal write-back; 1: Device-nGnRE */

/* TCR_EL1: T0SZ 25, inner shareable write-back walks, 4 KiB, TTBR1 off, 40-bit IPA. */
#define TCR_VALUE (25ull | 0x1ull << 8 | 0x1ull << 10 | 0x3ull << 12 | 0x1ull << 23 | 0x2ull << 32)

#define SCTLR_M 0x1ull
#define SCTLR_C 0x4ull
#define SCTLR_I 0x1000ull

#define GIB 0x40000000ull

static uint64_t table[512] __attribute__((aligned(4096)));

void mmu_on(void)
{
    const uint64_t common = BLOCK_VALID | BLOCK_ACCESSED | BLOCK_INNER;

    table[0] = common | BLOCK_DEVICE | BLOCK_PXN | BLOCK_UXN;
    table[1] = GIB | common | BLOCK_NORMAL | BLOCK_UXN;
    table[2] = common | BLOCK_NORMAL | BLOCK_UXN;
    table[3] = GIB | common | BLOCK_NORMAL | BLOCK_EL0 | BLOCK_PXN;
    table[4] = common | BLOCK_DEVICE | BLOCK_EL0 | BLOCK_PXN | BLOCK_UXN;
    WRITE_SYSREG(mair_el1, MAIR_VALUE);
    WRITE_SYSREG(tcr_el1, TCR_VALUE);
    WRITE_SYSREG(ttbr0_el1, (uint64_t)table);
    __asm__ volatile("dsb sy\n\ttlbi vmalle1\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) | SCTLR_M | SCTLR_C | SCTLR_I);
}

/*
 * The caches keep what was written with the MMU on, so the stack that this
 * function returns on is cleaned first (by VA, 64 bytes is the smallest line in
 * use; a smaller step only repeats work).
 */
void mmu_off(void)
{
    extern char bss_start[], image_end[];

    for (uint64_t va = (uint64_t)bss_start & ~63ull; va < (uint64_t)image_end; va += 64)
        __asm__ volatile("dc civac, %0" ::"r"(va) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) & ~(SCTLR_M | SCTLR_C | SCTLR_I));
    __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
}
