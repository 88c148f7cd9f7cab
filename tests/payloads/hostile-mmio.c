/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads and writes of random widths and values all over the device space, with
 * interrupts masked and every abort skipped. Whatever it does to its own
 * board, the machine must go on and answer.
 */
#include "tests/payloads/guest.h"

#define ACCESSES 20000u

/* Ranges, and how many of a hundred accesses go there. */
static const struct {
    uint64_t start, size;
    unsigned share;
} ranges[] = {
    {0x00000000, 0x40000000, 30},         /* anywhere */
    {0x08000000, 0x00010000, 20},         /* GICD */
    {0x080a0000, 0x00040000, 15},         /* GICR of two CPUs */
    {0x09000000, 0x00001000, 5},          /* PL011 */
    {0x09010000, 0x00001000, 5},          /* PL031 */
    {0x0a000000, 0x00004000, 10},         /* virtio-mmio */
    {0x0c000000, 0x00005000, 10},         /* testdev and what is behind it */
    {0x100000000, 0xff00000000, 3},       /* far above RAM, within 40 bits */
    {0x7fffffff00000000, 0x100000000, 2}, /* beyond any address */
};

static void one_access(uint64_t addr, uint64_t value)
{
    switch (value >> 60 & 7) {
    case 0: mmio_write8(addr, (uint8_t)value); break;
    case 1: mmio_write16(addr & ~1ull, (uint16_t)value); break;
    case 2: mmio_write32(addr & ~3ull, (uint32_t)value); break;
    case 3: mmio_write64(addr & ~7ull, value); break;
    case 4: (void)mmio_read8(addr); break;
    case 5: (void)mmio_read16(addr & ~1ull); break;
    case 6: (void)mmio_read32(addr & ~3ull); break;
    default: (void)mmio_read64(addr & ~7ull); break;
    }
}

static uint64_t any_address(void)
{
    unsigned pick = (unsigned)(random64() % 100u);
    unsigned i = 0;

    while (pick >= ranges[i].share)
        pick -= ranges[i++].share;
    return ranges[i].start + random64() % ranges[i].size;
}

void test_main(void)
{
    uint64_t done = 0;

    fault_expect(FAULT_SKIP);
    for (unsigned i = 0; i < ACCESSES; i++) {
        uint64_t addr = any_address();

        /* The PL061's outputs and fw_cfg's DMA can reach the payload itself. */
        if (addr >= 0x09020000 && addr < 0x09040000)
            continue;
        one_access(addr, random64());
        done++;
    }
    uart_init();
    note("%u aborts", fault.count);
    check_true(done > ACCESSES / 2 && fault.count != 0, "hostile_mmio_goes_on");
    check(READ_SYSREG(CurrentEL) >> 2, 1, "hostile_mmio_still_at_el1");
    check((uint64_t)psci(PSCI_AFFINITY_INFO, 0, 0, 0), PSCI_AFFINITY_ON,
          "hostile_mmio_psci_answers");
}
