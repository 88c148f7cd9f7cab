/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of a CPU interface between the vgic and the stub, both faked. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/message.h"
#include "vmm/gic/page_irqs.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_irq.h"

static struct vm vm;
static struct machine machine = {.nr_lrs = 4};
static struct cores cores = {.machine = &machine};
static struct pcpu pcpu;
static struct rv_vcpu_page page;
static struct rv_gic live; /* in the core */
static char steps[16];     /* what was done: a letter for each */
static int call_result;

static void note(char what)
{
    assert_true(strlen(steps) < sizeof(steps) - 1);
    steps[strlen(steps)] = what;
}

void vgic_cpu_restart_begin(struct vgic *vgic, unsigned index)
{
    assert_ptr_equal(vgic, &vm.vgic);
    assert_int_equal(index, 1);
    note('b');
}

void vgic_cpu_restart_end(struct vgic *vgic, unsigned index)
{
    assert_ptr_equal(vgic, &vm.vgic);
    assert_int_equal(index, 1);
    note('e');
}

int pcpu_call(struct pcpu *p, struct rv_command *command, uint64_t *value)
{
    assert_ptr_equal(p, &pcpu);
    assert_int_equal(command->vcpu, 7);
    if (command->op == RV_COMMAND_RETRACT) {
        note('t');
        *value = 0;
        return call_result;
    }
    assert_int_equal(command->op, RV_COMMAND_SAVE);
    assert_int_equal(command->arg[0], RV_GROUP_GIC);
    note('s');
    page.gic = live;
    return call_result;
}

int pcpu_push(struct pcpu *p, const struct rv_command *command)
{
    assert_ptr_equal(p, &pcpu);
    assert_int_equal(command->vcpu, 7);
    if (command->op == RV_COMMAND_INJECT) {
        note('i');
        return 0;
    }
    assert_int_equal(command->op, RV_COMMAND_LOAD);
    assert_int_equal(command->arg[0], RV_GROUP_GIC);
    note('l');
    live = page.gic;
    return 0;
}

int cores_call(struct cores *cores, struct rv_command *command, uint64_t *value)
{
    fail();
    return -EIO;
}

void sched_wake(struct sched *sched, unsigned vcpu)
{
    assert_int_equal(vcpu, 7);
    note('w');
}

void sched_renew(struct sched *sched, unsigned vcpu)
{
    assert_int_equal(vcpu, 7);
    note('r');
}

uint64_t vgic_sgi(struct vgic *vgic, unsigned source, enum vgic_sgi_reg which, uint64_t value,
                  uint64_t except)
{
    fail();
    return 0;
}

bool vgic_entry_flags(struct vgic *vgic, unsigned vcpu, unsigned intid, uint32_t *flags)
{
    *flags = 0x80 | RV_IRQ_GROUP1;
    return intid != 27;
}

uint32_t pcpu_next_tag(const struct pcpu *p)
{
    return 1234;
}

void vgic_dir(struct vgic *vgic, unsigned vcpu, uint32_t intid)
{
    fail();
}

static int setup(void **state)
{
    memset(steps, 0, sizeof(steps));
    call_result = 0;
    live =
        (struct rv_gic){.irq = {0x1234}, .nr_irqs = 4, .vmcr = 0xf84c021f, .ap0r0 = 2, .ap1r0 = 4};
    pcpu.machine = &machine;
    vm.cores = &cores;
    vm.vcpus[1] = (struct vcpu){
        .pcpu = &pcpu, .number = 7, .index = 1, .page = &page, .fetched = RV_GROUP_GPR};
    return 0;
}

/* No direct interrupt comes between the save and the load, which would take it away again. */
static void vmcr_changes_while_direct_interrupts_wait(void **state)
{
    struct rv_gic want = live;

    want.vmcr = 0x804c021f;
    assert_int_equal(vm_irq_set_vmcr(&vm, 1, 0xff000000, 0x80000000), 0);
    assert_string_equal(steps, "bsle");
    assert_memory_equal(&live, &want, sizeof(want));
    assert_int_equal(vm.vcpus[1].dirty, 0);
}

static void vmcr_of_a_lost_machine_is_not_loaded(void **state)
{
    call_result = -EIO;
    assert_int_equal(vm_irq_set_vmcr(&vm, 1, 0xff000000, 0x80000000), -EIO);
    assert_string_equal(steps, "bs");
}

