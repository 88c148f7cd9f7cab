/* SPDX-License-Identifier: BSD-2-Clause */
/* Each PSCI function, called as the guest does, and each way in which a call is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/boot.h"
#include "vmm/firmware/smccc.h"
#include "vmm/util/log.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CPUS     4u

/* Two clusters of two, one of them with Aff3. */
static const uint64_t mpidrs[CPUS] = {0x000, 0x001, 0x100, 0x0200000100};

static struct rv_vcpu_page page;
static struct vcpu vcpu = {.index = 1, .page = &page};
static struct psci_cpu cpus[CPUS];
static unsigned debug_lines;

static struct {
    unsigned on, off, system_off, reset, restart;
    unsigned index;
    uint64_t entry, context_id;
    enum psci_reset kind;
    int on_result;
    uint8_t state_seen;
} core;

uint64_t vcpu_get_x(const struct vcpu *v, unsigned reg)
{
    return reg < 31 ? v->page->x[reg] : 0;
}

bool log_first(unsigned kind, uint64_t key)
{
    static uint64_t last = ~0ull;
    bool first = key != last;

    assert_int_equal(kind, LOG_KIND_CALL);
    last = key;
    return first;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    debug_lines += level == LOG_DEBUG;
}

static int core_on(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    assert_ptr_equal(opaque, &core);
    core.on++;
    core.index = index;
    core.entry = entry;
    core.context_id = context_id;
    core.state_seen = cpus[index].state;
    return core.on_result;
}

static void core_off(void *opaque, unsigned index)
{
    assert_ptr_equal(opaque, &core);
    core.off++;
    core.index = index;
}

static void core_system_off(void *opaque)
{
    assert_ptr_equal(opaque, &core);
    core.system_off++;
}

static void core_system_reset(void *opaque, enum psci_reset kind)
{
    assert_ptr_equal(opaque, &core);
    core.reset++;
    core.kind = kind;
}

static bool core_is_memory(void *opaque, ipa_t addr)
{
    assert_ptr_equal(opaque, &core);
    return addr.v >= 0x40000000 && addr.v < 0x140000000;
}

/* Of an exit, not of a call: psci.c only asks for it. */
static int core_restart(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    core.restart++;
    return 0;
}

static const struct psci_ops ops = {core_on,           core_off,       core_system_off,
                                    core_system_reset, core_is_memory, core_restart};
static const struct psci psci = {.ops = &ops, .opaque = &core, .cpus = cpus, .nr_cpus = CPUS};
static struct smccc smccc;

static int setup(void **state)
{
    static const uint64_t no_features[RV_ID_INDEX(7, 7) + 1];

    smccc_init(&smccc, &psci, no_features);
    memset(&page, 0, sizeof(page));
    memset(&core, 0, sizeof(core));
    for (unsigned i = 0; i < CPUS; i++)
        psci_cpu_reset(&cpus[i], mpidrs[i] | 0x80000000, i < 2); /* with MPIDR_EL1's RES1 bit */
    return 0;
}

static struct call_result call(uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    struct call_result result;

    page.x[0] = x0;
    page.x[1] = x1;
    page.x[2] = x2;
    page.x[3] = x3;
    memset(&result, 0xff, sizeof(result));
    smccc_call(&smccc, &vcpu, 0, &result);
    return result;
}

static void psci_answers_each_stateless_function(void **state)
{
    static const struct {
        uint64_t x0, x1, x2;
        int64_t want;
    } cases[] = {
        {0x84000000, 0, 0, 0x10001},         /* PSCI_VERSION: 1.1 */
        {0xc4000000, 0, 0, -1},              /* has no 64-bit form */
        {0xffffffff84000000, 0, 0, 0x10001}, /* the upper half of x0 is not looked at */
        {0x84000006, 0, 0, 2},               /* MIGRATE_INFO_TYPE: nothing to migrate */
        {0x84000005, 0, 0, -1},              /* MIGRATE */
        {0x84000007, 0, 0, -1},              /* MIGRATE_INFO_UP_CPU */
        {0xc4000002, 0, 0, -1},              /* CPU_OFF has no 64-bit form */
        {0xc400000b, 0, 0, -1},              /* nor has CPU_FREEZE */
        {0x8400000f, 0, 0, -1},              /* PSCI_SET_SUSPEND_MODE */
        {0xc4000005, 0, 0, -1},              /* MIGRATE */
        {0xc4000007, 0, 0, -1},              /* MIGRATE_INFO_UP_CPU */
        {0xc4000010, 0, 0, -1},              /* PSCI_STAT_RESIDENCY */
        {0xc4000011, 0, 0, -1},              /* PSCI_STAT_COUNT */
        {0x84000013, 0, 0, -1},              /* MEM_PROTECT */
        {0xc4000014, 0, 0, -1},              /* MEM_PROTECT_CHECK_RANGE */
        {0x8400001f, 0, 0, -1},              /* last of the range */
        {0x84000020, 0, 0, -1},              /* behind it */
        {0x84000100, 0, 0, -1},              /* not an alias of PSCI_VERSION */
        {0x84020000, 0, 0, -1},              /* reserved bits are not looked over */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call_result r = call(cases[i].x0, cases[i].x1, cases[i].x2, 0);

        if (r.x[0] != (uint64_t)cases[i].want) {
            fail_msg("%#llx(%#llx): %#llx", (unsigned long long)cases[i].x0,
                     (unsigned long long)cases[i].x1, (unsigned long long)r.x[0]);
        }
        assert_false(r.hold || r.wait);
    }
}

