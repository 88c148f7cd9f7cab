/* SPDX-License-Identifier: BSD-2-Clause */
/* The calling convention: who answers which function, and with which registers. */
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

static struct rv_vcpu_page page;
static struct vcpu vcpu = {.index = 0, .page = &page};
static struct psci_cpu cpu;
static struct smccc smccc;
static unsigned ended;

uint64_t vcpu_get_x(const struct vcpu *v, unsigned reg)
{
    return reg < 31 ? v->page->x[reg] : 0;
}

bool log_first(unsigned kind, uint64_t key)
{
    assert_int_equal(kind, LOG_KIND_CALL);
    return true;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    assert_int_equal(level, LOG_DEBUG); /* a guest may call what it likes */
}

static void core_end(void *opaque)
{
    ended++;
}

static const struct psci_ops ops = {.system_off = core_end};
static const struct psci psci = {.ops = &ops, .cpus = &cpu, .nr_cpus = 1};

static void init(uint64_t midr, uint64_t pfr0, uint64_t mmfr1)
{
    uint64_t id[RV_ID_INDEX(7, 7) + 1] = {
        [RV_ID_INDEX(0, 0)] = midr,
        [RV_ID_INDEX(4, 0)] = pfr0,
        [RV_ID_INDEX(7, 1)] = mmfr1,
    };

    smccc_init(&smccc, &psci, id);
}

static int setup(void **state)
{
    psci_cpu_reset(&cpu, 0, true);
    init(0, 0, 0);
    ended = 0;
    return 0;
}

static struct call_result call_imm(uint64_t x0, uint64_t x1, uint16_t imm)
{
    struct rv_vcpu_page before;
    struct call_result result;

    for (unsigned i = 2; i < 31; i++)
        page.x[i] = 0x0111111111111111ull * i;
    page.x[0] = x0;
    page.x[1] = x1;
    before = page;
    memset(&result, 0xff, sizeof(result));
    smccc_call(&smccc, &vcpu, imm, &result);
    assert_memory_equal(&before, &page, sizeof(page)); /* exit.c writes what was returned */
    return result;
}

static struct call_result call(uint64_t x0, uint64_t x1)
{
    return call_imm(x0, x1, 0);
}

