/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/guest/calls.h"

#define RANDOM_CALLS 200u

/* Registers that neither side of a call may use for anything else. */
static void fill(uint64_t x[18], uint64_t function)
{
    for (unsigned i = 0; i < 18; i++)
        x[i] = random64();
    x[0] = function;
}

/* SMCCC 1.1 on: x4-x17 are preserved. */
static bool preserved(const uint64_t now[18], const uint64_t before[18])
{
    for (unsigned i = 4; i < 18; i++) {
        if (now[i] != before[i])
            return false;
    }
    return true;
}

static int64_t result(uint64_t function, uint64_t x0)
{
    return (function & 0x40000000u) != 0 ? (int64_t)x0 : (int32_t)x0;
}

static int64_t call3(conduit_t call, uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3)
{
    uint64_t x[18] = {function, x1, x2, x3};

    call(x);
    return result(function, x[0]);
}

struct feature {
    uint32_t function;
    const char *name;
    bool present;
};

static const struct feature features[] = {
    {PSCI_VERSION, "version", true},
    {PSCI_CPU_SUSPEND, "cpu_suspend", true},
    {PSCI_CPU_SUSPEND64, "cpu_suspend64", true},
    {PSCI_CPU_OFF, "cpu_off", true},
    {PSCI_CPU_ON, "cpu_on", true},
    {PSCI_CPU_ON64, "cpu_on64", true},
    {PSCI_AFFINITY_INFO, "affinity_info", true},
    {PSCI_AFFINITY_INFO64, "affinity_info64", true},
    {PSCI_SYSTEM_OFF, "system_off", true},
    {PSCI_SYSTEM_RESET, "system_reset", true},
    {PSCI_FEATURES, "features", true},
    {0x8400ffffu, "unknown", false},
    {0xc4000000u, "version_of_64_bits", false},
    {0xffffffffu, "all_ones", false},
    {0u, "zero", false},
};

static void test_features(const char *name, conduit_t call)
{
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        const struct feature *feature = &features[i];
        int64_t got = call3(call, PSCI_FEATURES, feature->function, 0, 0);

        if (feature->present)
            check_true(got >= 0, "%s_features_has_%s", name, feature->name);
        else
            check((uint64_t)got, (uint64_t)PSCI_NOT_SUPPORTED, "%s_features_lacks_%s", name,
                  feature->name);
    }
}

/* IDs of services that no one offers: OEM, trusted OS, reserved owners; fast and yielding. */
static uint32_t unknown_function(void)
{
    uint32_t id = (uint32_t)random64();
    uint32_t owner = 8u + (uint32_t)(random64() % 40u);

    return (id & 0xc000ffffu) | owner << 24;
}

static void test_unknown(const char *name, conduit_t call)
{
    unsigned wrong = 0;
    unsigned clobbered = 0;

    for (unsigned i = 0; i < RANDOM_CALLS; i++) {
        uint64_t before[18];
        uint64_t x[18];

        fill(before, unknown_function());
        for (unsigned r = 0; r < 18; r++)
            x[r] = before[r];
        call(x);
        wrong += result(before[0], x[0]) != PSCI_NOT_SUPPORTED;
        clobbered += !preserved(x, before);
    }
    check(wrong, 0, "%s_unknown_functions_return_not_supported", name);
    check(clobbered, 0, "%s_unknown_functions_preserve_x4_to_x17", name);
}

static void test_registers(const char *name, conduit_t call)
{
    uint64_t before[18];
    uint64_t x[18];

    fill(before, PSCI_VERSION);
    for (unsigned r = 0; r < 18; r++)
        x[r] = before[r];
    call(x);
    check(x[0] >> 16 & 0xffffu, 1, "%s_version_is_1_x_whatever_the_arguments", name);
    check_true(preserved(x, before), "%s_version_preserves_x4_to_x17", name);
}

/* A 32-bit call takes its parameters from w1-w3. */
static void test_upper_halves(const char *name, conduit_t call)
{
    uint64_t mpidr = READ_SYSREG(mpidr_el1) & 0xffffffu;
    uint64_t junk = 0xa5a5a5a500000000ull;

    check((uint64_t)call3(call, PSCI_AFFINITY_INFO, junk | mpidr, junk, junk), PSCI_AFFINITY_ON,
          "%s_32_bit_call_ignores_upper_halves", name);
    check((uint64_t)call3(call, PSCI_AFFINITY_INFO64, mpidr, 0, junk), PSCI_AFFINITY_ON,
          "%s_64_bit_call_finds_this_cpu", name);
    check((uint64_t)call3(call, PSCI_AFFINITY_INFO64, 1ull << 32 | mpidr, 0, 0),
          (uint64_t)PSCI_INVALID_PARAMS, "%s_64_bit_call_uses_affinity_3", name);
}

/* DEN0028: only immediate 0 is a call of the convention; any other may not be taken for worse. */
static void test_immediate(const char *name, conduit_t call_imm1)
{
    uint64_t before[18];
    uint64_t x[18];

    fill(before, 0xbe00beefu);
    for (unsigned r = 0; r < 18; r++)
        x[r] = before[r];
    call_imm1(x);
    check((uint64_t)result(before[0], x[0]), (uint64_t)PSCI_NOT_SUPPORTED,
          "%s_immediate_1_unknown_function_returns_not_supported", name);
    check_true(preserved(x, before), "%s_immediate_1_preserves_x4_to_x17", name);
}

void calls_test(const char *name, conduit_t call, conduit_t call_imm1)
{
    test_registers(name, call);
    test_features(name, call);
    test_unknown(name, call);
    test_upper_halves(name, call);
    test_immediate(name, call_imm1);
}
