/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System registers that trap: ID registers, OS lock, set/way operations, and
 * those that nobody has, whose answer is an UNDEF with the right syndrome.
 */
#include "tests/payloads/guest.h"

/* ID space op0=3 op1=0 CRn=0 CRm=1..7 (Arm ARM D17.3.1, table of the encodings). */
struct id_register {
    unsigned crm, op2;
    uint64_t (*read)(void);
    bool reserved; /* RES0 in every version so far */
};

#define ID_REGISTERS(X)                  \
    ID_ROW(X, 1, 0, 0, 0, 0, 0, 0, 0, 0) \
    ID_ROW(X, 2, 0, 0, 0, 0, 0, 0, 0, 0) \
    ID_ROW(X, 3, 0, 0, 0, 1, 0, 0, 0, 1) \
    ID_ROW(X, 4, 0, 0, 0, 1, 0, 0, 1, 0) \
    ID_ROW(X, 5, 0, 0, 1, 1, 0, 0, 1, 1) \
    ID_ROW(X, 6, 0, 0, 0, 0, 1, 1, 1, 1) \
    ID_ROW(X, 7, 0, 0, 0, 0, 0, 1, 1, 1)

#define ID_ROW(X, crm, r0, r1, r2, r3, r4, r5, r6, r7) \
    X(crm, 0, r0)                                      \
    X(crm, 1, r1)                                      \
    X(crm, 2, r2) X(crm, 3, r3) X(crm, 4, r4) X(crm, 5, r5) X(crm, 6, r6) X(crm, 7, r7)

