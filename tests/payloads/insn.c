/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to a device whose syndrome tells nothing (ISV=0): the vmm emulates
 * them from the instruction. Once with the MMU off and once through page tables.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/mmu.h"
#include "tests/payloads/testdev.h"

#define DEVICE  (TESTDEV_BASE + TESTDEV_SCRATCH)
#define VALUE   0x1122334455667788ull
#define SEVENS  0x0707070707070707ull
#define ATOMICS (0xfull << 20) /* ID_AA64ISAR0_EL1.Atomic */
#define SVE     (0xfull << 32) /* ID_AA64PFR0_EL1.SVE */

/* EC, IL, DFSC */
#define ESR_CHECKED       0xfe00003full
#define ESR_FSC_EXCLUSIVE 0x35ull

#define POINTER_AUTH 0xff0ull     /* ID_AA64ISAR1_EL1.APA, API */
#define SCTLR_ENDA   (1ull << 27) /* keys and instructions of data key A are on */

static void test_pairs(const char *mode)
{
    uint64_t first, second, base = DEVICE;

    mmio_write64(DEVICE, VALUE);
    mmio_write64(DEVICE + 8, ~VALUE);
    __asm__ volatile("ldp %0, %1, [%2], #16"
                     : "=&r"(first), "=&r"(second), "+r"(base)
                     :
                     : "memory");
    check(first, VALUE, "ldp_first_%s", mode);
    check(second, ~VALUE, "ldp_second_%s", mode);
    check(base, DEVICE + 16, "ldp_writes_back_%s", mode);
    __asm__ volatile("stp %1, %2, [%0, #16]!" : "+r"(base) : "r"(first), "r"(second) : "memory");
    check(mmio_read64(DEVICE + 32), VALUE, "stp_first_%s", mode);
    check(mmio_read64(DEVICE + 40), ~VALUE, "stp_second_%s", mode);
    check(base, DEVICE + 32, "stp_writes_back_%s", mode);
    __asm__ volatile("ldpsw %0, %1, [%2]"
                     : "=&r"(first), "=&r"(second)
                     : "r"(DEVICE + 8)
                     : "memory");
    check(first, 0xffffffffaa998877ull, "ldpsw_sign_extends_%s", mode);
    check(second, 0xffffffffeeddccbbull, "ldpsw_second_%s", mode);
}

static void test_writeback(const char *mode)
{
    uint64_t value, base = DEVICE + 32;

    mmio_write64(DEVICE + 32, VALUE);
    __asm__ volatile("ldr %w0, [%1], #-4" : "=&r"(value), "+r"(base) : : "memory");
    check(value, 0x55667788, "ldr_post_index_%s", mode);
    check(base, DEVICE + 28, "ldr_post_index_writes_back_%s", mode);
    __asm__ volatile("ldrsb %0, [%1, #11]!" : "=&r"(value), "+r"(base) : : "memory");
    check(value, 0x11, "ldrsb_pre_index_%s", mode);
    check(base, DEVICE + 39, "ldrsb_pre_index_writes_back_%s", mode);
    base = DEVICE + 34;
    __asm__ volatile("strh wzr, [%0], #1" : "+r"(base) : : "memory");
    check(mmio_read64(DEVICE + 32), VALUE & ~0xffff0000ull, "strh_leaves_its_neighbours_%s", mode);
}

static void test_vectors(const char *mode)
{
    uint64_t value;

    mmio_write64(DEVICE, VALUE);
    mmio_write64(DEVICE + 8, ~VALUE);
    __asm__ volatile(".arch armv8-a+simd\n"
                     "ldr q0, [%1]\n"
                     "mov %0, v0.d[1]"
                     : "=r"(value)
                     : "r"(DEVICE)
                     : "memory");
    check(value, ~VALUE, "ldr_q_%s", mode);
    __asm__ volatile("movi v1.16b, #7\n"
                     "st1 {v1.16b}, [%0]"
                     :
                     : "r"(DEVICE + 64)
                     : "memory");
    check(mmio_read64(DEVICE + 64), SEVENS, "st1_low_%s", mode);
    check(mmio_read64(DEVICE + 72), SEVENS, "st1_high_%s", mode);
    __asm__ volatile("mov %0, v0.d[0]" : "=r"(value));
    check(value, VALUE, "other_vectors_stay_%s", mode);
}

/* No device has an exclusive monitor; the loop of a guest that takes it for one must end. */
static void test_exclusives(const char *mode)
{
    uint64_t value = VALUE, status = 7;

    mmio_write64(DEVICE, VALUE);
    fault_expect(FAULT_SKIP);
    __asm__ volatile("ldxr %0, [%1]" : "+r"(value) : "r"(DEVICE + 8) : "memory");
    check(fault.count, 1, "ldxr_faults_%s", mode);
    check(fault.esr & ESR_CHECKED, ESR_EC(EC_DATA_ABORT_CURRENT) | ESR_IL | ESR_FSC_EXCLUSIVE,
          "ldxr_fault_is_unsupported_exclusive_%s", mode);
    check(fault.far, DEVICE + 8, "ldxr_fault_address_%s", mode);
    check(value, VALUE, "ldxr_that_faults_loads_nothing_%s", mode);
    fault_expect(FAULT_SKIP);
    __asm__ volatile("stxr %w0, xzr, [%1]" : "+&r"(status) : "r"(DEVICE) : "memory");
    check(fault.count == 0 ? status : 1, 1, "stxr_fails_%s", mode);
    fault_expect(FAULT_PANIC);
    check(mmio_read64(DEVICE), VALUE, "stxr_writes_nothing_%s", mode);
}

