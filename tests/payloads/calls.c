/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/payloads/calls.h"

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

/* What the vmm has besides what every firmware has. */
static const struct feature more_features[] = {
    {PSCI_CPU_FREEZE, "cpu_freeze", true},
    {PSCI_CPU_DEF_SUSPEND64, "cpu_default_suspend64", true},
    {PSCI_NODE_HW_STATE, "node_hw_state", true},
    {PSCI_SYSTEM_SUSPEND64, "system_suspend64", true},
    {PSCI_SYSTEM_RESET2, "system_reset2", true},
    {SMCCC_VERSION, "smccc_version", true},
    {0x84000005u, "migrate", false},
    {0x84000007u, "migrate_info_up_cpu", false},
    {0x8400000fu, "set_suspend_mode", false},
    {0xc4000010u, "stat_residency", false},
    {0xc4000011u, "stat_count", false},
    {0x84000013u, "mem_protect", false},
    {0xc4000014u, "mem_protect_check_range", false},
    {0xc400000bu, "cpu_freeze_of_64_bits", false},
    {SMCCC_ARCH_FEATURES, "smccc_arch_features", false},
    {TRNG_VERSION, "trng_version", false},
};

static void test_more_features(const char *name, conduit_t call)
{
    for (unsigned i = 0; i < sizeof(more_features) / sizeof(more_features[0]); i++) {
        const struct feature *feature = &more_features[i];

        check((uint64_t)call3(call, PSCI_FEATURES, feature->function, 0, 0),
              feature->present ? 0 : ~0ull, "%s_features_%s_%s", name,
              feature->present ? "has" : "lacks", feature->name);
    }
}

/* Every known function that returns, with arguments with which it does. */
static const struct known {
    uint32_t function;
    uint64_t x1_set, x2_set; /* bits of random arguments that are made 1 */
    unsigned results;        /* registers */
} known[] = {
    {PSCI_VERSION, 0, 0, 1},
    {PSCI_CPU_SUSPEND, 1u << 31, 0, 1}, /* reserved bits */
    {PSCI_CPU_SUSPEND64, 1u << 30, 0, 1},
    {PSCI_CPU_ON, 1u << 31, 0, 1}, /* no such CPU */
    {PSCI_CPU_ON64, 1u << 31, 0, 1},
    {PSCI_AFFINITY_INFO, 0, 0, 1},
    {PSCI_AFFINITY_INFO64, 0, 0, 1},
    {0x84000005u, 0, 0, 1},
    {PSCI_MIGRATE_INFO_TYPE, 0, 0, 1},
    {0xc4000007u, 0, 0, 1},
    {PSCI_FEATURES, 0, 0, 1},
    {PSCI_CPU_DEF_SUSPEND, 1, 0, 1}, /* not an instruction's address */
    {PSCI_CPU_DEF_SUSPEND64, 1, 0, 1},
    {PSCI_NODE_HW_STATE, 0, 0, 1},
    {PSCI_NODE_HW_STATE64, 0, 0, 1},
    {PSCI_SYSTEM_SUSPEND, 1, 0, 1},
    {PSCI_SYSTEM_SUSPEND64, 2, 0, 1},
    {0x8400000fu, 0, 0, 1},
    {0xc4000010u, 0, 0, 1},
    {0xc4000011u, 0, 0, 1},
    {PSCI_SYSTEM_RESET2, 1, 0, 1}, /* no such type */
    {PSCI_SYSTEM_RESET2_64, 1u << 31, 0, 1},
    {0x84000013u, 0, 0, 1},
    {0xc4000014u, 0, 0, 1},
    {SMCCC_VERSION, 0, 0, 1},
    {SMCCC_ARCH_FEATURES, 0, 0, 1},
    {SMCCC_WORKAROUND_1, 0, 0, 1},
    {SMCCC_WORKAROUND_2, 0, 0, 1},
    {SMCCC_WORKAROUND_3, 0, 0, 1},
    {TRNG_VERSION, 0, 0, 1},
    {TRNG_FEATURES, 0, 0, 1},
    {TRNG_GET_UUID, 0, 0, 4},
    {TRNG_RND32, 0, 0, 4},
    {TRNG_RND64, 0, 0, 4},
    {PV_TIME_FEATURES, 0, 0, 1},
};