static void smccc_finds_the_service_by_the_function(void **state)
{
    static const struct {
        uint64_t x0, x1;
        int64_t want;
    } cases[] = {
        {0x80000000, 0, 0x10004},         /* SMCCC_VERSION: 1.4 */
        {0xffffffff80000000, 0, 0x10004}, /* the upper half of x0 is not looked at */
        {0xc0000000, 0, -1},              /* has no 64-bit form */
        {0x80010000, 0, 0x10004},         /* with the hint: no live SVE state */
        {0x84000000, 0, 0x10001},         /* PSCI_VERSION */
        {0x84010000, 0, 0x10001},
        {0xc4000000, 0, -1},
        {0x84000050, 0, 0x10000}, /* TRNG_VERSION */
        {0x84010050, 0, 0x10000},
        {0xc4000050, 0, -1},
        {0x8400004f, 0, -1}, /* between PSCI and TRNG */
        {0x84000060, 0, -1},
        {0x84000020, 0, -1},
        {0xc5000020, 0xc5000021, -1}, /* PV_TIME_FEATURES: no stolen time here */
        {0xc5000021, 0, -1},
        {0x04000000, 0, -1}, /* yielding calls */
        {0x04010000, 0, -1},
        {0x00000000, 0, -1},
        {0x32000000, 0, -1},
        {0x84020000, 0, -1}, /* reserved bits of a fast call */
        {0x84800000, 0, -1},
        {0x81000000, 0, -1}, /* owners: CPU, SiP, OEM, secure, hypervisor, vendor, Trusted OS */
        {0x82000000, 0, -1},
        {0x83000000, 0, -1},
        {0x85000000, 0, -1},
        {0x8600ff01, 0, -1},
        {0xb2000000, 0, -1},
        {0xffffffff, 0, -1},
        {0x80000002, 0, -1}, /* SMCCC_ARCH_SOC_ID */
        {0x80000001, 0x80000000, 0},
        {0x80000001, 0x80000001, 0},
        {0x80000001, 0xffffffff80000001, 0}, /* a 32-bit parameter */
        {0x80000001, 0x80000002, -1},
        {0x80000001, 0x84000000, -1}, /* PSCI has its own FEATURES */
        {0x80000001, 0x84000050, -1}, /* and so has the TRNG */
        {0x80000001, 0xc5000020, -1},
        {0x80000001, 0, -1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct call_result r = call(cases[i].x0, cases[i].x1);

        if (r.x[0] != (uint64_t)cases[i].want)
            fail_msg("%#llx(%#llx): %#llx", (unsigned long long)cases[i].x0,
                     (unsigned long long)cases[i].x1, (unsigned long long)r.x[0]);
        assert_false(r.has_x1_to_x3 || r.hold || r.wait || r.restart);
    }
}

static void smccc_32_bit_calls_cut_their_parameters(void **state)
{
    assert_int_equal(call(0x84000053, 0xabcd000000000020).x[0], 0);
    assert_int_equal((int64_t)call(0xc4000053, 0xabcd000000000020).x[0], -2);
}

static void smccc_results_of_x1_to_x3_are_marked(void **state)
{
    struct call_result r = call(0xc4000053, 192);

    assert_int_equal(r.x[0], 0);
    assert_true(r.has_x1_to_x3);
    assert_true(r.x[1] | r.x[2] | r.x[3]);
    assert_true(call(0x84000052, 0).has_x1_to_x3);
}

static void smccc_calls_with_an_immediate_are_not_supported(void **state)
{
    assert_int_equal(call_imm(0x84000008, 0, 1).x[0], ~0ull);
    assert_int_equal(call_imm(0x80000000, 0, 0xffff).x[0], ~0ull);
    assert_int_equal(ended, 0);
    assert_true(call(0x84000008, 0).hold);
    assert_int_equal(ended, 1);
}

static void smccc_discovers_stolen_time_when_it_is_there(void **state)
{
    smccc.pvtime = (struct pvtime){true, 0x50000000};
    assert_int_equal(call(0x80000001, 0xc5000020).x[0], 0);
    assert_int_equal(call(0xc5000020, 0xc5000021).x[0], 0);
    assert_int_equal(call(0xc5000021, 0).x[0], 0x50000000);
    assert_int_equal(call(0xc5010021, 0).x[0], 0x50000000);
    vcpu.index = 2;
    assert_int_equal(call(0xc5000021, 0).x[0], 0x50000080);
    vcpu.index = 0;
}

static void smccc_tells_the_truth_about_workarounds(void **state)
{
    static const uint32_t functions[] = {0x80008000, 0x80007fff, 0x80003fff};
    static const struct {
        const char *cpu;
        uint64_t midr, csv2, ecbhb;
        int64_t want[3];
    } cases[] = {
        {"Cortex-A72 r0p3", 0x410fd083, 0, 0, {-1, -1, -1}},
        {"Cortex-A57", 0x411fd070, 0, 0, {-1, -1, -1}},
        {"Cortex-A53", 0x410fd034, 0, 0, {1, -2, 1}},
        {"Cortex-A35", 0x410fd040, 0, 0, {1, -2, 1}},
        {"Cortex-A55 r2p0", 0x412fd050, 1, 0, {1, -2, 1}},
        {"Neoverse N1: SSBS, CSV2", 0x413fd0c1, 1, 0, {1, -1, -1}},
        {"CSV2_2", 0x410fd490, 2, 0, {1, -1, -1}},
        {"CSV2_3", 0x410fd490, 3, 0, {1, -1, 1}},
        {"ECBHB", 0x410fd490, 2, 1, {1, -1, 1}},
        {"another's part 0xd03", 0x420fd034, 0, 0, {-1, -1, -1}},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        init(cases[i].midr, cases[i].csv2 << 56 | 0x1111, cases[i].ecbhb << 60 | 0x1111);
        for (unsigned n = 0; n < 3; n++) {
            int64_t told = (int64_t)call(0x80000001, functions[n]).x[0];
            struct call_result r = call(functions[n], 0);

            if (told != cases[i].want[n])
                fail_msg("%s: workaround %u: %lld", cases[i].cpu, n + 1, (long long)told);
            /* What may be called can be, and what cannot is unknown. */
            assert_int_equal((int64_t)r.x[0], told >= 0 ? 0 : -1);
            assert_false(r.has_x1_to_x3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(smccc_finds_the_service_by_the_function, setup),
        cmocka_unit_test_setup(smccc_32_bit_calls_cut_their_parameters, setup),
        cmocka_unit_test_setup(smccc_results_of_x1_to_x3_are_marked, setup),
        cmocka_unit_test_setup(smccc_calls_with_an_immediate_are_not_supported, setup),
        cmocka_unit_test_setup(smccc_discovers_stolen_time_when_it_is_there, setup),
        cmocka_unit_test_setup(smccc_tells_the_truth_about_workarounds, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
