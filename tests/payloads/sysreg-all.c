/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every MRS and MSR that the encoding has, with random values: op0 2 and 3, all of
 * op1, CRn, CRm, op2, by instruction words made here. Each works or is UNDEFINED
 * with the right syndrome, and the machine is the same afterwards.
 */
#include "tests/payloads/guest.h"

#define MRS_X0 0xd5200000u /* op0[0] is bit 19, and op0[1] always 1 */
#define MSR_X0 0xd5000000u
#define RET    0xd65f03c0u

#define KEY(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define FIRST                        KEY(2u, 0u, 0u, 0u, 0u)
#define LAST                         KEY(3u, 7u, 15u, 15u, 7u)

static uint32_t code[2] __attribute__((aligned(64)));

/* Runs `word`; x0 before and after it. */
static uint64_t execute(uint32_t word, uint64_t value)
{
    register uint64_t x0 __asm__("x0") = value;

    *(volatile uint32_t *)code = word;
    __asm__ volatile("dc cvau, %1\n\tdsb ish\n\tic ivau, %1\n\tdsb ish\n\tisb\n\tblr %1\n\tisb"
                     : "+r"(x0)
                     : "r"(code)
                     : "x30", "cc", "memory");
    return x0;
}

/* The registers without which this program does not run on, whatever is in them. */
static bool is_vital(unsigned key)
{
    switch (key) {
    case KEY(3u, 0u, 1u, 0u, 0u):  /* SCTLR_EL1: the MMU */
    case KEY(3u, 0u, 12u, 0u, 0u): /* VBAR_EL1 */
    case KEY(3u, 0u, 12u, 0u, 2u): /* RMR_EL1: a reset, where EL1 is the highest */
    case KEY(3u, 0u, 4u, 2u, 0u):  /* SPSel */
    case KEY(3u, 3u, 4u, 2u, 1u): /* DAIF */ return true;
    default: return false;
    }
}

static bool is_id(unsigned key)
{
    return key >= KEY(3u, 0u, 0u, 1u, 0u) && key <= KEY(3u, 0u, 0u, 7u, 7u);
}

/* Of what EL1 cannot reach: registers of EL2 and EL3, and EL1's by other names. */
static bool is_above(unsigned key)
{
    return (key >> 14 & 3) == 3 && (key >> 11 & 7) >= 4;
}

/* FEAT_IDST: what is not there of these tells so by EC 0x18. */
static bool is_id_space(unsigned key)
{
    unsigned op1 = key >> 11 & 7;

    return (key >> 14 & 3) == 3 && (op1 == 0 || op1 == 1 || op1 == 3) && (key >> 7 & 15) == 0;
}

/* An exception: UNDEFINED, at the instruction, from where we are? */
static bool is_undefined(unsigned key)
{
    bool idst = is_id_space(key) && fault.esr >> ESR_EC_SHIFT == EC_SYSREG;

    return fault.count == 1 && (fault.esr == (ESR_EC(EC_UNKNOWN) | ESR_IL) || idst) &&
           fault.elr == (uint64_t)code && fault.slot == SLOT_EL1_SYNC;
}

static unsigned wrong;

static void complain(unsigned key, const char *what)
{
    if (wrong++ < 20)
        note("S%u_%u_C%u_C%u_%u: %s, ESR 0x%lx", key >> 14 & 3, key >> 11 & 7, key >> 7 & 15,
             key >> 3 & 15, key & 7, what, fault.esr);
}

static void try_register(unsigned key, unsigned *readable, unsigned *writable)
{
    uint32_t fields = (uint32_t)key << 5;
    bool reads, writes;
    uint64_t before;

    fault_expect(FAULT_SKIP);
    before = execute(MRS_X0 | fields, 0x5a5a);
    reads = fault.count == 0;
    if (!reads && !is_undefined(key))
        complain(key, "the read is neither done nor UNDEFINED");
    if (!reads && before != 0x5a5a)
        complain(key, "the read is UNDEFINED and has changed x0");
    if (is_id(key) && !reads)
        complain(key, "an ID register does not read");
    *readable += reads;
    if (is_vital(key))
        return;

    fault_expect(FAULT_SKIP);
    execute(MSR_X0 | fields, random64());
    writes = fault.count == 0;
    if (!writes && !is_undefined(key))
        complain(key, "the write is neither done nor UNDEFINED");
    if (is_id(key) && writes)
        complain(key, "an ID register takes a write");
    if (is_above(key) && (reads || writes))
        complain(key, "EL1 reaches a register of a higher level");
    *writable += writes;
    if (reads && writes) {
        execute(MSR_X0 | fields, before);
        if (fault.count)
            complain(key, "a write that worked does not work again");
    }
}