static void test_known(const char *name, conduit_t call)
{
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        unsigned clobbered = 0;

        for (unsigned round = 0; round < 8; round++) {
            uint64_t before[18];
            uint64_t x[18];

            fill(before, known[i].function | (round & 1 ? SMCCC_HINT : 0));
            before[1] |= known[i].x1_set;
            before[2] |= known[i].x2_set;
            for (unsigned r = 0; r < 18; r++)
                x[r] = before[r];
            call(x);
            clobbered += !preserved(x, before);
            for (unsigned r = known[i].results; r < 4; r++)
                clobbered += x[r] != before[r];
        }
        check(clobbered, 0, "%s_0x%x_preserves_what_it_does_not_return", name, known[i].function);
    }
}

/* The bits that were asked for change, and all others of x1-x3 are zero. */
static void test_entropy(const char *name, conduit_t call, uint32_t function, unsigned bits)
{
    unsigned word = (function & 0x40000000u) != 0 ? 64 : 32;
    uint64_t all_or[3] = {0}, all_and[3] = {~0ull, ~0ull, ~0ull};
    unsigned failed = 0, wrong = 0;

    for (unsigned round = 0; round < 64; round++) {
        uint64_t x[18] = {function, bits};

        call(x);
        failed += result(function, x[0]) != 0;
        for (unsigned i = 0; i < 3; i++) {
            all_or[i] |= x[3 - i];
            all_and[i] &= x[3 - i];
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned have = bits < i * word ? 0 : bits - i * word;
        uint64_t want = have == 0 ? 0 : ~0ull >> (64u - (have < word ? have : word));

        wrong += all_or[i] != want || all_and[i] != 0;
    }
    check(failed, 0, "%s_0x%x_gives_%u_bits", name, function, bits);
    check(wrong, 0, "%s_0x%x_places_%u_bits", name, function, bits);
}

static void test_trng(const char *name, conduit_t call)
{
    static const unsigned sizes[] = {1, 31, 32, 33, 64, 95, 96, 127, 128, 129, 192};

    check((uint64_t)call3(call, TRNG_VERSION, 0, 0, 0), 0x10000, "%s_trng_version", name);
    check((uint64_t)call3(call, TRNG_FEATURES, TRNG_RND64, 0, 0), 0, "%s_trng_has_rnd64", name);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (sizes[i] <= 96)
            test_entropy(name, call, TRNG_RND32, sizes[i]);
        test_entropy(name, call, TRNG_RND64, sizes[i]);
    }
    check((uint64_t)call3(call, TRNG_RND32, 0, 0, 0), (uint64_t)-2, "%s_trng_of_0_bits", name);
    check((uint64_t)call3(call, TRNG_RND32, 97, 0, 0), (uint64_t)-2, "%s_trng_of_97_bits", name);
    check((uint64_t)call3(call, TRNG_RND64, 193, 0, 0), (uint64_t)-2, "%s_trng_of_193_bits", name);
}

/* What is announced can be called; what is not, cannot. */
static void test_workarounds(const char *name, conduit_t call)
{
    static const uint32_t functions[] = {SMCCC_WORKAROUND_1, SMCCC_WORKAROUND_2,
                                         SMCCC_WORKAROUND_3};

    check((uint64_t)call3(call, SMCCC_VERSION, 0, 0, 0), 0x10004, "%s_smccc_version", name);
    for (unsigned i = 0; i < 3; i++) {
        int64_t told = call3(call, SMCCC_ARCH_FEATURES, functions[i], 0, 0);

        note("workaround %u: 0x%lx", i + 1, (uint64_t)told);
        check((uint64_t)call3(call, functions[i], 0, 0, 0), told >= 0 ? 0 : ~0ull,
              "%s_workaround_%u_is_as_announced", name, i + 1);
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
    test_known(name, call);
    if (testdev_present()) {
        test_more_features(name, call);
        test_trng(name, call);
        test_workarounds(name, call);
    }
}
