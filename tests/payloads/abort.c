/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses where nobody answers: a synchronous external abort, as a bus gives
 * it, to EL1 and EL0, with the MMU off and on, for data and for instructions.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/mmu.h"
#include "tests/payloads/testdev.h"

/* EC, IL, FnV, CM, S1PTW, WnR, DFSC: the rest of an external abort's syndrome may be anything. */
#define ESR_CHECKED (0xfe000000ull | 1ull << 10 | 1ull << 8 | 1ull << 7 | ESR_WNR | 0x3full)

#define X0_STALE 0x1234567890abcdefull

struct access {
    const char *name;
    uint64_t code; /* the instruction, on [x0], and then the end */
    bool write;
};

/* x1 is loaded or stored; RET ends it at EL1, SVC at EL0. */
#define ACCESSES(X)                           \
    X(ldrb, "ldrb w1, [x0]", false)           \
    X(ldrh, "ldrh w1, [x0]", false)           \
    X(ldr_w, "ldr w1, [x0]", false)           \
    X(ldr_x, "ldr x1, [x0]", false)           \
    X(ldrsw, "ldrsw x1, [x0]", false)         \
    X(ldr_xzr, "ldr xzr, [x0]", false)        \
    X(ldar_w, "ldar w1, [x0]", false)         \
    X(ldp_x, "ldp x1, x2, [x0]", false)       \
    X(ldr_post, "ldr x1, [x0], #0x18", false) \
    X(ldr_simd, "ldr q0, [x0]", false)        \
    X(strb, "strb w1, [x0]", true)            \
    X(str_w, "str w1, [x0]", true)            \
    X(str_x, "str x1, [x0]", true)            \
    X(str_xzr, "str xzr, [x0]", true)         \
    X(stlr_x, "stlr x1, [x0]", true)          \
    X(stp_x, "stp x1, x2, [x0]", true)        \
    X(str_pre, "str x1, [x0, #0]!", true)

