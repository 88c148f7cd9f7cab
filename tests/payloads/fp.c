/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What no exit saves while the vCPU keeps its core, and what must survive all
 * the same: V0-V31, FPCR, FPSR, pointer authentication keys, the registers of EL0.
 */
#include "tests/payloads/gicv3.h"

#define EXITS 10000u

__asm__(".text\n.arch_extension fp\n.arch_extension simd\n"
        ".macro each_pair op, base\n\t"
        ".irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30\n\t"
        "pair \\op, \\n, %(\\n + 1), \\base\n\t"
        ".endr\n"
        ".endm\n"
        ".macro pair op, a, b, base\n\t"
        "\\op q\\a, q\\b, [\\base, #(\\a * 16)]\n"
        ".endm\n"
        ".altmacro\n"
        "fp_load:\n\teach_pair ldp, x0\n\tret\n"
        "fp_store:\n\teach_pair stp, x0\n\tret\n"
        ".noaltmacro\n");
void fp_load(const uint64_t v[64]);
void fp_store(uint64_t v[64]);

/* One exit of each kind in turn. */
static void one_exit(unsigned i)
{
    switch (i % 5) {
    case 0: (void)mmio_read32(GICD_BASE + GICD_TYPER); break;
    case 1: mmio_write32(GICD_BASE + GIC_ICPENDR + 4, 0); break;
    case 2: psci(PSCI_VERSION, 0, 0, 0); break;
    case 3: (void)READ_SYSREG(id_aa64pfr0_el1); break;
    default:
        if (i % 100 == 99) {
            gic_send_sgi(1, 1);
            wfi();
            irq_unmask();
            irq_mask();
        } else {
            (void)mmio_read32(HOLE);
        }
        break;
    }
}

static void test_fp(void)
{
    static uint64_t before[64] __attribute__((aligned(16)));
    static uint64_t after[64] __attribute__((aligned(16)));
    const uint64_t fpcr = 0x3ull << 22 | 1u << 24; /* round to zero, flush to zero */
    const uint64_t fpsr = 0x0800009full;           /* QC and the exception flags */
    unsigned wrong = 0;

    for (unsigned i = 0; i < 64; i++)
        before[i] = random64();
    WRITE_SYSREG(fpcr, fpcr);
    WRITE_SYSREG(fpsr, fpsr);
    fp_load(before);
    for (unsigned i = 0; i < EXITS; i++)
        one_exit(i);
    fp_store(after);
    for (unsigned i = 0; i < 64; i++)
        wrong += before[i] != after[i];
    check(wrong, 0, "v_registers_survive");
    check(READ_SYSREG(fpcr), fpcr, "fpcr_survives");
    check(READ_SYSREG(fpsr), fpsr, "fpsr_survives");
    WRITE_SYSREG(fpcr, 0);
}

/* A trap of FP that the guest asked for is the guest's: EC 0x07 to EL1. */
static void test_fp_trap(void)
{
    fault_expect(FAULT_SKIP);
    WRITE_SYSREG(cpacr_el1, 0);
    __asm__ volatile(".arch_extension fp\n\tfmov d0, xzr");
    check(fault.esr >> ESR_EC_SHIFT, 0x07, "fp_trap_of_cpacr_comes_to_el1");
    WRITE_SYSREG(cpacr_el1, 3u << 20);
    fault_expect(FAULT_SKIP);
}

/* APIAKeyLo_EL1 and the nine that follow: S3_0_C2_C1_0 .. C3_1. */
#define KEYS(X)        \
    X(0, S3_0_C2_C1_0) \
    X(1, S3_0_C2_C1_1) \
    X(2, S3_0_C2_C1_2) \
    X(3, S3_0_C2_C1_3) \
    X(4, S3_0_C2_C2_0) \
    X(5, S3_0_C2_C2_1) \
    X(6, S3_0_C2_C2_2) \
    X(7, S3_0_C2_C2_3)

#define KEY_WRITE(i, reg) WRITE_SYSREG(reg, keys[i]);
#define KEY_CHECK(i, reg) wrong += READ_SYSREG(reg) != keys[i];

static void test_pauth(void)
{
    uint64_t isar1 = READ_SYSREG(S3_0_C0_C6_1);
    uint64_t isar2 = READ_SYSREG(S3_0_C0_C6_2);
    uint64_t keys[8];
    uint64_t pointer = (uint64_t)&test_pauth;
    uint64_t first;
    uint64_t second;
    unsigned wrong = 0;

    if ((isar1 >> 4 & 0xff) == 0 && (isar2 >> 12 & 0xf) == 0) {
        note("no pointer authentication on this CPU");
        return;
    }
    for (unsigned i = 0; i < 8; i++)
        keys[i] = random64();
    KEYS(KEY_WRITE)
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) | 1u << 31); /* EnIA */
    /* PACIASP and AUTIASP are hints, so any assembler has them: sign x30 with SP. */
#define SIGN(out) \
    __asm__ volatile("mov x30, %1\n\thint #25\n\tmov %0, x30" : "=r"(out) : "r"(pointer) : "x30")
    SIGN(first);
    for (unsigned i = 0; i < 1000; i++)
        one_exit(i);
    SIGN(second);
    check_true(first != pointer, "pauth_signs");
    check(second, first, "pauth_signs_the_same_after_exits");
    KEYS(KEY_CHECK)
    check(wrong, 0, "pauth_keys_survive");
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) & ~(1ull << 31));
}

/* Registers of EL1 and EL0 that a switch of worlds is apt to forget. */
#define OTHERS(X)                       \
    X(tpidr_el0, ~0ull)                 \
    X(tpidrro_el0, ~0ull)               \
    X(tpidr_el1, ~0ull)                 \
    X(contextidr_el1, 0xffffffffull)    \
    X(sp_el0, ~0ull)                    \
    X(mair_el1, 0xfffffffffffffff0ull)  \
    X(ttbr0_el1, 0x00ff000ffffff000ull) \
    X(ttbr1_el1, 0x00ff000ffffff000ull) \
    X(elr_el1, 0xfffffffffffcull)       \
    X(far_el1, ~0ull)                   \
    X(afsr0_el1, 0)                     \
    X(cntkctl_el1, 0x3ull)              \
    X(cntv_cval_el0, ~0ull)             \
    X(cntp_cval_el0, ~0ull)             \
    X(mdscr_el1, 0x1000ull)             \
    X(dbgbvr1_el1, 0xfffffffffffcull)   \
    X(dbgwvr0_el1, 0xfffffffffffcull)

#define OTHER_WRITE(reg, mask)        \
    WRITE_SYSREG(reg, value &(mask)); \
    value = value * 3 + 1;
#define OTHER_CHECK(reg, mask)                                \
    check(READ_SYSREG(reg), value &(mask), #reg "_survives"); \
    value = value * 3 + 1;

static void test_others(void)
{
    uint64_t value = 0x123456789abcdef1ull;

    OTHERS(OTHER_WRITE)
    for (unsigned i = 0; i < 1000; i++) {
        /* No exception here: ELR_EL1 and FAR_EL1 are among the registers. */
        (void)mmio_read32(GICD_BASE + GICD_TYPER);
        psci(PSCI_VERSION, 0, 0, 0);
        (void)READ_SYSREG(id_aa64pfr0_el1);
    }
    value = 0x123456789abcdef1ull;
    OTHERS(OTHER_CHECK)
    WRITE_SYSREG(mdscr_el1, 0);
}

void test_main(void)
{
    gic_init();
    gic_enable(1);
    test_fp_trap();
    test_fp();
    test_pauth();
    test_others();
}
