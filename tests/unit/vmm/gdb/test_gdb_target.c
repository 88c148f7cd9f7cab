/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM as a debugger's target: the scheduler is the real one, the pCPUs are this test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "vmm/gdb/gdb_target.h"

#define VCPUS         3u
#define RAM_IPA       0x40000000ull
#define RAM_SIZE      0x200000ull
#define NOP           0xd503201fu
#define WFI           0xd503207fu
#define BRK           0xd4200000u
#define WRITE_IGRPEN1 0xd518cce0u /* msr icc_igrpen1_el1, x0 */
#define GUEST_MDSCR   (1ull << 12)
#define MDE           (1ull << 15)
#define SS            (1ull << 0)

static struct vm vm;
static struct vm_core core;
static struct cores cores;
static struct machine machine;
static struct psci_cpu psci_cpus[VCPUS];
static struct rv_vcpu_page pages[VCPUS];
static struct gdb_target target;
static uint32_t *ram;
static struct gdb_stop last_stop;
static unsigned stops, code_writes, dirty;
static int sched_result;
static uint64_t sleeps_until; /* of the vCPU that is taken off next */

void vm_code_written(struct vm *v, ipa_t start, uint64_t size)
{
    assert_ptr_equal(v, &vm);
    assert_int_equal(size, 4);
    code_writes++;
}

/* A debugger stops the counter, and saves it nowhere. */
int cores_read_counter(struct cores *c, struct vcpu *vcpu, uint64_t *count)
{
    return -ENOTSUP;
}

int vcpu_fetch(struct vcpu *vcpu, uint32_t groups)
{
    return 0;
}

void vcpu_mark_dirty(struct vcpu *vcpu, uint32_t groups)
{
    dirty |= groups;
}

static int op_run(void *ctx, unsigned vcpu, unsigned pcpu)
{
    return 0;
}

static int op_stop(void *ctx, unsigned vcpu, uint64_t *wake_at)
{
    *wake_at = sleeps_until;
    return sched_result;
}

static void op_left(void *ctx, unsigned vcpu)
{
}

static void op_stolen(void *ctx, unsigned vcpu, uint64_t ns)
{
}

static uint64_t op_now(void *ctx)
{
    return 1000;
}

static const struct sched_ops sched_ops = {
    .run = op_run, .stop = op_stop, .left = op_left, .stolen = op_stolen, .now = op_now};

static void on_stop(void *opaque, const struct gdb_stop *stop)
{
    last_stop = *stop;
    stops++;
}

static void turn(void)
{
    assert_int_equal(sched_turn(&cores.sched), 0);
}

static enum sched_state state_of(unsigned vcpu)
{
    return cores.sched.vcpu[vcpu].state;
}

