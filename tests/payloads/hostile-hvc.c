/* SPDX-License-Identifier: BSD-2-Clause */
/* HVC and SMC with random function IDs and arguments, except those that end or stop this CPU. */
#include "tests/payloads/guest.h"

#define CALLS 5000u

static const uint32_t excluded[] = {
    PSCI_CPU_SUSPEND,    PSCI_CPU_OFF,    PSCI_SYSTEM_OFF,      PSCI_SYSTEM_RESET,
    PSCI_SYSTEM_SUSPEND, PSCI_CPU_FREEZE, PSCI_CPU_DEF_SUSPEND, PSCI_SYSTEM_RESET2,
};

static bool is_excluded(uint32_t id)
{
    for (unsigned i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++) {
        if ((id & ~0x40000000u) == excluded[i])
            return true;
    }
    return false;
}

/* Half of them among PSCI's own functions, where the arguments matter. */
static uint32_t any_function(void)
{
    uint64_t r = random64();

    if ((r & 1) != 0)
        return 0x84000000u | (uint32_t)(r & 0x40000000u) | (uint32_t)(r >> 8 & 0x1f);
    return (uint32_t)(r >> 16);
}

void test_main(void)
{
    unsigned calls = 0;
    unsigned clobbered = 0;

    fault_expect(FAULT_SKIP);
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t before[18];
        uint64_t x[18];
        uint32_t id = any_function();

        if (is_excluded(id))
            continue;
        for (unsigned r = 0; r < 18; r++) {
            before[r] = random64();
            /* Small and aligned values get further into a check than random ones. */
            if (random64() % 4 == 0)
                before[r] &= 0x7ffff000u;
            x[r] = before[r];
        }
        before[0] = x[0] = id;
        switch (random64() % 4) {
        case 0: call_smc(x); break;
        case 1: call_smc1(x); break;
        case 2: call_hvc1(x); break;
        default: call_hvc(x); break;
        }
        for (unsigned r = 4; r < 18; r++)
            clobbered += x[r] != before[r];
        calls++;
    }
    check_true(calls > CALLS / 2, "hostile_hvc_goes_on");
    check(clobbered, 0, "hostile_hvc_preserves_x4_to_x17");
    if (testdev_present())
        check(fault.count, 0, "hostile_hvc_does_not_fault");
    check((uint64_t)psci(PSCI_AFFINITY_INFO, 0, 0, 0), PSCI_AFFINITY_ON,
          "hostile_hvc_psci_answers");
}
