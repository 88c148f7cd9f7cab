/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's registers, with the stub's commands faked. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/gic.h"
#include "proto/message.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/vcpu.h"

static struct rv_vcpu_page page;
static struct machine machine = {.nr_lrs = 1};
static struct pcpu pcpu;
static struct vcpu vcpu;
static struct rv_gic live; /* what a SAVE of the GIC group brings */
static uint64_t saved, loaded;
static int call_result;

/* As the stub does: the groups that were asked for, and always the CORE group. */
int pcpu_call(struct pcpu *p, struct rv_command *command, uint64_t *value)
{
    assert_ptr_equal(p, &pcpu);
    assert_int_equal(command->op, RV_COMMAND_SAVE);
    saved |= command->arg[0];
    page.pc = 0x1111;
    page.pstate = 0x2222;
    if (command->arg[0] & RV_GROUP_GIC)
        page.gic = live;
    return call_result;
}

int pcpu_push(struct pcpu *p, const struct rv_command *command)
{
    assert_ptr_equal(p, &pcpu);
    assert_int_equal(command->op, RV_COMMAND_LOAD);
    loaded |= command->arg[0];
    return 0;
}

static int setup(void **state)
{
    memset(&page, 0xa5, sizeof(page));
    memset(&live, 0, sizeof(live));
    pcpu.machine = &machine;
    vcpu = (struct vcpu){.pcpu = &pcpu, .index = 3, .page = &page, .fetched = RV_GROUP_GPR};
    saved = loaded = 0;
    call_result = 0;
    return 0;
}

static void vcpu_restart_resets_all_but_timers_and_interrupts(void **state)
{
    struct rv_timer timer = page.timer;

    live.irq[0] = 0x1234;
    live.irq[RV_VCPU_IRQS - 1] = 0x5678;
    live.nr_irqs = 1;
    live.vmcr = live.ap0r0 = live.ap1r0 = ~0ull;
    assert_int_equal(vcpu_restart(&vcpu, 0x40001000, 0xfeedfacecafebeef), 0);
    assert_int_equal(page.pc, 0x40001000);
    assert_int_equal(page.pstate, 0x3c5);
    assert_int_equal(page.x[0], 0xfeedfacecafebeef);
    for (unsigned i = 1; i < 31; i++)
        assert_int_equal(page.x[i], 0);
    assert_int_equal(page.el1.sctlr_el1, 0x30d00980);
    assert_int_equal(page.el1.vbar_el1 | page.el1.ttbr0_el1 | page.el1.sp_el1, 0);
    assert_int_equal(page.fp.v[5] | page.fp.fpcr | page.pauth.key[9] | page.debug.mdscr, 0);
    assert_memory_equal(&page.timer.cntv_ctl, &timer.cntv_ctl, 6 * sizeof(uint64_t));
    assert_memory_equal(page.gic.irq, live.irq, sizeof(live.irq));
    assert_int_equal(page.gic.nr_irqs, 1);
    assert_int_equal(page.gic.vmcr | page.gic.ap0r0 | page.gic.ap1r0, 0);
    assert_int_equal(saved, RV_GROUP_GIC);
    assert_int_equal(vcpu_flush(&vcpu), 0);
    /* x0-x30 need no load; the timers, which go on, may not have one. */
    assert_int_equal(loaded, RV_GROUPS_ALL & ~(RV_GROUP_GPR | RV_GROUP_TIMER));
    /* Who wants the timers now has to fetch them. */
    saved = 0;
    assert_int_equal(vcpu_fetch(&vcpu, RV_GROUPS_ALL), 0);
    assert_int_equal(saved, RV_GROUP_TIMER);
}

static void vcpu_restart_fetches_interrupts_anew(void **state)
{
    vcpu.fetched |= RV_GROUP_GIC; /* a copy that an interrupt may have outdated */
    live.nr_irqs = 7;
    assert_int_equal(vcpu_restart(&vcpu, 0x40001000, 0), 0);
    assert_int_equal(saved, RV_GROUP_GIC);
    assert_int_equal(page.gic.nr_irqs, 7);
}

static void vcpu_restart_of_a_lost_machine_changes_nothing(void **state)
{
    call_result = -EIO;
    assert_int_equal(vcpu_restart(&vcpu, 0x40001000, 0), -EIO);
    assert_int_equal(vcpu.dirty, 0);
    assert_int_equal(page.el1.vbar_el1, 0xa5a5a5a5a5a5a5a5);
}

/* Interrupts that came since an earlier copy are loaded, too: the copy is made anew. */
static void vcpu_set_vmcr_changes_its_bits_and_nothing_else(void **state)
{
    struct rv_gic want;

    live.irq[0] = 0x1234;
    live.nr_irqs = 1;
    live.vmcr = 0xf84c021f;
    live.ap0r0 = 2;
    live.ap1r0 = 4;
    want = live;
    want.vmcr = 0x804c021f;
    vcpu.fetched |= RV_GROUP_GIC;
    assert_int_equal(vcpu_set_vmcr(&vcpu, 0xff000000, 0x80000000), 0);
    assert_int_equal(saved, RV_GROUP_GIC);
    assert_int_equal(loaded, RV_GROUP_GIC);
    assert_int_equal(vcpu.dirty, 0);
    assert_memory_equal(&page.gic, &want, sizeof(want));
    /* Interrupts come after it: the copy is of no use. */
    assert_false(vcpu.fetched & RV_GROUP_GIC);
}

/* The stub tells of an end once, in the SAVE: the vCPU then needs a RUN. */
static void fetch_that_finds_an_end_is_remembered(void **state)
{
    (void)state;
    for (unsigned ended = 0; ended <= 1; ended++) {
        setup(state);
        live.irq[1] = LR_ACTIVE | 40; /* it waits: there is one list register */
        live.nr_irqs = 2;
        live.hcr = (uint64_t)ended << 27; /* EOIcount */
        assert_int_equal(vcpu_fetch(&vcpu, RV_GROUP_GIC), 0);
        assert_int_equal(vcpu.renew, ended);
        assert_int_equal(page.gic.irq[1] >> 63, !ended);
    }
}

static void vcpu_set_vmcr_of_a_lost_machine_loads_nothing(void **state)
{
    call_result = -EIO;
    assert_int_equal(vcpu_set_vmcr(&vcpu, 0xff000000, 0x80000000), -EIO);
    assert_int_equal(vcpu.dirty, 0);
    assert_int_equal(loaded, 0);
}

static void vcpu_register_31_is_zero(void **state)
{
    struct rv_vcpu_page before = page;

    assert_int_equal(vcpu_get_x(&vcpu, 31), 0);
    vcpu_set_x(&vcpu, 31, 5);
    assert_memory_equal(&before, &page, sizeof(page));
    vcpu_set_x(&vcpu, 30, 5);
    assert_int_equal(vcpu_get_x(&vcpu, 30), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(vcpu_restart_resets_all_but_timers_and_interrupts, setup),
        cmocka_unit_test_setup(vcpu_restart_fetches_interrupts_anew, setup),
        cmocka_unit_test_setup(vcpu_restart_of_a_lost_machine_changes_nothing, setup),
        cmocka_unit_test_setup(vcpu_set_vmcr_changes_its_bits_and_nothing_else, setup),
        cmocka_unit_test_setup(fetch_that_finds_an_end_is_remembered, setup),
        cmocka_unit_test_setup(vcpu_set_vmcr_of_a_lost_machine_loads_nothing, setup),
        cmocka_unit_test_setup(vcpu_register_31_is_zero, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