static void psci_features_knows_exactly_the_functions_that_there_are(void **state)
{
    static const uint32_t known[] = {
        0x84000000, 0x84000001, 0xc4000001, 0x84000002, 0x84000003, 0xc4000003,
        0x84000004, 0xc4000004, 0x84000006, 0x84000008, 0x84000009, 0x8400000a,
        0x8400000b, 0x8400000c, 0xc400000c, 0x8400000d, 0xc400000d, 0x8400000e,
        0xc400000e, 0x84000012, 0xc4000012, 0x80000000,
    };

    for (uint32_t width = 0; width < 2; width++) {
        for (uint32_t n = 0; n < 0x40; n++) {
            uint32_t function = 0x84000000 | width << 30 | n;
            bool is_known = false;

            for (size_t i = 0; i < COUNT(known); i++)
                is_known = is_known || known[i] == function;
            assert_int_equal(call(0x8400000a, function, 0, 0).x[0], is_known ? 0 : ~0ull);
        }
    }
    assert_int_equal(call(0x8400000a, 0x80000000, 0, 0).x[0], 0);
    assert_int_equal(call(0x8400000a, 0xffffffff80000000, 0, 0).x[0], 0);
    assert_int_equal(call(0x8400000a, 0x80000001, 0, 0).x[0], ~0ull);
    assert_int_equal(call(0xc400000a, 0x84000000, 0, 0).x[0], ~0ull);
}

static void psci_unknown_calls_are_logged_once_at_debug_level(void **state)
{
    debug_lines = 0;
    call(0x84001234, 0, 0, 0);
    call(0x84001234, 0, 0, 0);
    assert_int_equal(debug_lines, 1);
    call(0x84000000, 0, 0, 0);
    assert_int_equal(debug_lines, 1);
    call(0x84000013, 0, 0, 0); /* this one with the reason why it is not there */
    assert_int_equal(debug_lines, 3);
}

static void psci_cpu_suspend_has_standby_and_power_down_of_the_core(void **state)
{
    static const struct {
        uint64_t function, power_state, entry, context_id;
        int64_t want;
        bool restart;
        uint64_t start, x0;
    } cases[] = {
        {0x84000001, 0x00000000, 0, 0, 0, false, 0, 0},
        {0xc4000001, 0x00000000, 1, 0, 0, false, 0, 0},         /* standby has no entry */
        {0xc4000001, 0x0000ffff, 0, 0, 0, false, 0, 0},         /* any StateID */
        {0xc4000001, 0xffffffff00000000, 0, 0, 0, false, 0, 0}, /* a 32-bit parameter */
        {0x84000001, 0x00010000, 0x40001000, ~0ull, 0, true, 0x40001000, 0xffffffff},
        {0xc4000001, 0x00010000, 0x100001000, ~0ull, 0, true, 0x100001000, ~0ull},
        {0xc4000001, 0x0001abcd, 0x40000000, 5, 0, true, 0x40000000, 5},
        {0x84000001, 0x00010000, 0x1240001000, 7, 0, true, 0x40001000, 7}, /* cut to 32 bits */
        {0xc4000001, 0x00010000, 0x40000002, 0, -9, false, 0, 0},          /* not an A64 address */
        {0xc4000001, 0x00010000, 0x09000000, 0, -9, false, 0, 0},          /* a device */
        {0xc4000001, 0x00010000, 0x140000000, 0, -9, false, 0, 0},         /* just behind the RAM */
        {0xc4000001, 0x01010000, 0x40000000, 0, -2, false, 0, 0},          /* level 1 */
        {0xc4000001, 0x01000000, 0x40000000, 0, -2, false, 0, 0},
        {0xc4000001, 0x03000000, 0x40000000, 0, -2, false, 0, 0},
        {0xc4000001, 0x00020000, 0x40000000, 0, -2, false, 0, 0}, /* reserved */
        {0xc4000001, 0x40000000, 0x40000000, 0, -2, false, 0, 0}, /* the extended StateType */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call_result r =
            call(cases[i].function, cases[i].power_state, cases[i].entry, cases[i].context_id);

        if (r.x[0] != (uint64_t)cases[i].want || r.restart != cases[i].restart)
            fail_msg("case %zu: %lld", i, (long long)r.x[0]);
        assert_int_equal(r.wait, cases[i].want == 0);
        assert_int_equal(r.entry, cases[i].start);
        assert_int_equal(r.context_id, cases[i].x0);
        assert_false(r.hold);
    }
    assert_int_equal(core.restart, 0);
    assert_int_equal(cpus[1].state, PSCI_STATE_ON); /* suspended is on: AFFINITY_INFO */
}