/* vCPU 0 and 1 run, vCPU 2 is off. */
static int setup(void **state)
{
    memset(&vm, 0, sizeof(vm));
    assert_int_equal(state_create(&vm.state), 0);
    memset(pages, 0, sizeof(pages));
    memset(psci_cpus, 0, sizeof(psci_cpus));
    stops = code_writes = dirty = 0;
    sched_result = 0;
    sleeps_until = 0;
    for (size_t i = 0; i < RAM_SIZE / 4; i++)
        ram[i] = NOP;
    sched_init(&cores.sched, 2, 1000, &sched_ops, NULL);
    machine.stub_id[RV_ID_INDEX(5, 0)] = 5ull << 12 | 3ull << 20;
    machine.sve = 1;
    vm.cores = &cores;
    core = (struct vm_core){0};
    vm.core = &core;
    vm.machine = &machine;
    vm.config.nr_vcpus = VCPUS;
    vm.ram = (struct guest_ram){.host = (uint8_t *)ram, .ipa = RAM_IPA, .size = RAM_SIZE};
    vm.exits.psci.cpus = psci_cpus;
    vm.exits.insn_mmio.pa_bits = 40;
    for (unsigned i = 0; i < VCPUS; i++) {
        vm.vcpus[i] = (struct vcpu){.number = i, .index = i, .vm = &vm, .page = &pages[i]};
        psci_cpus[i].state = (uint8_t)(i < 2 ? PSCI_STATE_ON : PSCI_STATE_OFF);
        pages[i].pstate = PSTATE_EL1h;
        pages[i].pc = RAM_IPA + 0x100 * i;
        pages[i].debug.mdscr = GUEST_MDSCR;
        pages[i].gic.vmcr = 0xf0000003;
        if (i < 2)
            sched_start(&cores.sched, i);
    }
    turn();
    assert_int_equal(gdb_target_init(&target, &vm, on_stop, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    gdb_target_free(&target);
    assert_null(vm.debugger);
    state_close(&vm.state);
    return 0;
}

/* This process is another one, that takes the guest over. */
static int take_over(void)
{
    state_claim(&vm.state, GDB_STATE_NAME);
    gdb_registers_free(&target.registers);
    memset(&target, 0x55, sizeof(target));
    vm.debugger = NULL;
    vm.config.origin = VM_TAKEN_OVER;
    return gdb_target_init(&target, &vm, on_stop, NULL);
}

static int resume(const struct gdb_action *actions)
{
    struct gdb_stop stop = {.vcpu = 77};
    int result = gdb_target_ops.resume(&target, actions, &stop);

    if (result > 0)
        last_stop = stop;
    turn();
    return result;
}

static int resume_all(void)
{
    const struct gdb_action actions[VCPUS] = {
        {GDB_MOVE_RUN, 0, 0}, {GDB_MOVE_RUN, 0, 0}, {GDB_MOVE_RUN, 0, 0}};

    return resume(actions);
}

static void stop(void)
{
    assert_int_equal(gdb_target_ops.stop(&target), 0);
    turn();
}

static void insert(uint64_t address)
{
    assert_int_equal(gdb_target_ops.insert(&target, 0, GDB_POINT_SOFTWARE, address, 4), 0);
}

static enum vm_debugger_answer exit_of(unsigned vcpu, unsigned ec, uint64_t pc)
{
    struct rv_event event = {.type = RV_EVENT_SYNC,
                             .esr = ESR_SET((uint64_t)ec, ESR_ELx_EC) | ESR_ELx_IL,
                             .pc = pc,
                             .pstate = PSTATE_EL1h};

    pages[vcpu].pc = pc;
    return vm.debugger->exit(vm.debugger->opaque, &vm.vcpus[vcpu], &event);
}

static void a_stop_holds_vcpus_in_every_state(void **state)
{
    sleeps_until = 5000000;
    assert_int_equal(sched_hold(&cores.sched, 1, 2), 0); /* it waits for an interrupt */
    sched_release(&cores.sched, 1, 4);
    assert_int_equal(state_of(1), SCHED_ASLEEP);
    sleeps_until = 0;
    stop();
    assert_int_equal(state_of(0), SCHED_READY);
    assert_int_equal(state_of(1), SCHED_ASLEEP);
    assert_int_equal(state_of(2), SCHED_OFF);
    sched_release(&cores.sched, 1, 2);
    sched_start(&cores.sched, 2); /* as by a reset */
    turn();
    for (unsigned i = 0; i < VCPUS; i++)
        assert_int_not_equal(state_of(i), SCHED_LIVE);
    assert_int_equal(resume_all(), 0);
    assert_int_equal(state_of(0), SCHED_LIVE);
    assert_int_equal(state_of(1), SCHED_LIVE);
}

static void a_machine_that_is_lost_is_an_error_and_the_vm_broken(void **state)
{
    sched_result = -EIO;
    assert_int_equal(gdb_target_ops.stop(&target), -EIO);
    assert_true(vm.broken);
}

static void a_guest_without_points_has_its_debug_registers(void **state)
{
    stop();
    assert_int_equal(resume_all(), 0);
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(pages[i].debug.mdscr, GUEST_MDSCR);
        assert_int_equal(pages[i].debug.mdcr, 0);
    }
    assert_null(vm.debugger->registers(vm.debugger->opaque, 0));
    assert_int_equal(exit_of(0, ESR_EC_BRK64, RAM_IPA), VM_DEBUGGER_PASS);
}

static void points_are_there_while_the_guest_runs_and_not_while_it_is_stopped(void **state)
{
    stop();
    insert(RAM_IPA + 8);
    assert_int_equal(ram[2], NOP);
    assert_int_equal(resume_all(), 0);
    assert_int_equal(ram[2], BRK);
    assert_int_equal(code_writes, 1);
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(pages[i].debug.mdcr, RV_MDCR_BITS);
        assert_int_equal(pages[i].debug.mdscr, GUEST_MDSCR | MDE);
    }
    stop();
    assert_int_equal(ram[2], NOP);
    assert_int_equal(code_writes, 2);
    for (unsigned i = 0; i < VCPUS; i++) {
        assert_int_equal(pages[i].debug.mdcr, 0);
        assert_int_equal(pages[i].debug.mdscr, GUEST_MDSCR);
    }
}

