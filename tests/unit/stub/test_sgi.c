/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SGIs between vCPUs, without a message. vCPUs 0 and 1 of VM 0 are live in cores 0 and 1, vCPU 2
 * of VM 0 rests, vCPU 3 is VM 1's and live in core 2. SGI 3 is enabled in each of them.
 */
#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"

#define SGI       3u
#define ENABLED   (LR_PENDING | LR_GROUP1 | 0x80ull << LR_PRIORITY_SHIFT)
#define IN_LR     (ENABLED | SGI)
#define SGI1R(rt) 0x623a3016ull | (rt) << 5 /* MSR ICC_SGI1R_EL1, X<rt> */
#define TO(vcpus) (SGI << 24 | (vcpus))
#define PC        0x40001000ull

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    for (uint16_t vm = 0; vm < 2; vm++)
        fake_create_vm(vm);
    for (uint16_t n = 0; n < 4; n++) {
        fake_create_vcpu(n, n / 3);
        FAKE_DIRECT(n, SGI) = ENABLED;
    }
    for (uint16_t n = 0; n < 3; n++) {
        uint16_t vcpu = n == 2 ? 3 : n;

        fake_ok(fake_use(n),
                (struct rv_command){.op = RV_COMMAND_RUN, .vcpu = vcpu, .vm = vcpu / 3});
    }
    fake_use(0);
    return 0;
}

/* The guest of core 0 writes ICC_SGI1R_EL1. True: it goes on at once. */
static bool send(uint64_t value)
{
    fake_use(0);
    REG(esr_el2) = SGI1R(5);
    REG(elr_el2) = PC;
    REG(spsr_el2) = PSTATE_EL1h;
    fake_pages[0].x[5] = value;
    return fake_run(&pcpus[0], exit_sync);
}

/* The kick, in the core that it was sent to. */
static void take_kick(unsigned core)
{
    fake_use(core);
    fake_core->irq[fake_core->nr_irqs++] = 0;
    fake_run(&pcpus[core], exit_irq);
}

static struct rv_event next_event(unsigned core)
{
    struct rv_event event = {0};

    fake_event(&pcpus[core], &event);
    return event;
}

static void running_vcpu_gets_it_without_a_message(void **state)
{
    (void)state;
    assert_true(send(TO(1u << 1)));
    assert_int_equal(REG(elr_el2), PC + 4);
    assert_int_equal(fake.core[1].kicks, 1);
    assert_int_equal(fake.core[0].kicks + fake.core[2].kicks, 0);
    take_kick(1);
    assert_int_equal(*fake_lr(0), IN_LR);
    for (unsigned core = 0; core < 3; core++)
        assert_int_equal(next_event(core).type, 0);
}

static void targets_are_those_of_the_list_and_of_the_vm(void **state)
{
    static const struct {
        const char *name;
        uint64_t value;
        uint64_t reached; /* vCPUs */
        bool all;
    } cases[] = {
        {"oneself", TO(1), 0, false},
        {"both", TO(3), 2, false},
        {"nobody", TO(0), 0, true},
        {"that_does_not_exist", TO(1u << 9), 0, true},
        {"of_another_vm", TO(1u << 3), 0, true},
        {"that_rests", TO(1u << 2), 0, false},
        {"and_one_that_rests", TO(6), 2, false},
        {"all_others", TO(0) | 1ull << 40, 2, false}, /* vCPU 2 is one of them */
        {"other_aff1", TO(2) | 1ull << 16, 0, true},
        {"other_aff2", TO(2) | 1ull << 32, 0, true},
        {"other_aff3", TO(2) | 1ull << 48, 0, true},
        {"other_range", TO(2) | 1ull << 44, 0, true},
        {"another_sgi", 4u << 24 | 2, 0, false}, /* not enabled */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rv_event event;
        uint64_t reached = 0;

        setup(state);
        if (send(cases[i].value) != cases[i].all)
            fail_msg("%s: %s", cases[i].name, cases[i].all ? "message" : "no message");
        event = next_event(0);
        assert_int_equal(event.type, cases[i].all ? 0 : RV_EVENT_SYNC);
        if (!cases[i].all && event.value != cases[i].reached)
            fail_msg("%s: reached 0x%x", cases[i].name, (unsigned)event.value);
        assert_int_equal(REG(elr_el2), cases[i].all ? PC + 4 : PC);
        reached = *fake_lr(0) == IN_LR;
        for (unsigned core = 1; core < 3; core++) {
            if (fake.core[core].kicks)
                take_kick(core);
            if (fake.core[core].reg[REG_ich_lr0_el2] == IN_LR)
                reached |= 1u << (core == 2 ? 3 : core);
        }
        if (reached != cases[i].reached)
            fail_msg("%s: 0x%x have it", cases[i].name, (unsigned)reached);
    }
}

static void xzr_sends_sgi_0_to_nobody(void **state)
{
    (void)state;
    REG(esr_el2) = SGI1R(31);
    REG(elr_el2) = PC;
    assert_true(fake_run(&pcpus[0], exit_sync));
    assert_int_equal(fake.core[0].kicks + fake.core[1].kicks + fake.core[2].kicks, 0);
    assert_int_equal(next_event(0).type, 0);
}