static void psci_cpu_default_suspend_powers_down(void **state)
{
    struct call_result r = call(0xc400000c, 0x80000000, 0x1122334455667788, 0);

    assert_true(r.restart && r.wait);
    assert_int_equal(r.entry, 0x80000000);
    assert_int_equal(r.context_id, 0x1122334455667788);
    r = call(0x8400000c, 0xffffffff80000000, 0x1122334455667788, 0);
    assert_int_equal(r.entry, 0x80000000);
    assert_int_equal(r.context_id, 0x55667788);
    r = call(0xc400000c, 0x80000001, 0, 0);
    assert_int_equal((int64_t)r.x[0], -9);
    assert_false(r.restart || r.wait);
}

static void psci_system_suspend_needs_all_others_off(void **state)
{
    struct call_result r;

    r = call(0xc400000e, 0x40000000, 9, 0); /* vCPU 0 is on */
    assert_int_equal((int64_t)r.x[0], -3);
    assert_false(r.restart || r.wait);
    cpus[0].state = PSCI_STATE_OFF;
    cpus[3].state = PSCI_STATE_ON_PENDING; /* on its way is not off */
    assert_int_equal((int64_t)call(0x8400000e, 0x40000000, 9, 0).x[0], -3);
    cpus[3].state = PSCI_STATE_OFF;
    assert_int_equal((int64_t)call(0xc400000e, 0x09000000, 9, 0).x[0], -9);
    r = call(0xc400000e, 0x40000000, 9, 0);
    assert_int_equal(r.x[0], 0);
    assert_true(r.restart && r.wait);
    assert_int_equal(r.entry, 0x40000000);
    assert_int_equal(r.context_id, 9);
    assert_int_equal(call(0x8400000e, 0x40000000, ~0ull, 0).context_id, 0xffffffff);
}

static void psci_cpu_freeze_waits_for_cpu_on(void **state)
{
    struct call_result r = call(0x8400000b, 0, 0, 0);

    assert_true(r.hold);
    assert_int_equal(core.off, 1);
    assert_int_equal(cpus[1].state, PSCI_STATE_OFF);
    vcpu.index = 0;
    assert_int_equal(call(0xc4000003, 0x001, 0x40000000, 0).x[0], 0);
    vcpu.index = 1;
}

/* Two vCPUs ask for a third: one of them gets it, the other is told how far it is. */
static void psci_cpu_on_by_two_starts_one(void **state)
{
    vcpu.index = 0;
    assert_int_equal(call(0xc4000003, 0x100, 0x40000000, 1).x[0], 0);
    vcpu.index = 1;
    assert_int_equal((int64_t)call(0xc4000003, 0x100, 0x50000000, 2).x[0], -5);
    psci_cpu_started(&cpus[2]);
    assert_int_equal((int64_t)call(0xc4000003, 0x100, 0x50000000, 2).x[0], -4);
    assert_int_equal(core.on, 1);
    assert_int_equal(cpus[2].entry, 0x40000000);
    assert_int_equal(cpus[2].context_id, 1);
}

