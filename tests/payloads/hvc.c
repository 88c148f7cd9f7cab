/* SPDX-License-Identifier: BSD-2-Clause */
/* HVC: the results, the registers, and where the guest goes on. */
#include "tests/payloads/calls.h"

__asm__(".text\nel0_hvc:\n\thvc #0\n\tmov x0, #7\n\tsvc #0\n"
        ".global el0_hvc\n");
void el0_hvc(void);

/* Each HVC must go on at the very next instruction: none is skipped, none runs twice. */
static void test_pc(void)
{
    uint64_t steps;

    __asm__ volatile("mov x20, #0\n\t"
                     ".rept 8\n\t"
                     "ldr w0, =0x84000000\n\t"
                     "add x20, x20, #1\n\t"
                     "hvc #0\n\t"
                     "add x20, x20, #0x100\n\t"
                     "hvc #0xffff\n\t"
                     "add x20, x20, #0x10, lsl #12\n\t"
                     ".endr\n\t"
                     "mov %0, x20"
                     : "=r"(steps)::"x0", "x1", "x2", "x3", "x20", "memory");
    check(steps, 0x80808u, "hvc_goes_on_at_the_next_instruction");
}

void test_main(void)
{
    calls_test("hvc", call_hvc, call_hvc1);
    test_pc();

    fault_expect(FAULT_SKIP);
    check(el0_call((uint64_t)&el0_hvc, 0), 7, "hvc_at_el0_can_be_skipped");
    check(fault.count, 1, "hvc_at_el0_is_undefined");
    check(fault.esr, ESR_EC(EC_UNKNOWN) | ESR_IL, "hvc_at_el0_esr");
    check(fault.elr, (uint64_t)&el0_hvc, "hvc_at_el0_elr");
}