static void a_breakpoint_stops_all_and_tells_who_hit_it(void **state)
{
    stop();
    insert(RAM_IPA + 8);
    assert_int_equal(resume_all(), 0);
    assert_int_equal(exit_of(1, ESR_EC_BRK64, RAM_IPA + 8), VM_DEBUGGER_HELD);
    assert_int_equal(stops, 1);
    assert_int_equal(last_stop.vcpu, 1);
    assert_non_null(last_stop.point);
    turn();
    assert_int_not_equal(state_of(0), SCHED_LIVE);
    assert_int_not_equal(state_of(1), SCHED_LIVE);
    assert_int_equal(ram[2], NOP);
}

static void a_brk_of_the_guests_own_is_passed_to_it(void **state)
{
    stop();
    insert(RAM_IPA + 8);
    assert_int_equal(resume_all(), 0);
    assert_int_equal(exit_of(1, ESR_EC_BRK64, RAM_IPA + 12), VM_DEBUGGER_PASS);
    assert_int_equal(exit_of(1, ESR_EC_WP_LOWER, RAM_IPA + 12), VM_DEBUGGER_PASS);
    assert_int_equal(exit_of(1, ESR_EC_BP_LOWER, RAM_IPA + 8), VM_DEBUGGER_PASS);
    assert_int_equal(stops, 0);
    assert_int_equal(state_of(1), SCHED_LIVE);
}

static void a_step_moves_one_vcpu_without_interrupts_and_then_gives_all_back(void **state)
{
    const struct gdb_action step[VCPUS] = {[1] = {GDB_MOVE_STEP, 0, 0}};

    stop();
    assert_int_equal(resume(step), 0);
    assert_int_equal(state_of(1), SCHED_LIVE);
    assert_int_equal(state_of(0), SCHED_READY);
    assert_int_equal(pages[1].pstate, PSTATE_EL1h | PSTATE_SS);
    assert_int_equal(pages[1].debug.mdscr & SS, SS);
    assert_int_equal(pages[1].gic.vmcr, 0xf0000000);
    assert_int_equal(pages[0].debug.mdcr, 0);
    assert_int_equal(exit_of(1, ESR_EC_STEP_LOWER, RAM_IPA + 0x104), VM_DEBUGGER_HELD);
    assert_int_equal(stops, 1);
    assert_int_equal(last_stop.vcpu, 1);
    assert_null(last_stop.point);
    assert_int_equal(pages[1].pstate, PSTATE_EL1h);
    assert_int_equal(pages[1].debug.mdscr, GUEST_MDSCR);
    assert_int_equal(pages[1].gic.vmcr, 0xf0000003);
}

static void a_step_of_the_interrupt_enable_itself_leaves_it(void **state)
{
    const struct gdb_action step[VCPUS] = {[1] = {GDB_MOVE_STEP, 0, 0}};

    ram[0x100 / 4] = WRITE_IGRPEN1;
    stop();
    assert_int_equal(resume(step), 0);
    assert_int_equal(pages[1].gic.vmcr, 0xf0000003);
    pages[1].gic.vmcr = 0xf0000001; /* what it does */
    stop();
    assert_int_equal(pages[1].gic.vmcr, 0xf0000001);
}