static void psci_node_hw_state_tells_of_cores(void **state)
{
    static const struct {
        uint64_t function, target, level;
        int64_t want;
    } cases[] = {
        {0xc400000d, 0x000, 0, 0},
        {0xc400000d, 0x001, 0, 0}, /* itself */
        {0xc400000d, 0x100, 0, 1}, /* pending: not powered yet */
        {0xc400000d, 0x0200000100, 0, 1},
        {0x8400000d, 0x0200000000, 0, 0}, /* cut: vCPU 0 */
        {0x8400000d, 0x100, 0xffffffff00000000, 1},
        {0xc400000d, 0x000, 1, -2}, /* nothing above the core has a state */
        {0xc400000d, 0x300, 0, -2},
        {0xc400000d, 0x80000000, 0, -2},
    };

    cpus[2].state = PSCI_STATE_ON_PENDING;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t got = (int64_t)call(cases[i].function, cases[i].target, cases[i].level, 0).x[0];

        if (got != cases[i].want)
            fail_msg("case %zu: %lld", i, (long long)got);
    }
}

static void psci_cpu_off_does_not_return(void **state)
{
    struct call_result r = call(0x84000002, 0, 0, 0);

    assert_true(r.hold);
    assert_int_equal(core.off, 1);
    assert_int_equal(core.index, 1);
    assert_int_equal(cpus[1].state, PSCI_STATE_OFF);
    assert_int_equal(cpus[0].state, PSCI_STATE_ON);
}

static void psci_cpu_on_starts_the_target_once(void **state)
{
    assert_int_equal(call(0xc4000003, 0x100, 0x80001000, 0xfeedfacecafebeef).x[0], 0);
    assert_int_equal(core.on, 1);
    assert_int_equal(core.index, 2);
    assert_int_equal(core.entry, 0x80001000);
    assert_int_equal(core.context_id, 0xfeedfacecafebeef);
    assert_int_equal(core.state_seen, PSCI_STATE_ON_PENDING);
    assert_int_equal(cpus[2].entry, 0x80001000);
    assert_int_equal(cpus[2].context_id, 0xfeedfacecafebeef);

    assert_int_equal((int64_t)call(0xc4000003, 0x100, 0x80001000, 0).x[0], -5);
    psci_cpu_started(&cpus[2]);
    assert_int_equal((int64_t)call(0xc4000003, 0x100, 0x80001000, 0).x[0], -4);
    assert_int_equal(core.on, 1);

    /* Off and on again. */
    cpus[2].state = PSCI_STATE_OFF;
    assert_int_equal(call(0xc4000003, 0x100, 0x80001000, 0).x[0], 0);
    assert_int_equal(core.on, 2);
}

