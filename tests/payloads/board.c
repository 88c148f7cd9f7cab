/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What bare-metal programs and boot loaders for QEMU's "virt" board take for granted. It
 * runs on that board as well, which is the oracle: tests/e2e/run-guest --board.
 */
#include "tests/payloads/guest.h"

#define PL011       0x09000000ull
#define PL031       0x09010000ull
#define PL061       0x09030000ull
#define PERIPHID    0xfe0u
#define PL061_DIR   0x400u /* and the interrupt sense register behind it */
#define VIRTIO      0x0a000000ull
#define VIRTIO_STEP 0x200u
#define TRANSPORTS  32u
#define FDT_MAGIC   0xedfe0dd0u /* big-endian d00dfeed */

#define VIRTIO_MAGIC   0x74726976u
#define VIRTIO_VERSION 0x004u
#define VIRTIO_DEVICE  0x008u
#define VIRTIO_STATUS  0x070u

static void load_pair(uint64_t addr, uint64_t pair[2])
{
    __asm__ volatile("ldp %0, %1, [%2]" : "=r"(pair[0]), "=r"(pair[1]) : "r"(addr) : "memory");
}

/* Sixteen bytes at once, by a vector register that is stored to RAM again. */
static void load_vector(uint64_t addr, uint64_t pair[2])
{
    __asm__ volatile(".arch_extension fp\n\tldr q0, [%1]\n\tstr q0, [%0]" ::"r"(pair), "r"(addr)
                     : "memory");
}

static void load_vector_pair(uint64_t addr, uint64_t quad[4])
{
    __asm__ volatile(".arch_extension fp\n\tldp q0, q1, [%1]\n\tstp q0, q1, [%0]" ::"r"(quad),
                     "r"(addr)
                     : "memory");
}

/* Linux's memcpy_fromio reads 8 bytes at a time, of any device. */
static void test_wide(const char *name, uint64_t base, uint64_t id01)
{
    uint64_t quad[4] __attribute__((aligned(16))) = {0};
    const uint64_t cell[2] = {0x000000f00000000dull, 0x000000b100000005ull};
    uint64_t id23 = mmio_read32(base + PERIPHID + 8) | (uint64_t)mmio_read32(base + PERIPHID + 12)
                                                           << 32;

    fault_expect(FAULT_SKIP);
    check(mmio_read64(base + PERIPHID), id01, "%s_ldr_x_reads_two_registers", name);
    load_pair(base + PERIPHID, quad);
    check(quad[0], id01, "%s_ldp_x_first", name);
    check(quad[1], id23, "%s_ldp_x_second", name);
    load_vector(base + PERIPHID + 16, quad);
    check(quad[0], cell[0], "%s_ldr_q_low", name);
    check(quad[1], cell[1], "%s_ldr_q_high", name);
    load_vector_pair(base + PERIPHID, quad);
    check(quad[0], id01, "%s_ldp_q_first", name);
    check(quad[3], cell[1], "%s_ldp_q_last", name);
    check(fault.count, 0, "%s_wide_accesses_do_not_abort", name);
    fault_expect(FAULT_PANIC);
}

static void test_wide_store(void)
{
    fault_expect(FAULT_SKIP);
    mmio_write64(PL061 + PL061_DIR, 0x0000005a000000a5ull);
    check(mmio_read32(PL061 + PL061_DIR), 0xa5, "str_x_writes_the_first_register");
    check(mmio_read32(PL061 + PL061_DIR + 4), 0x5a, "str_x_writes_the_second_register");
    mmio_write64(PL061 + PL061_DIR, 0);
    check(fault.count, 0, "wide_stores_do_not_abort");
    fault_expect(FAULT_PANIC);
}

static void test_transports(void)
{
    unsigned no_magic = 0, no_version = 0, devices = 0;

    fault_expect(FAULT_SKIP);
    for (unsigned i = 0; i < TRANSPORTS; i++) {
        uint64_t base = VIRTIO + i * VIRTIO_STEP;
        uint32_t version = mmio_read32(base + VIRTIO_VERSION);

        no_magic += mmio_read32(base) != VIRTIO_MAGIC;
        no_version += version != 1 && version != 2;
        devices += mmio_read32(base + VIRTIO_DEVICE) != 0;
        mmio_write32(base + VIRTIO_STATUS, 0);
    }
    check(fault.count, 0, "transports_without_a_device_do_not_abort");
    check(no_magic, 0, "transports_have_their_magic");
    check(no_version, 0, "transports_have_a_version");
    check(devices, 0, "transports_without_a_device_say_so");
    fault_expect(FAULT_PANIC);
}

void test_main(void)
{
    WRITE_SYSREG(cpacr_el1, 0x300000); /* FP is not trapped */
    test_wide("pl011", PL011, 0x0000001000000011ull);
    test_wide("pl031", PL031, 0x0000001000000031ull);
    test_wide("pl061", PL061, 0x0000001000000061ull);
    test_wide_store();
    test_transports();
    /* QEMU gives an ELF file no x0, and has no room for its own tree below a payload. */
    if (boot_state.x[0])
        check(mmio_read32(RAM_BASE), FDT_MAGIC, "the_device_tree_is_at_the_start_of_ram");
    else
        note("no device tree was passed");
}
