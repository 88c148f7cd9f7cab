/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SMC: traps with the PC on the instruction itself, so that the hypervisor has
 * to step it. A board without EL3 and without a hypervisor has no SMC at all.
 */
#include "tests/payloads/calls.h"

__asm__(".text\nel0_smc:\n\tsmc #0\n\tmov x0, #7\n\tsvc #0\n"
        ".global el0_smc\n");
void el0_smc(void);

static void test_pc(void)
{
    uint64_t steps;

    __asm__ volatile("mov x20, #0\n\t"
                     ".rept 8\n\t"
                     "ldr w0, =0x84000000\n\t"
                     "add x20, x20, #1\n\t"
                     "smc #0\n\t"
                     "add x20, x20, #0x100\n\t"
                     "smc #0xffff\n\t"
                     "add x20, x20, #0x10, lsl #12\n\t"
                     ".endr\n\t"
                     "mov %0, x20"
                     : "=r"(steps)::"x0", "x1", "x2", "x3", "x20", "memory");
    check(steps, 0x80808u, "smc_goes_on_at_the_next_instruction");
}

void test_main(void)
{
    uint64_t x[18] = {PSCI_VERSION};

    fault_expect(FAULT_SKIP);
    call_smc(x);
    if (fault.count != 0 && !testdev_present()) {
        skip("smc", "no EL3 and no hypervisor: SMC is UNDEFINED");
    } else {
        check(fault.count, 0, "smc_is_not_undefined");
        calls_test("smc", call_smc, call_smc1);
        test_pc();
    }

    fault_expect(FAULT_SKIP);
    check(el0_call((uint64_t)&el0_smc, 0), 7, "smc_at_el0_can_be_skipped");
    check(fault.count, 1, "smc_at_el0_is_undefined");
    check(fault.esr, ESR_EC(EC_UNKNOWN) | ESR_IL, "smc_at_el0_esr");
    check(fault.elr, (uint64_t)&el0_smc, "smc_at_el0_elr");
}