#define ID_FUNCTION(crm, op2, res)                  \
    static uint64_t id_##crm##_##op2(void)          \
    {                                               \
        return READ_SYSREG(S3_0_C0_C##crm##_##op2); \
    }
#define ID_ENTRY(crm, op2, res) {crm, op2, id_##crm##_##op2, res},

ID_REGISTERS(ID_FUNCTION)
static const struct id_register id_registers[] = {ID_REGISTERS(ID_ENTRY)};

static void test_id_registers(void)
{
    unsigned faults = 0;
    unsigned unstable = 0;

    for (unsigned i = 0; i < sizeof(id_registers) / sizeof(id_registers[0]); i++) {
        const struct id_register *id = &id_registers[i];
        uint64_t first;

        fault_expect(FAULT_SKIP);
        first = id->read();
        unstable += id->read() != first;
        faults += fault.count;
        if (id->reserved)
            check(first, 0, "id_0_c%u_%u_is_reserved", id->crm, id->op2);
    }
    check(faults, 0, "id_registers_do_not_fault");
    check(unstable, 0, "id_registers_read_the_same_twice");
}

static void test_id_fields(void)
{
    uint64_t pfr0 = READ_SYSREG(id_aa64pfr0_el1);
    uint64_t mmfr0 = READ_SYSREG(id_aa64mmfr0_el1);
    uint64_t mpidr = READ_SYSREG(mpidr_el1);

    check_true((pfr0 & 0xf) != 0 && (pfr0 >> 4 & 0xf) != 0, "id_el0_and_el1_are_there");
    check(pfr0 >> 8 & 0xf, 0, "id_el2_is_hidden");
    check(pfr0 >> 12 & 0xf, 0, "id_el3_is_hidden");
    check(pfr0 >> 24 & 0xf, 1, "id_gic_system_registers_are_there");
    check(mpidr & 0xff00ffffffull, 0, "mpidr_is_cpu_0");
    check(mpidr >> 30 & 3, 2, "mpidr_is_multiprocessor");
    check_true(READ_SYSREG(midr_el1) != 0, "midr_is_not_zero");
    if (testdev_present())
        check_true((mmfr0 & 0xf) <= 2, "id_parange_is_40_bits_at_most");
    else
        skip("id_parange_is_40_bits_at_most", "the bare board offers what the CPU has");
}

/* Register 31 is XZR. */
static void test_zero_register(void)
{
    uint64_t before;
    uint64_t after;
    uint64_t zero;

    fault_expect(FAULT_PANIC);
    __asm__ volatile("mov %0, sp\n\t"
                     "mrs xzr, id_aa64pfr0_el1\n\t"
                     "mrs xzr, id_aa64mmfr0_el1\n\t"
                     "mrs xzr, midr_el1\n\t"
                     "mov %1, sp\n\t"
                     "mov %2, xzr"
                     : "=&r"(before), "=&r"(after), "=&r"(zero)::"memory");
    check(after, before, "mrs_to_xzr_leaves_sp");
    check(zero, 0, "mrs_to_xzr_leaves_xzr");
}

static void test_os_lock(void)
{
    uint64_t locked = READ_SYSREG(oslsr_el1);

    fault_expect(FAULT_SKIP);
    WRITE_SYSREG(oslar_el1, 1);
    check(READ_SYSREG(oslsr_el1) & 0xa, 0xa, "oslar_1_locks");
    __asm__ volatile("msr oslar_el1, xzr\n\tisb");
    check(READ_SYSREG(oslsr_el1) & 0xa, 0x8, "oslar_xzr_unlocks");
    WRITE_SYSREG(oslar_el1, locked >> 1 & 1);
    WRITE_SYSREG(osdlr_el1, 0);
    check(fault.count, 0, "os_lock_does_not_fault");
}

/*
 * Names that no CPU of the tests has: each must be UNDEFINED, with the
 * instruction's address in ELR and the flags of before in SPSR.
 */
struct undefined {
    const char *name;
    void (*run)(void);
};

#define UNDEFINED(X)                               \
    X(read_c15, "mrs x9, S3_0_C15_C15_7")          \
    X(write_c15, "msr S3_0_C15_C15_7, x9")         \
    X(read_c11, "mrs x9, S3_0_C11_C3_5")           \
    X(write_c11, "msr S3_0_C11_C3_5, xzr")         \
    X(read_c9_unallocated, "mrs x9, S3_0_C9_C8_0") \
    X(read_to_xzr, "mrs xzr, S3_0_C9_C8_0")        \
    X(read_op1_3, "mrs x9, S3_3_C15_C14_6")        \
    X(write_op1_3, "msr S3_3_C15_C14_6, x9")       \
    X(read_debug, "mrs x9, S2_0_C15_C15_7")        \
    X(write_id_aa64pfr0, "msr S3_0_C0_C4_0, x9")   \
    X(write_midr, "msr S3_0_C0_C0_0, x9")          \
    X(read_hcr_el2, "mrs x9, S3_4_C1_C1_0")        \
    X(write_vttbr_el2, "msr S3_4_C2_C1_0, x9")     \
    X(read_scr_el3, "mrs x9, S3_6_C1_C1_0")        \
    X(sys_c15, "sys #0, C15, C15, #7, x9")

/* The flags are N, C before; x9 and x10 have values that must stay. */
#define UNDEFINED_FUNCTION(fn, insn)                           \
    __asm__(".text\nundefined_" #fn ":\n\t" insn "\n\tret\n"); \
    void undefined_##fn(void);
#define UNDEFINED_ENTRY(fn, insn) {#fn, undefined_##fn},

UNDEFINED(UNDEFINED_FUNCTION)
static const struct undefined undefined[] = {UNDEFINED(UNDEFINED_ENTRY)};

#define FLAGS 0xa0000000ull /* N, C */

static void test_undefined(void)
{
    for (unsigned i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++) {
        const struct undefined *u = &undefined[i];
        uint64_t x9;

        fault_expect(FAULT_SKIP);
        __asm__ volatile("mov x9, #0x1234\n\t"
                         "msr nzcv, %2\n\t"
                         "blr %1\n\t"
                         "mov %0, x9"
                         : "=r"(x9)
                         : "r"(u->run), "r"(FLAGS)
                         : "x9", "x30", "cc", "memory");
        check(fault.count, 1, "%s_is_undefined", u->name);
        check(fault.esr, ESR_EC(EC_UNKNOWN) | ESR_IL, "%s_esr", u->name);
        check(fault.elr, (uint64_t)u->run, "%s_elr", u->name);
        check(fault.spsr & 0xf00003dfull, FLAGS | PSTATE_DAIF | PSTATE_EL1H, "%s_spsr", u->name);
        check(fault.slot, SLOT_EL1_SYNC, "%s_vector", u->name);
        check(x9, 0x1234, "%s_leaves_the_register", u->name);
    }
}

/* The exception masks D, A, I, F whatever they were before; SPSR has what they were. */
static void test_undefined_masks_interrupts(void)
{
    fault_expect(FAULT_SKIP);
    __asm__ volatile("msr daifclr, #8" ::: "memory");
    undefined_read_c11();
    __asm__ volatile("msr daifset, #8" ::: "memory");
    check(fault.daif, PSTATE_DAIF, "undefined_masks_daif");
    check(fault.spsr & PSTATE_DAIF, 0x1c0, "undefined_spsr_has_daif_of_before");
}

__asm__(".text\nel0_undefined:\n\tmrs x9, S3_3_C15_C14_6\n\tmov x0, #7\n\tsvc #0\n");
void el0_undefined(void);

static void test_undefined_at_el0(void)
{
    fault_expect(FAULT_SKIP);
    check(el0_call((uint64_t)&el0_undefined, 0), 7, "undefined_at_el0_can_be_skipped");
    check(fault.count, 1, "undefined_at_el0_faults");
    check(fault.esr, ESR_EC(EC_UNKNOWN) | ESR_IL, "undefined_at_el0_esr");
    check(fault.elr, (uint64_t)&el0_undefined, "undefined_at_el0_elr");
    check(fault.slot, SLOT_EL0_SYNC, "undefined_at_el0_vector");
    check(fault.spsr & 0xf, 0, "undefined_at_el0_spsr");
}

/* PMU: what ID_AA64DFR0_EL1.PMUVer says, the registers do. */
static void test_pmu(void)
{
    uint64_t version = READ_SYSREG(id_aa64dfr0_el1) >> 8 & 0xf;
    bool hidden = version == 0 || version == 0xf;

    if (hidden && !testdev_present()) {
        skip("pmu", "the bare board hides it in the ID register only");
        return;
    }
    fault_expect(FAULT_SKIP);
    (void)READ_SYSREG(S3_3_C9_C12_0); /* PMCR_EL0 */
    check(fault.count, hidden, "pmcr_is_as_the_id_register_says");
    fault_expect(FAULT_SKIP);
    (void)READ_SYSREG(S3_3_C9_C13_0); /* PMCCNTR_EL0 */
    check(fault.count, hidden, "pmccntr_is_as_the_id_register_says");
}

/* Registers that must simply work, and the set/way operations, which may do nothing. */
static void test_ordinary(void)
{
    fault_expect(FAULT_SKIP);
    (void)READ_SYSREG(actlr_el1);
    (void)READ_SYSREG(ctr_el0);
    (void)READ_SYSREG(clidr_el1);
    (void)READ_SYSREG(revidr_el1);
    (void)READ_SYSREG(aidr_el1);
    WRITE_SYSREG(csselr_el1, 0);
    (void)READ_SYSREG(ccsidr_el1);
    __asm__ volatile("dc isw, %0\n\tdc csw, %0\n\tdc cisw, %0" ::"r"(0ull) : "memory");
    __asm__ volatile(
        "dc cvac, %0\n\tdc civac, %0\n\tic iallu\n\ttlbi vmalle1is\n\tdsb sy\n\tisb" ::"r"(
            &id_registers[0])
        : "memory");
    WRITE_SYSREG(mdscr_el1, 0);
    WRITE_SYSREG(dbgbvr0_el1, 0x12345678);
    check(READ_SYSREG(dbgbvr0_el1), 0x12345678, "dbgbvr0_keeps_its_value");
    WRITE_SYSREG(dbgbvr0_el1, 0);
    WRITE_SYSREG(contextidr_el1, 0x55aa);
    check(READ_SYSREG(contextidr_el1), 0x55aa, "contextidr_keeps_its_value");
    WRITE_SYSREG(tpidr_el1, 0x123456789abcdefull);
    check(READ_SYSREG(tpidr_el1), 0x123456789abcdefull, "tpidr_keeps_its_value");
    __asm__ volatile("at s1e1r, %0\n\tisb" ::"r"(&id_registers[0]) : "memory");
    check(READ_SYSREG(par_el1) & 1, 0, "at_s1e1r_translates");
    check(READ_SYSREG(par_el1) & 0xfffffff000ull, (uint64_t)id_registers & 0xfffffff000ull,
          "at_s1e1r_gives_an_ipa");
    check(fault.count, 0, "ordinary_registers_do_not_fault");
}

void test_main(void)
{
    test_id_registers();
    test_id_fields();
    test_zero_register();
    test_os_lock();
    test_undefined();
    test_undefined_masks_interrupts();
    test_undefined_at_el0();
    test_pmu();
    test_ordinary();
}