static void steps_in_a_range_end_where_the_pc_leaves_it(void **state)
{
    const struct gdb_action step[VCPUS] = {[0] = {GDB_MOVE_STEP, RAM_IPA, RAM_IPA + 12}};

    stop();
    assert_int_equal(resume(step), 0);
    pages[0].pstate = PSTATE_EL1h;
    assert_int_equal(exit_of(0, ESR_EC_STEP_LOWER, RAM_IPA + 4), VM_DEBUGGER_RESUME);
    assert_int_equal(pages[0].pstate, PSTATE_EL1h | PSTATE_SS);
    assert_int_equal(dirty, RV_GROUP_CORE);
    assert_int_equal(exit_of(0, ESR_EC_STEP_LOWER, RAM_IPA + 12), VM_DEBUGGER_HELD);
    assert_int_equal(stops, 1);
}

static void a_step_over_wfi_does_not_wait(void **state)
{
    const struct gdb_action step[VCPUS] = {[1] = {GDB_MOVE_STEP, 0, 0}};

    ram[0x100 / 4] = WFI;
    stop();
    assert_int_equal(resume(step), 1);
    assert_int_equal(last_stop.vcpu, 1);
    assert_int_equal(pages[1].pc, RAM_IPA + 0x104);
    assert_int_not_equal(state_of(1), SCHED_LIVE);
    assert_int_equal(resume(step), 0);
    assert_int_equal(state_of(1), SCHED_LIVE);
}

static void the_guests_accesses_to_debug_registers_mean_its_copy(void **state)
{
    struct rv_debug *guest;

    stop();
    insert(RAM_IPA);
    assert_int_equal(resume_all(), 0);
    guest = vm.debugger->registers(vm.debugger->opaque, 0);
    assert_int_equal(guest->mdscr, GUEST_MDSCR);
    guest->mdscr = MDE;
    guest->bvr[0] = 0x400000;
    guest->bcr[0] = 0xf << 5 | 2 << 1 | 1;
    vm.debugger->registers_written(vm.debugger->opaque, 0);
    assert_int_equal(dirty, RV_GROUP_DEBUG);
    assert_int_equal(pages[0].debug.bvr[0], 0x400000);
    assert_int_equal(pages[0].debug.mdcr, RV_MDCR_BITS);
    stop();
    assert_int_equal(pages[0].debug.bcr[0], 0xf << 5 | 2 << 1 | 1);
    assert_int_equal(pages[0].debug.mdscr, MDE);
}

static void detach_leaves_nothing_behind(void **state)
{
    struct rv_vcpu_page before[VCPUS];

    stop();
    memcpy(before, pages, sizeof(pages));
    insert(RAM_IPA + 8);
    assert_int_equal(gdb_target_ops.insert(&target, 0, GDB_POINT_WRITE, 0x1000, 8), 0);
    assert_int_equal(resume_all(), 0);
    gdb_target_ops.detach(&target);
    turn();
    assert_int_equal(ram[2], NOP);
    assert_memory_equal(before, pages, sizeof(pages));
    assert_int_equal(state_of(0), SCHED_LIVE);
    assert_int_equal(state_of(1), SCHED_LIVE);
    assert_int_equal(target.state->points.count, 0);
}

