/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that jumps to nowhere, with vectors that are nowhere, too: each fault
 * makes the next one, for ever. The hypervisor has to live, and to be stopped
 * as easily as ever (run-guest --hang).
 */
#include "tests/payloads/guest.h"

void test_main(void)
{
    check_true(true, "about_to_jump");
    WRITE_SYSREG(vbar_el1, HOLE);
    __asm__ volatile("br %0" ::"r"(HOLE + 0x2000));
}