#define CODE(fn, insn, write)                          \
    __asm__(".text\nel1_" #fn ":\n\t" insn "\n\tret\n" \
            "el0_" #fn ":\n\t" insn "\n\tsvc #0\n");   \
    void el1_##fn(void);                               \
    void el0_##fn(void);
ACCESSES(CODE)

#define EL1_ENTRY(fn, insn, write) {#fn, (uint64_t)&el1_##fn, write},
#define EL0_ENTRY(fn, insn, write) {#fn, (uint64_t)&el0_##fn, write},
#define COUNT(table)               (sizeof(table) / sizeof((table)[0]))

/* Runs the code at EL1: x0 = address, x1 = a value that a failed load must leave. */
static uint64_t run_el1(uint64_t code, uint64_t addr, uint64_t *x0_after)
{
    register uint64_t x0 __asm__("x0") = addr;
    register uint64_t x1 __asm__("x1") = X0_STALE;

    __asm__ volatile("blr %2" : "+r"(x0), "+r"(x1) : "r"(code) : "x2", "x30", "memory");
    *x0_after = x0;
    return x1;
}

static void check_fault(const char *mode, const struct access *access, unsigned ec, uint64_t addr,
                        uint64_t code)
{
    check(fault.count, 1, "%s_%s_aborts_once", mode, access->name);
    check(fault.esr & ESR_CHECKED,
          ESR_EC(ec) | ESR_IL | (access->write ? ESR_WNR : 0) | ESR_FSC_EXTERNAL, "%s_%s_esr", mode,
          access->name);
    check(fault.far, addr, "%s_%s_far", mode, access->name);
    check(fault.elr, code, "%s_%s_elr", mode, access->name);
}

static void test_data_el1(const char *mode)
{
    static const struct access accesses[] = {ACCESSES(EL1_ENTRY)};
    static const uint64_t holes[] = {HOLE, HOLE + 0xff0, HOLE_HIGH + 0x120};

    for (unsigned i = 0; i < COUNT(accesses); i++) {
        const struct access *access = &accesses[i];
        uint64_t addr = holes[i % 3];
        uint64_t x0;
        uint64_t x1;

        fault_expect(FAULT_SKIP);
        x1 = run_el1(access->code, addr, &x0);
        check_fault(mode, access, EC_DATA_ABORT_CURRENT, addr, access->code);
        check(x0, addr, "%s_%s_leaves_the_base", mode, access->name);
        check(x1, X0_STALE, "%s_%s_leaves_the_register", mode, access->name);
    }
}

/* `ram` and `mmio`: what to add to an address to reach it from EL0. */
static void test_data_el0(const char *mode, uint64_t ram, uint64_t mmio)
{
    static const struct access accesses[] = {ACCESSES(EL0_ENTRY)};

    for (unsigned i = 0; i < COUNT(accesses); i++) {
        const struct access *access = &accesses[i];
        uint64_t addr = mmio + HOLE + 0x40;

        fault_expect(FAULT_SKIP);
        el0_call(access->code + ram, addr);
        check_fault(mode, access, EC_DATA_ABORT_LOWER, addr, access->code + ram);
        check(fault.slot, SLOT_EL0_SYNC, "%s_%s_vector", mode, access->name);
        check(fault.spsr & 0xf, 0, "%s_%s_spsr", mode, access->name);
    }
}

static void test_fetch_el1(const char *mode, uint64_t addr)
{
    fault_expect(FAULT_RETURN);
    __asm__ volatile("blr %0" ::"r"(addr) : "x30", "memory");
    check(fault.count, 1, "%s_fetch_aborts_once", mode);
    check(fault.esr & (ESR_CHECKED & ~ESR_WNR),
          ESR_EC(EC_INSN_ABORT_CURRENT) | ESR_IL | ESR_FSC_EXTERNAL, "%s_fetch_esr", mode);
    check(fault.far, addr, "%s_fetch_far", mode);
    check(fault.elr, addr, "%s_fetch_elr", mode);
}

__asm__(".text\nel0_fetch:\n\tblr x0\n\tsvc #0\n");
void el0_fetch(void);

static void test_fetch_el0(const char *mode, uint64_t ram, uint64_t addr)
{
    fault_expect(FAULT_RETURN);
    el0_call((uint64_t)&el0_fetch + ram, addr);
    check(fault.count, 1, "%s_fetch_aborts_once", mode);
    check(fault.esr & (ESR_CHECKED & ~ESR_WNR),
          ESR_EC(EC_INSN_ABORT_LOWER) | ESR_IL | ESR_FSC_EXTERNAL, "%s_fetch_esr", mode);
    check(fault.far, addr, "%s_fetch_far", mode);
    check(fault.elr, addr, "%s_fetch_elr", mode);
}

/* A device that is there and refuses is as if there were none. */
static void test_refusal(void)
{
    if (!testdev_present()) {
        skip("refusal", "no test device");
        return;
    }
    fault_expect(FAULT_SKIP);
    (void)mmio_read32(TESTDEV_BASE + TESTDEV_FAIL_READ);
    check(fault.count, 1, "refused_read_aborts");
    check(fault.esr & ESR_CHECKED, ESR_EC(EC_DATA_ABORT_CURRENT) | ESR_IL | ESR_FSC_EXTERNAL,
          "refused_read_esr");
    check(fault.far, TESTDEV_BASE + TESTDEV_FAIL_READ, "refused_read_far");
    fault_expect(FAULT_SKIP);
    mmio_write32(TESTDEV_BASE + TESTDEV_FAIL_READ, 1);
    check(fault.count, 0, "write_next_to_it_does_not_abort");
    fault_expect(FAULT_SKIP);
    mmio_write64(TESTDEV_BASE + TESTDEV_FAIL_WRITE, 1);
    check(fault.count, 1, "refused_write_aborts");
    check(fault.esr & ESR_CHECKED,
          ESR_EC(EC_DATA_ABORT_CURRENT) | ESR_IL | ESR_WNR | ESR_FSC_EXTERNAL, "refused_write_esr");
    check(fault.far, TESTDEV_BASE + TESTDEV_FAIL_WRITE, "refused_write_far");
}

/* Stage 1 has its own faults; the hypervisor must not meet them. */
static void test_stage_1_fault(void)
{
    uint64_t addr = 0x3f40001230ull;

    fault_expect(FAULT_SKIP);
    (void)mmio_read32(addr);
    check(fault.esr & 0xfc00003full, ESR_EC(EC_DATA_ABORT_CURRENT) | 0x5, "stage_1_fault_esr");
    check(fault.far, addr, "stage_1_fault_far");
}

void test_main(void)
{
    WRITE_SYSREG(cpacr_el1, 3u << 20); /* SIMD loads reach the bus, too */
    test_data_el1("el1");
    test_data_el0("el0", 0, 0);
    test_fetch_el1("el1", HOLE);
    test_fetch_el0("el0", 0, HOLE_HIGH);
    test_refusal();

    mmu_on();
    test_data_el1("el1_mmu");
    test_data_el0("el0_mmu", MMU_EL0_RAM_ALIAS - RAM_BASE, MMU_EL0_MMIO_ALIAS);
    test_fetch_el1("el1_mmu", MMU_FETCH_ALIAS + HOLE);
    test_fetch_el0("el0_mmu", MMU_EL0_RAM_ALIAS - RAM_BASE,
                   MMU_EL0_RAM_ALIAS + HOLE_HIGH - RAM_BASE);
    test_stage_1_fault();
    mmu_off();
    check_true(true, "mmu_off_again");
}