/* MRS, ICC_ASGI1R_EL1, ICC_SGI0R_EL1, and another class with the same syndrome. */
static void other_registers_are_the_vmms(void **state)
{
    static const uint64_t others[] = {1, 1ull << 17 ^ 1ull << 18, 1ull << 18, 1ull << 26,
                                      1ull << 1};

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        setup(state);
        fake_pages[0].x[5] = TO(2);
        REG(esr_el2) = (SGI1R(5)) ^ others[i];
        assert_false(fake_run(&pcpus[0], exit_sync));
        assert_int_equal(next_event(0).type, RV_EVENT_SYNC);
        assert_int_equal(fake.core[1].kicks, 0);
    }
}

/* gic_irq() may have acknowledged the kick anywhere: the word is what counts. */
static void sgi_is_not_lost_with_its_kick(void **state)
{
    (void)state;
    assert_true(send(TO(2)));
    fake_use(1);
    assert_true(fake_serve(&pcpus[1]));
    assert_int_equal(*fake_lr(0), IN_LR);
}

static void vcpu_that_waits_is_woken(void **state)
{
    (void)state;
    fake_use(1);
    pcpus[1].waits = true;
    assert_false(fake_serve(&pcpus[1]));
    assert_true(send(TO(2)));
    fake_use(1);
    assert_true(fake_serve(&pcpus[1]));
    assert_false(pcpus[1].waits);
}

static void vcpu_that_leaves_takes_it_along_and_accepts_no_more(void **state)
{
    (void)state;
    assert_true(send(TO(2)));
    fake_use(1);
    pcpus[1].waits = true;
    world_leave(&pcpus[1]);
    assert_int_equal(fake_pages[1].gic.irq[0], IN_LR);
    assert_int_equal(next_event(1).flags, 0); /* it does not wait any more */
    assert_false(send(TO(2)));
    assert_int_equal(next_event(0).value, 0);
    assert_int_equal(vcpus[1].sgis, 0);
    /* Elsewhere it goes on. */
    fake_ok(&pcpus[1], (struct rv_command){.op = RV_COMMAND_RUN, .vcpu = 1});
    fake_use(0);
    fake_ok(&pcpus[0], (struct rv_command){.op = RV_COMMAND_REPLY});
    assert_true(send(TO(2)));
}

static void command_to_the_vcpu_finds_it(void **state)
{
    struct rv_command retract = {.op = RV_COMMAND_RETRACT, .vcpu = 1, .arg = {SGI, 1}};
    struct rv_command save = {.op = RV_COMMAND_SAVE, .vcpu = 1, .arg = {RV_GROUP_GIC}};

    (void)state;
    assert_true(send(TO(2)));
    assert_int_equal(fake_ok(fake_use(1), retract).value, RV_LR_PENDING);
    assert_int_equal(vcpus[1].sgis & 0xffff, 0);
    assert_true(send(TO(2)));
    fake_ok(fake_use(1), save);
    assert_int_equal(fake_pages[1].gic.irq[0], IN_LR);
}

static void load_that_disables_it_keeps_what_came_before(void **state)
{
    struct rv_command load = {.op = RV_COMMAND_LOAD, .vcpu = 1, .arg = {RV_GROUP_DIRECT}};

    (void)state;
    assert_true(send(TO(2)));
    FAKE_DIRECT(1, SGI) = 0;
    fake_ok(fake_use(1), load);
    assert_int_equal(*fake_lr(0), IN_LR); /* the RETRACT that follows takes it back */
    assert_false(send(TO(2)));
}

static void sgi_that_is_active_becomes_pending_too(void **state)
{
    (void)state;
    fake.core[1].reg[REG_ich_lr0_el2] = IN_LR ^ LR_STATES;
    assert_true(send(TO(2)));
    take_kick(1);
    assert_int_equal(*fake_lr(0), IN_LR | LR_STATES);
}

static void sgi_without_a_list_register_goes_to_the_vmm(void **state)
{
    struct rv_event event;

    (void)state;
    for (unsigned n = 0; n < 4; n++)
        fake.core[1].reg[REG_ich_lr0_el2 + n] = LR_PENDING | (40 + n);
    assert_true(send(TO(2)));
    take_kick(1);
    event = next_event(1);
    assert_int_equal(event.type, RV_EVENT_REFILL);
    assert_int_equal(event.value, IN_LR);
    assert_int_equal(event.vcpu, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(running_vcpu_gets_it_without_a_message, setup),
        cmocka_unit_test_setup(targets_are_those_of_the_list_and_of_the_vm, setup),
        cmocka_unit_test_setup(xzr_sends_sgi_0_to_nobody, setup),
        cmocka_unit_test_setup(other_registers_are_the_vmms, setup),
        cmocka_unit_test_setup(sgi_is_not_lost_with_its_kick, setup),
        cmocka_unit_test_setup(vcpu_that_waits_is_woken, setup),
        cmocka_unit_test_setup(vcpu_that_leaves_takes_it_along_and_accepts_no_more, setup),
        cmocka_unit_test_setup(command_to_the_vcpu_finds_it, setup),
        cmocka_unit_test_setup(load_that_disables_it_keeps_what_came_before, setup),
        cmocka_unit_test_setup(sgi_that_is_active_becomes_pending_too, setup),
        cmocka_unit_test_setup(sgi_without_a_list_register_goes_to_the_vmm, setup),
    };

    return cmocka_run_group_tests_name("stub_sgi", tests, NULL, NULL);
}