/* Killed while the guest runs, with points of all kinds and a step. */
static void another_process_makes_the_guest_its_own_again(void **state)
{
    const struct gdb_action actions[VCPUS] = {{GDB_MOVE_RUN, 0, 0}, {GDB_MOVE_STEP, 0, 0}};
    struct rv_vcpu_page before[VCPUS];

    stop();
    memcpy(before, pages, sizeof(pages));
    insert(RAM_IPA + 8);
    assert_int_equal(gdb_target_ops.insert(&target, 0, GDB_POINT_WRITE, 0x1000, 8), 0);
    assert_int_equal(resume(actions), 0);
    assert_int_equal(ram[2], BRK);
    assert_int_equal(take_over(), 0);
    assert_int_equal(ram[2], NOP);
    assert_memory_equal(before, pages, sizeof(pages));
    assert_null(vm.debugger->registers(vm.debugger->opaque, 0));
    assert_int_equal(exit_of(0, ESR_EC_BRK64, RAM_IPA + 8), VM_DEBUGGER_PASS);
    stop(); /* and it can be debugged */
    insert(RAM_IPA + 8);
    assert_int_equal(resume_all(), 0);
    assert_int_equal(ram[2], BRK);
}

/* Killed just before a point is in memory: another word is not taken for it. */
static void another_process_leaves_what_is_no_breakpoint(void **state)
{
    stop();
    insert(RAM_IPA + 8);
    assert_int_equal(resume_all(), 0);
    ram[2] = WFI;
    assert_int_equal(take_over(), 0);
    assert_int_equal(ram[2], WFI);
}

static void damaged_points_of_another_process_are_refused(void **state)
{
    static const struct {
        uint64_t where;
        unsigned count;
    } cases[] = {{RAM_IPA - 4, 1}, {RAM_IPA + RAM_SIZE, 1}, {RAM_IPA + 2, 1}, {RAM_IPA, 257}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        teardown(NULL);
        setup(NULL);
        stop();
        insert(RAM_IPA + 8);
        assert_int_equal(resume_all(), 0);
        target.state->points.points[0].where = ipa(cases[i].where);
        target.state->points.count = cases[i].count;
        assert_int_equal(take_over(), -EINVAL);
    }
    teardown(NULL);
    setup(NULL);
}

/* As vm_reset() does it. */
static void reset_guest(void)
{
    for (unsigned i = 0; i < VCPUS; i++)
        assert_int_equal(sched_stop(&cores.sched, i), 0);
    vm.debugger->reset_begins(vm.debugger->opaque);
    assert_int_equal(ram[2], NOP);
    for (unsigned i = 0; i < VCPUS; i++) {
        memset(&pages[i], 0, sizeof(pages[i]));
        psci_cpus[i].state = (uint8_t)(i ? PSCI_STATE_OFF : PSCI_STATE_ON);
    }
    ram[2] = WFI; /* another image is loaded there */
    vm.debugger->reset_ends(vm.debugger->opaque);
    sched_start(&cores.sched, 0);
    turn();
}

static void points_survive_a_reset_and_are_out_of_memory_during_it(void **state)
{
    stop();
    insert(RAM_IPA + 8);
    assert_int_equal(resume_all(), 0);
    reset_guest();
    assert_int_equal(ram[2], BRK);
    assert_int_equal(state_of(0), SCHED_LIVE);
    assert_int_equal(pages[0].debug.mdcr, RV_MDCR_BITS);
    assert_int_equal(stops, 0);
    stop();
    assert_int_equal(ram[2], WFI);
}

static void a_reset_while_stopped_waits_for_the_debugger(void **state)
{
    stop();
    insert(RAM_IPA + 8);
    reset_guest();
    assert_int_equal(ram[2], WFI);
    assert_int_equal(state_of(0), SCHED_READY);
    assert_int_equal(resume_all(), 0);
    assert_int_equal(ram[2], BRK);
    assert_int_equal(state_of(0), SCHED_LIVE);
}

static void a_reset_in_a_step_stops_at_the_first_instruction(void **state)
{
    const struct gdb_action step[VCPUS] = {[1] = {GDB_MOVE_STEP, 0, 0}};

    stop();
    assert_int_equal(resume(step), 0);
    reset_guest();
    assert_int_equal(stops, 1);
    assert_int_equal(last_stop.vcpu, 0);
    assert_int_not_equal(state_of(0), SCHED_LIVE);
}

