/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for the stub: what it refuses is told in words, and all CPUs must be alike. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/machine/machine.h"

#define NR_PCPUS 3u

static struct rv_boot_page boot;
static struct rv_channel channels[NR_PCPUS];
static struct machine machine;
static bool over;

/* Asked after each look that found the stub not ready: one such look is enough. */
static bool is_dead(struct machine *unused)
{
    return true;
}

static const struct machine_ops ops = {.is_dead = is_dead};

static int setup(void **state)
{
    memset(&boot, 0, sizeof(boot));
    boot.stub_id[RV_ID_INDEX(7, 0)] = 0x1122; /* Cortex-A53: 40 bits */
    memset(channels, 0, sizeof(channels));
    log_fake.last[0] = '\0';
    machine =
        (struct machine){.ops = &ops, .nr_pcpus = NR_PCPUS, .boot = &boot, .channels = channels};
    return 0;
}

static void cpu_is_up(unsigned pcpu, uint64_t midr, uint64_t dfr0, uint64_t nr_lrs)
{
    channels[pcpu].event[0] = (struct rv_event){
        .seq = 1, .type = RV_EVENT_READY, .esr = midr, .ipa = dfr0, .value = nr_lrs};
}

static void all_cpus_are_up(void)
{
    for (unsigned i = 0; i < NR_PCPUS; i++)
        cpu_is_up(i, 0x410fd083, 0x10305106, 4);
    boot.stub_state = RV_STUB_READY;
}

static int wait_ready(void)
{
    struct event_base *base = event_base_new();
    int error = machine_wait_ready(&machine, base, &over);

    event_base_free(base);
    return error;
}

static void like_cpus_are_ready_whatever_their_revision(void **state)
{
    setup(state);
    all_cpus_are_up();
    cpu_is_up(2, 0x411fd080, 0x10305106, 4);
    assert_int_equal(wait_ready(), 0);
    assert_string_equal(log_fake.last, "");
}

static void cpus_that_differ_are_refused_by_number(void **state)
{
    static const struct {
        uint64_t midr, dfr0, nr_lrs;
    } others[] = {
        {0x410fd034, 0x10305106, 4}, /* another part */
        {0x4e0fd083, 0x10305106, 4}, /* another implementer */
        {0x410fd083, 0x10304106, 4}, /* fewer breakpoints */
        {0x410fd083, 0x10305106, 2}, /* fewer list registers */
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        setup(state);
        all_cpus_are_up();
        cpu_is_up(1, others[i].midr, others[i].dfr0, others[i].nr_lrs);
        assert_int_equal(wait_ready(), -EPROTO);
        assert_non_null(strstr(log_fake.last, "CPU 1 is not like CPU 0"));
    }
}

static void cpus_with_fewer_than_40_bits_of_address_are_refused(void **state)
{
    for (unsigned range = 0; range < 16; range++) {
        bool enough = range >= 2 && range <= 7; /* the others are reserved */

        setup(state);
        all_cpus_are_up();
        boot.stub_id[RV_ID_INDEX(7, 0)] = 0x1120 | range;
        assert_int_equal(wait_ready(), enough ? 0 : -EPROTO);
        assert_int_equal(strstr(log_fake.last, "bits of physical address") != NULL, !enough);
    }
}

static void cpu_that_has_not_come_up_is_waited_for(void **state)
{
    setup(state);
    all_cpus_are_up();
    channels[2].event[0].seq = 0;
    assert_int_equal(wait_ready(), -ECHILD); /* until the machine is dead, here */
}

/* A pCPU may refuse after the boot CPU has said that the stub is ready. */
static void refusal_of_a_later_cpu_is_told(void **state)
{
    setup(state);
    all_cpus_are_up();
    channels[2].event[0].seq = 0;
    boot.stub_state = RV_STUB_REFUSED;
    boot.stub_reason = RV_BOOT_NO_GICV3;
    boot.stub_detail = 2;
    assert_int_equal(wait_ready(), -EPROTO);
    assert_non_null(strstr(log_fake.last, "GICv3"));
}

static void every_reason_has_a_text(void **state)
{
    for (uint32_t reason = RV_BOOT_BAD_MAGIC; reason <= RV_BOOT_EXCEPTION; reason++) {
        setup(state);
        boot.stub_state = RV_STUB_REFUSED;
        boot.stub_reason = reason;
        assert_int_equal(wait_ready(), -EPROTO);
        assert_null(strstr(log_fake.last, "unknown reason"));
    }
    boot.stub_reason = RV_BOOT_EXCEPTION + 1;
    assert_int_equal(wait_ready(), -EPROTO);
    assert_non_null(strstr(log_fake.last, "unknown reason"));
}

/* The rings are in use by then, and their first entries are others. */
static void ready_machine_is_not_looked_at_again(void **state)
{
    setup(state);
    all_cpus_are_up();
    assert_int_equal(wait_ready(), 0);
    cpu_is_up(1, 0, 0, 0);
    assert_int_equal(wait_ready(), 0);
}

/* IHI 0069, ICC_SGI1R_EL1: Aff3 at 48, RS at 44, Aff2 at 32, INTID at 24, Aff1 at 16, list. */
static void kick_names_one_cpu(void **state)
{
    static const struct {
        uint64_t mpidr, sgi;
    } cases[] = {
        {0x80000000, 0x1},
        {0x80000003, 0x8},
        {0x8000000f, 0x8000},
        {0x80000010, 1ull << 44 | 0x1},
        {0x80000102, 0x10004},
        {0x81ff0102, 0xffull << 32 | 0x10004},
        {0x12800301f7, 0x12ull << 48 | 15ull << 44 | 3ull << 32 | 1ull << 16 | 0x80},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(rv_boot_kick(cases[i].mpidr), cases[i].sgi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kick_names_one_cpu),
        cmocka_unit_test(like_cpus_are_ready_whatever_their_revision),
        cmocka_unit_test(cpus_that_differ_are_refused_by_number),
        cmocka_unit_test(cpus_with_fewer_than_40_bits_of_address_are_refused),
        cmocka_unit_test(cpu_that_has_not_come_up_is_waited_for),
        cmocka_unit_test(refusal_of_a_later_cpu_is_told),
        cmocka_unit_test(every_reason_has_a_text),
        cmocka_unit_test(ready_machine_is_not_looked_at_again),
    };

    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