/* What idregs.c hides, one of each feature; and IMPLEMENTATION DEFINED ones. */
static void test_hidden(void)
{
    static const unsigned hidden[] = {
        KEY(3u, 0u, 1u, 2u, 1u),   /* TRFCR_EL1 */
        KEY(3u, 0u, 10u, 4u, 3u),  /* LORC_EL1 */
        KEY(3u, 0u, 10u, 5u, 1u),  /* MPAM0_EL1 */
        KEY(3u, 0u, 9u, 9u, 0u),   /* PMSCR_EL1 */
        KEY(3u, 0u, 9u, 11u, 0u),  /* TRBLIMITR_EL1 */
        KEY(2u, 1u, 0u, 1u, 0u),   /* TRCPRGCTLR */
        KEY(3u, 3u, 13u, 2u, 0u),  /* AMCR_EL0 */
        KEY(3u, 0u, 1u, 0u, 6u),   /* GCR_EL1 */
        KEY(3u, 0u, 13u, 0u, 7u),  /* SCXTNUM_EL1 */
        KEY(3u, 0u, 1u, 0u, 3u),   /* SCTLR2_EL1 */
        KEY(3u, 0u, 2u, 0u, 3u),   /* TCR2_EL1 */
        KEY(3u, 0u, 10u, 2u, 3u),  /* PIR_EL1 */
        KEY(3u, 3u, 15u, 14u, 6u), /* IMPLEMENTATION DEFINED */
    };

    for (unsigned i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        unsigned key = hidden[i];

        fault_expect(FAULT_SKIP);
        execute(MRS_X0 | (uint32_t)key << 5, 0);
        check(fault.count, 1, "hidden_S%u_%u_C%u_C%u_%u_does_not_read", key >> 14 & 3,
              key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7);
        check(fault.esr, ESR_EC(EC_UNKNOWN) | ESR_IL, "hidden_S%u_%u_C%u_C%u_%u_esr", key >> 14 & 3,
              key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7);
    }
}

/* 64 bits that must be kept as they are, in this core or in the vCPU page. */
static void test_kept(void)
{
    static const unsigned kept[] = {
        KEY(3u, 0u, 13u, 0u, 4u), /* TPIDR_EL1 */
        KEY(3u, 3u, 13u, 0u, 2u), /* TPIDR_EL0 */
        KEY(3u, 3u, 13u, 0u, 3u), /* TPIDRRO_EL0 */
        KEY(3u, 0u, 6u, 0u, 0u),  /* FAR_EL1 */
        KEY(3u, 0u, 4u, 1u, 0u),  /* SP_EL0 */
        KEY(3u, 3u, 14u, 3u, 2u), /* CNTV_CVAL_EL0 */
        KEY(3u, 3u, 14u, 2u, 2u), /* CNTP_CVAL_EL0 */
    };
    uint64_t values[sizeof(kept) / sizeof(kept[0])];
    unsigned different = 0;

    fault_expect(FAULT_SKIP);
    for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        values[i] = random64();
        execute(MSR_X0 | (uint32_t)kept[i] << 5, values[i]);
    }
    (void)READ_SYSREG(id_aa64pfr0_el1); /* an exit, perhaps */
    for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        different += execute(MRS_X0 | (uint32_t)kept[i] << 5, 0) != values[i];
    check(different, 0, "registers_keep_64_bits");
    check(fault.count, 0, "registers_that_keep_64_bits_do_not_fault");
}

void test_main(void)
{
    uint64_t mpidr = READ_SYSREG(mpidr_el1), midr = READ_SYSREG(midr_el1);
    uint64_t pfr0 = READ_SYSREG(id_aa64pfr0_el1), time = counter();
    unsigned readable = 0, writable = 0;

    code[1] = RET;
    WRITE_SYSREG(cpacr_el1, 3ull << 24 | 3ull << 20 | 3ull << 16); /* SME, FP, SVE; not trace */
    for (unsigned key = FIRST; key <= LAST; key++)
        try_register(key, &readable, &writable);
    note("%u registers can be read, %u written", readable, writable);
    check(wrong, 0, "each_register_works_or_is_undefined");
    check_true(readable > 100 && writable > 50, "registers_are_there");
    check(READ_SYSREG(mpidr_el1), mpidr, "mpidr_is_what_it_was");
    check(READ_SYSREG(midr_el1), midr, "midr_is_what_it_was");
    check(READ_SYSREG(id_aa64pfr0_el1), pfr0, "id_aa64pfr0_is_what_it_was");
    check_true(counter() > time, "time_goes_on");
    test_kept();
    if (testdev_present())
        test_hidden();
    else
        skip("hidden", "the bare board has what its CPU has");
}