static void a_reset_without_a_debugger_is_none_of_ours(void **state)
{
    reset_guest();
    assert_int_equal(state_of(0), SCHED_LIVE);
    assert_int_equal(pages[0].debug.mdcr, 0);
    assert_int_equal(code_writes, 0);
}

static void a_vcpu_that_is_started_has_the_points_too(void **state)
{
    stop();
    insert(RAM_IPA + 8);
    assert_int_equal(resume_all(), 0);
    memset(&pages[2], 0, sizeof(pages[2]));
    vm.debugger->vcpu_reset(vm.debugger->opaque, 2);
    assert_int_equal(pages[2].debug.mdcr, RV_MDCR_BITS);
    stop();
    assert_int_equal(pages[2].debug.mdcr, 0);
}

static void a_vcpu_that_goes_off_in_a_step_stops_the_target(void **state)
{
    const struct gdb_action step[VCPUS] = {[1] = {GDB_MOVE_STEP, 0, 0}};

    stop();
    assert_int_equal(resume(step), 0);
    assert_int_equal(sched_stop(&cores.sched, 1), 0);
    psci_cpus[1].state = PSCI_STATE_OFF;
    vm.debugger->vcpu_off(vm.debugger->opaque, 1);
    assert_int_equal(stops, 1);
    assert_int_equal(last_stop.vcpu, 0);
}

static void a_vcpu_that_goes_off_while_others_run_is_no_stop(void **state)
{
    stop();
    assert_int_equal(resume_all(), 0);
    psci_cpus[1].state = PSCI_STATE_OFF;
    vm.debugger->vcpu_off(vm.debugger->opaque, 1);
    assert_int_equal(stops, 0);
}

static void a_reset_is_asked_for_unless_it_would_end_the_guest(void **state)
{
    assert_int_equal(gdb_target_ops.reset(&target), 0);
    assert_int_equal(core.request, VM_RESET);
    core.request = VM_POWER_OFF;
    assert_int_equal(gdb_target_ops.reset(&target), 0);
    assert_int_equal(core.request, VM_POWER_OFF);
    core.request = VM_RUN_ON;
    vm.config.no_reboot = true;
    assert_int_equal(gdb_target_ops.reset(&target), -EPERM);
    assert_int_equal(core.request, VM_RUN_ON);
}

static int group_setup(void **state)
{
    ram = malloc(RAM_SIZE);
    return ram ? 0 : -1;
}

static int group_teardown(void **state)
{
    free(ram);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_stop_holds_vcpus_in_every_state),
        CASE(a_machine_that_is_lost_is_an_error_and_the_vm_broken),
        CASE(a_guest_without_points_has_its_debug_registers),
        CASE(points_are_there_while_the_guest_runs_and_not_while_it_is_stopped),
        CASE(a_breakpoint_stops_all_and_tells_who_hit_it),
        CASE(a_brk_of_the_guests_own_is_passed_to_it),
        CASE(a_step_moves_one_vcpu_without_interrupts_and_then_gives_all_back),
        CASE(a_step_of_the_interrupt_enable_itself_leaves_it),
        CASE(steps_in_a_range_end_where_the_pc_leaves_it),
        CASE(a_step_over_wfi_does_not_wait),
        CASE(the_guests_accesses_to_debug_registers_mean_its_copy),
        CASE(detach_leaves_nothing_behind),
        CASE(another_process_makes_the_guest_its_own_again),
        CASE(another_process_leaves_what_is_no_breakpoint),
        CASE(damaged_points_of_another_process_are_refused),
        CASE(points_survive_a_reset_and_are_out_of_memory_during_it),
        CASE(a_reset_while_stopped_waits_for_the_debugger),
        CASE(a_reset_in_a_step_stops_at_the_first_instruction),
        CASE(a_reset_without_a_debugger_is_none_of_ours),
        CASE(a_vcpu_that_is_started_has_the_points_too),
        CASE(a_vcpu_that_goes_off_in_a_step_stops_the_target),
        CASE(a_vcpu_that_goes_off_while_others_run_is_no_stop),
        CASE(a_reset_is_asked_for_unless_it_would_end_the_guest),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