/* A read takes nothing from the core, and so loads nothing. */
static void cpu_interface_is_read_by_a_save_alone(void **state)
{
    struct rv_gic got;

    assert_int_equal(vm_irq_ops.save(&vm, 1, &got), 0);
    assert_string_equal(steps, "s");
    assert_memory_equal(&got, &live, sizeof(got));
}

/* What waits for a list register is in the page: it changes there, and is not sent. */
static void interrupt_that_waits_is_not_sent_to_the_stub(void **state)
{
    page.gic = (struct rv_gic){.irq = {[0] = LR_PENDING | 40, [4] = LR_ACTIVE | 41}, .nr_irqs = 5};
    assert_int_equal(vm_irq_ops.inject(&vm, 1, 41, RV_IRQ_PENDING | 8), 0);
    assert_string_equal(steps, "w");
    assert_int_equal(page.gic.irq[4], LR_STATES | 8ull << LR_PRIORITY_SHIFT | 41);
    /* What the page says of list registers is old. */
    assert_int_equal(vm_irq_ops.inject(&vm, 1, 40, RV_IRQ_PENDING | 8), 0);
    assert_string_equal(steps, "wiw");
}

static void interrupt_that_waits_is_taken_back_from_the_page(void **state)
{
    page.gic = (struct rv_gic){.irq = {[4] = LR_STATES | 41}, .nr_irqs = 5};
    assert_int_equal(vm_irq_ops.retract(&vm, 1, 41, RV_LR_PENDING), RV_LR_PENDING | RV_LR_ACTIVE);
    assert_string_equal(steps, "tr"); /* the stub first: what it reports before is in the page */
    assert_int_equal(page.gic.irq[4], LR_ACTIVE | 41);
    assert_int_equal(vm_irq_ops.retract(&vm, 1, 40, RV_LR_PENDING), 0);
    assert_string_equal(steps, "trt");
}

/* An exit may have to be done again: then the vCPU has the interrupt again. */
static void what_is_taken_from_the_stub_is_noted_before(void **state)
{
    const struct undo_log *log = &cores.undo.own;

    undo_init(&cores.undo);
    undo_begin(&cores.undo, 0, 1);
    assert_int_equal(vm_irq_ops.retract(&vm, 1, 40, RV_LR_PENDING), 0);
    assert_int_equal(vm_irq_ops.retract(&vm, 1, 27, RV_LR_PENDING), 0); /* direct */
    undo_end(&cores.undo);
    assert_int_equal(vm_irq_ops.retract(&vm, 1, 42, RV_LR_PENDING), 0);
    assert_int_equal(log->nr_retracts, 1);
    assert_int_equal(log->retracts[0].vcpu, 7);
    assert_int_equal(log->retracts[0].tag, 1234);
    assert_int_equal(log->retracts[0].lr,
                     LR_PENDING | LR_GROUP1 | 0x80ull << LR_PRIORITY_SHIFT | 40);
}

/* What the guest sees as active must not be one that it has just ended. */
static void end_of_an_interrupt_that_waits_is_seen_by_a_save(void **state)
{
    struct rv_gic got;

    live.irq[4] = LR_ACTIVE | 41;
    live.nr_irqs = 5;
    live.vmcr = 0;
    live.hcr = 1ull << 27; /* EOIcount */
    assert_int_equal(vm_irq_ops.save(&vm, 1, &got), 0);
    assert_int_equal(got.irq[4] & LR_STATES, 0);
    assert_string_equal(steps, "sr"); /* nobody else tells of this end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(vmcr_changes_while_direct_interrupts_wait, setup),
        cmocka_unit_test_setup(vmcr_of_a_lost_machine_is_not_loaded, setup),
        cmocka_unit_test_setup(cpu_interface_is_read_by_a_save_alone, setup),
        cmocka_unit_test_setup(interrupt_that_waits_is_not_sent_to_the_stub, setup),
        cmocka_unit_test_setup(interrupt_that_waits_is_taken_back_from_the_page, setup),
        cmocka_unit_test_setup(what_is_taken_from_the_stub_is_noted_before, setup),
        cmocka_unit_test_setup(end_of_an_interrupt_that_waits_is_seen_by_a_save, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
