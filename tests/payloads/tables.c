/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation tables where no memory is, and pages beyond the physical addresses:
 * the fault that EL1 takes tells the level, for data and for instructions.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/mmu.h"

/* EC, IL, S1PTW, WnR, DFSC. */
#define ESR_CHECKED (0xfe000000ull | 1ull << 7 | ESR_WNR | 0x3full)

#define FSC_ADDRESS_SIZE  0x00ull
#define FSC_EXTERNAL_WALK 0x14ull

/* Levels 0 to 3 have the indices 1, 2, 3, 4 for it, in the upper half of 48 bits. */
#define VA    0xffff008080604000ull
#define TABLE 0x3ull
#define PAGE  (0x3ull | 1ull << 10) /* AF; Device by AttrIndx 1 */

#define TCR_TTBR0 (25ull | 0x1ull << 8 | 0x1ull << 10 | 0x3ull << 12) /* as mmu.c has it */
#define TCR_TTBR1 (16ull << 16 | 0x1ull << 24 | 0x1ull << 26 | 0x3ull << 28 | 0x2ull << 30)
#define TCR_IPS   32

static uint64_t tables[4][512] __attribute__((aligned(4096)));

static void map(unsigned hole, uint64_t leaf)
{
    static const unsigned index[4] = {1, 2, 3, 4};

    for (unsigned level = 0; level < 3; level++)
        tables[level][index[level]] =
            (level + 1 == hole ? HOLE : (uint64_t)tables[level + 1]) | TABLE;
    tables[3][index[3]] = leaf;
    WRITE_SYSREG(ttbr1_el1, hole == 0 ? HOLE : (uint64_t)tables);
    __asm__ volatile("dsb sy\n\ttlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
}

static void check_level(const char *what, uint64_t fsc, unsigned level)
{
    const uint64_t want = ESR_IL | fsc | level;

    fault_expect(FAULT_SKIP);
    (void)mmio_read32(VA + 8);
    check(fault.count, 1, "%s_level_%u_read_aborts_once", what, level);
    check(fault.esr & ESR_CHECKED, ESR_EC(EC_DATA_ABORT_CURRENT) | want, "%s_level_%u_read_esr",
          what, level);
    check(fault.far, VA + 8, "%s_level_%u_read_far", what, level);

    fault_expect(FAULT_SKIP);
    mmio_write64(VA + 16, 1);
    check(fault.count, 1, "%s_level_%u_write_aborts_once", what, level);
    check(fault.esr & ESR_CHECKED & ~ESR_WNR, ESR_EC(EC_DATA_ABORT_CURRENT) | want,
          "%s_level_%u_write_esr", what, level);

    fault_expect(FAULT_SKIP);
    __asm__ volatile("ldp q0, q1, [%0]" ::"r"(VA + 0x20) : "memory");
    check(fault.esr & ESR_CHECKED, ESR_EC(EC_DATA_ABORT_CURRENT) | want, "%s_level_%u_ldp_esr",
          what, level);

    fault_expect(FAULT_RETURN);
    __asm__ volatile("blr %0" ::"r"(VA + 0x40) : "x30", "memory");
    check(fault.count, 1, "%s_level_%u_fetch_aborts_once", what, level);
    check(fault.esr & ESR_CHECKED, ESR_EC(EC_INSN_ABORT_CURRENT) | want, "%s_level_%u_fetch_esr",
          what, level);
    check(fault.far, VA + 0x40, "%s_level_%u_fetch_far", what, level);
}

void test_main(void)
{
    WRITE_SYSREG(cpacr_el1, 3ull << 20);
    mmu_on();
    WRITE_SYSREG(tcr_el1, TCR_TTBR0 | TCR_TTBR1 | 2ull << TCR_IPS);
    for (unsigned level = 0; level < 4; level++) {
        map(level, 0);
        check_level("table_in_a_hole", FSC_EXTERNAL_WALK, level);
    }
    /* The CPU itself sees that 41 bits are too many for TCR_EL1.IPS. */
    map(4, 1ull << 40 | PAGE);
    check_level("page_beyond_ips", FSC_ADDRESS_SIZE, 3);
    /* With all the bits that there are in TCR_EL1.IPS only ID_AA64MMFR0_EL1 says 40. */
    if (testdev_present()) {
        WRITE_SYSREG(tcr_el1, TCR_TTBR0 | TCR_TTBR1 | 5ull << TCR_IPS);
        map(4, 1ull << 40 | PAGE);
        check_level("page_beyond_parange", FSC_ADDRESS_SIZE, 3);
        tables[0][1] = 1ull << 40 | TABLE;
        __asm__ volatile("dsb sy\n\ttlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
        check_level("table_beyond_parange", FSC_ADDRESS_SIZE, 0);
    } else {
        skip("page_beyond_parange", "the bare board has more physical addresses");
    }
    mmu_off();
}