static void psci_cpu_on_refuses_what_cannot_be_started(void **state)
{
    static const struct {
        uint64_t function, target, entry;
        int64_t want;
    } cases[] = {
        {0xc4000003, 0x300, 0x40000000, -2},             /* nobody */
        {0xc4000003, 0x80000100, 0x40000000, -2},        /* bit 31 must be zero */
        {0xc4000003, 0x100000000000100, 0x40000000, -2}, /* bits 63:40 must be zero */
        {0xc4000003, 0x001, 0x40000000, -4},             /* itself */
        {0xc4000003, 0x000, 0x40000000, -4},             /* on */
        {0xc4000003, 0x100, 0x40000002, -9},             /* not an A64 address */
        {0xc4000003, 0x100, 0x09000000, -9},             /* a device */
        {0xc4000003, 0x100, 0xffffffff40000000, -9},     /* 64 bits count in a 64-bit call */
        {0x84000003, 0x0200000100, 0x40000000, 0},       /* 32-bit: Aff3 is cut off */
        {0x84000003, 0x100, 0x40000000, -5},             /* ... so that was vCPU 2 */
        {0xc4000003, 0x0200000100, 0x40000000, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t got = (int64_t)call(cases[i].function, cases[i].target, cases[i].entry, 0).x[0];

        if (got != cases[i].want)
            fail_msg("case %zu: %lld", i, (long long)got);
    }
    assert_int_equal(core.on, 2);
}

static void psci_cpu_on_32_bit_cuts_its_arguments(void **state)
{
    assert_int_equal(
        call(0x84000003, 0xffffffff00000100, 0xabcd000080000000, 0x1122334455667788).x[0], 0);
    assert_int_equal(core.entry, 0x80000000);
    assert_int_equal(core.context_id, 0x55667788);
}

static void psci_cpu_on_that_the_core_cannot_do_leaves_the_target_off(void **state)
{
    core.on_result = -ENOMEM;
    assert_int_equal((int64_t)call(0xc4000003, 0x100, 0x40000000, 0).x[0], -6);
    assert_int_equal(cpus[2].state, PSCI_STATE_OFF);
    core.on_result = 0;
    assert_int_equal(call(0xc4000003, 0x100, 0x40000000, 0).x[0], 0);
}

static void psci_started_touches_only_a_pending_vcpu(void **state)
{
    psci_cpu_started(&cpus[3]);
    assert_int_equal(cpus[3].state, PSCI_STATE_OFF);
}

static void psci_affinity_info_tells_the_state_at_each_level(void **state)
{
    static const struct {
        uint64_t function, target, level;
        int64_t want;
    } cases[] = {
        {0xc4000004, 0x000, 0, 0},
        {0xc4000004, 0x100, 0, 2},
        {0xc4000004, 0x0200000100, 0, 1},
        {0xc4000004, 0x300, 0, -2},
        {0xc4000004, 0x000, 1, 0}, /* cluster 0: on */
        {0xc4000004, 0x1ff, 1, 2}, /* cluster 1: pending; Aff0 is not looked at */
        {0xc4000004, 0x200, 1, -2},
        {0xc4000004, 0x100, 2, 0}, /* with cluster 0 */
        {0xc4000004, 0x0200000000, 3, 1},
        {0xc4000004, 0x000, 4, -2},
        {0xc4000004, 0x000, 0xffffffff00000000, 0}, /* the level is a 32-bit parameter */
        {0xc4000004, 0x80000000, 0, -2},
        {0x84000004, 0x0200000000, 0, 0}, /* cut: vCPU 0 */
    };

    assert_int_equal(call(0xc4000003, 0x100, 0x40000000, 0).x[0], 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t got = (int64_t)call(cases[i].function, cases[i].target, cases[i].level, 0).x[0];

        if (got != cases[i].want)
            fail_msg("case %zu: %lld", i, (long long)got);
    }
}

static void psci_system_off_and_reset_do_not_return(void **state)
{
    assert_true(call(0x84000008, 0, 0, 0).hold);
    assert_int_equal(core.system_off, 1);
    assert_true(call(0x84000009, 0, 0, 0).hold);
    assert_int_equal(core.reset, 1);
    assert_int_equal(core.kind, PSCI_RESET_COLD);
    assert_true(call(0x84000012, 0, 0, 0).hold);
    assert_int_equal(core.kind, PSCI_RESET_WARM);
    assert_true(call(0xc4000012, 0, 0x1234, 0).hold); /* the cookie is for vendor types */
    assert_int_equal(core.reset, 3);
}

static void psci_system_reset2_refuses_other_types_and_returns(void **state)
{
    static const uint64_t types[] = {1, 0x7fffffff, 0x80000000, 0x80000001};

    for (size_t i = 0; i < COUNT(types); i++) {
        struct call_result r = call(0xc4000012, types[i], 0, 0);

        assert_int_equal((int64_t)r.x[0], -2);
        assert_false(r.hold);
    }
    assert_int_equal(core.reset, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(psci_answers_each_stateless_function, setup),
        cmocka_unit_test_setup(psci_features_knows_exactly_the_functions_that_there_are, setup),
        cmocka_unit_test_setup(psci_unknown_calls_are_logged_once_at_debug_level, setup),
        cmocka_unit_test_setup(psci_cpu_suspend_has_standby_and_power_down_of_the_core, setup),
        cmocka_unit_test_setup(psci_cpu_default_suspend_powers_down, setup),
        cmocka_unit_test_setup(psci_system_suspend_needs_all_others_off, setup),
        cmocka_unit_test_setup(psci_cpu_freeze_waits_for_cpu_on, setup),
        cmocka_unit_test_setup(psci_cpu_on_by_two_starts_one, setup),
        cmocka_unit_test_setup(psci_node_hw_state_tells_of_cores, setup),
        cmocka_unit_test_setup(psci_cpu_off_does_not_return, setup),
        cmocka_unit_test_setup(psci_cpu_on_starts_the_target_once, setup),
        cmocka_unit_test_setup(psci_cpu_on_refuses_what_cannot_be_started, setup),
        cmocka_unit_test_setup(psci_cpu_on_32_bit_cuts_its_arguments, setup),
        cmocka_unit_test_setup(psci_cpu_on_that_the_core_cannot_do_leaves_the_target_off, setup),
        cmocka_unit_test_setup(psci_started_touches_only_a_pending_vcpu, setup),
        cmocka_unit_test_setup(psci_affinity_info_tells_the_state_at_each_level, setup),
        cmocka_unit_test_setup(psci_system_off_and_reset_do_not_return, setup),
        cmocka_unit_test_setup(psci_system_reset2_refuses_other_types_and_returns, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