/* The MMU must be on: it says which bits of a pointer its authentication code is in. */
static void test_authenticated(const char *mode)
{
    uint64_t value, base = DEVICE;

    if (!(READ_SYSREG(id_aa64isar1_el1) & POINTER_AUTH)) {
        note("no FEAT_PAuth");
        return;
    }
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) | SCTLR_ENDA);
    __asm__ volatile(".arch armv8.3-a\n"
                     "isb\n"
                     "msr apdakeylo_el1, %0\n"
                     "msr apdakeyhi_el1, %0\n"
                     "isb"
                     :
                     : "r"(VALUE));
    mmio_write64(DEVICE + 8, ~VALUE);
    __asm__ volatile("pacdza %0" : "+r"(base));
    check(base != DEVICE, 1, "pointer_is_signed_%s", mode);
    __asm__ volatile("ldraa %0, [%1, #8]" : "=&r"(value) : "r"(base) : "memory");
    check(value, ~VALUE, "ldraa_%s", mode);
    __asm__ volatile("ldraa %0, [%1, #8]!" : "=&r"(value), "+r"(base) : : "memory");
    check(value, ~VALUE, "ldraa_pre_index_%s", mode);
    check(base, DEVICE + 8, "ldraa_writes_the_plain_address_back_%s", mode);
}

static void test_atomics(const char *mode)
{
    uint64_t value, one = 1;

    mmio_write64(DEVICE, VALUE);

    if (!(READ_SYSREG(id_aa64isar0_el1) & ATOMICS)) {
        note("no FEAT_LSE");
        return;
    }
    __asm__ volatile(".arch armv8.1-a\n"
                     "ldaddal %2, %0, [%1]"
                     : "=&r"(value)
                     : "r"(DEVICE), "r"(one)
                     : "memory");
    check(value, VALUE, "ldadd_reads_the_old_%s", mode);
    check(mmio_read64(DEVICE), VALUE + 1, "ldadd_writes_the_sum_%s", mode);
    value = VALUE + 1;
    __asm__ volatile("casal %0, %2, [%1]" : "+&r"(value) : "r"(DEVICE), "r"(5ull) : "memory");
    check(value, VALUE + 1, "cas_reads_the_old_%s", mode);
    check(mmio_read64(DEVICE), 5, "cas_writes_when_equal_%s", mode);
}

/* V0 is the low end of Z0: its load zeroes the rest of Z0, and nothing of any other. */
static void test_scalable_vectors(const char *mode)
{
    static uint8_t z[2][256], p[32];
    uint64_t size, last;

    if (!(READ_SYSREG(id_aa64pfr0_el1) & SVE)) {
        note("no SVE");
        return;
    }
    WRITE_SYSREG(cpacr_el1, 3ull << 20 | 3ull << 16);
    __asm__ volatile("isb\n"
                     "mov x9, #15\n"
                     "msr s3_0_c1_c2_0, x9\n" /* ZCR_EL1: the longest */
                     "isb" ::
                         : "x9");
    mmio_write64(DEVICE, VALUE);
    mmio_write64(DEVICE + 8, ~VALUE);
    __asm__ volatile(".arch armv8-a+sve\n"
                     "rdvl %0, #1\n"
                     "ptrue p5.b\n"
                     "setffr\n"
                     "dup z0.b, #7\n"
                     "dup z31.b, #7\n"
                     "ldr q0, [%1]\n"
                     "str z0, [%2]\n"
                     "str z31, [%3]\n"
                     "rdffr p6.b\n"
                     "and p6.b, p5/z, p6.b, p5.b\n"
                     "str p6, [%4]"
                     : "=&r"(size)
                     : "r"(DEVICE), "r"(z[0]), "r"(z[1]), "r"(p)
                     : "memory");
    check(*(volatile uint64_t *)z[0], VALUE, "ldr_q_low_end_%s", mode);
    last = *(volatile uint64_t *)&z[0][size - 8];
    check(last, size > 16 ? 0 : ~VALUE, "ldr_q_zeroes_the_rest_%s", mode);
    check(*(volatile uint64_t *)z[1], SEVENS, "ldr_q_leaves_other_low_ends_%s", mode);
    check(*(volatile uint64_t *)&z[1][size - 8], SEVENS, "ldr_q_leaves_other_vectors_%s", mode);
    check(p[size / 8 - 1], 0xff, "ldr_q_leaves_predicates_%s", mode);
}

static void test_all(const char *mode)
{
    test_pairs(mode);
    test_writeback(mode);
    test_vectors(mode);
    test_exclusives(mode);
    test_scalable_vectors(mode);
    test_atomics(mode);
}

void test_main(void)
{
    WRITE_SYSREG(cpacr_el1, 3ull << 20);
    __asm__ volatile("isb");
    test_all("mmu_off");
    mmu_on();
    test_all("mmu_on");
    test_authenticated("mmu_on");
    mmu_off();
}
