/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM that is paused, and what it is when it goes on. */
#include "vmm/vm/vm_pause.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/vm/vm.h"
#include "vmm/vm/vm_counter.h"
#include "vmm/vm/vm_devices.h"
#include "vmm/vm/vm_leave.h"

#define FREQUENCY 1000000u /* of the counter */
#define VCPUS     3u

static struct vm vm;
static struct vm_core core;
static struct cores cores;
static struct machine machine;
static struct rv_vcpu_page pages[VCPUS];
static bool quiet, running, clock_stopped;
static unsigned quiesced;
static int stop_result;

/* The scheduler is the real one; this is the machine below it. */
static int run(void *opaque, unsigned vcpu, unsigned pcpu)
{
    return 0;
}

static int stop(void *opaque, unsigned vcpu, uint64_t *wake_at)
{
    *wake_at = vcpu == 1 ? SCHED_NEVER : 0; /* vCPU 1 waits for an interrupt */
    return stop_result;
}

static void left(void *opaque, unsigned vcpu)
{
}

static void stolen(void *opaque, unsigned vcpu, uint64_t ns)
{
}

static uint64_t now(void *opaque)
{
    return 0;
}

static const struct sched_ops sched_ops = {
    .run = run, .stop = stop, .left = left, .stolen = stolen, .now = now};

static uint64_t physical; /* the counter of the CPU */

int cores_read_counter(struct cores *c, struct vcpu *vcpu, uint64_t *count)
{
    *count = physical;
    return 0;
}

/* vCPUs 0 and 2 are on. */
void vm_core_start_vcpus(struct vm *v)
{
    sched_start(&v->cores->sched, 0);
    sched_start(&v->cores->sched, 2);
}

int vm_devices_quiesce(struct vm *v)
{
    quiesced++;
    running = false;
    return 0;
}

bool vm_devices_are_quiet(struct vm *v)
{
    return quiet;
}

void vm_devices_resume(struct vm *v)
{
    assert_false(clock_stopped); /* they look at it */
    running = true;
}

void vm_clock_stop(struct vm_clock *clock)
{
    assert_false(clock_stopped);
    clock_stopped = true;
}

void vm_clock_go_on(struct vm_clock *clock)
{
    clock_stopped = false;
}

/* vCPU 0 runs, vCPU 1 waits for an interrupt, vCPU 2 is off. */
static int setup(void **state)
{
    memset(&vm, 0, sizeof(vm));
    memset(pages, 0, sizeof(pages));
    vm.cores = &cores;
    core = (struct vm_core){0};
    vm.core = &core;
    vm.machine = &machine;
    vm.config.nr_vcpus = VCPUS;
    machine.cntfrq = FREQUENCY;
    for (unsigned i = 0; i < VCPUS; i++) {
        vm.vcpus[i].number = i;
        vm.vcpus[i].page = &pages[i];
    }
    stop_result = 0;
    sched_init(&cores.sched, VCPUS, 1000, &sched_ops, NULL);
    sched_start(&cores.sched, 0);
    sched_start(&cores.sched, 1);
    sched_turn(&cores.sched);
    quiet = running = true;
    clock_stopped = false;
    quiesced = 0;
    return 0;
}

/* After the scheduler has done what it can. */
static void states_are(enum sched_state a, enum sched_state b, enum sched_state c)
{
    sched_turn(&cores.sched);
    assert_int_equal(cores.sched.vcpu[0].state, a);
    assert_int_equal(cores.sched.vcpu[1].state, b);
    assert_int_equal(cores.sched.vcpu[2].state, c);
}

static void vcpus_that_were_on_go_on_and_the_others_stay_off(void **state)
{
    states_are(SCHED_LIVE, SCHED_LIVE, SCHED_OFF);
    assert_int_equal(vm_pause(&vm), 0);
    states_are(SCHED_READY, SCHED_ASLEEP, SCHED_OFF);
    assert_true(vm_is_pausing(&vm));
    assert_true(vm_is_paused(&vm));
    assert_int_equal(vm_pause(&vm), 0); /* again: nothing is forgotten */
    assert_int_equal(quiesced, 1);
    sched_wake(&cores.sched, 1); /* an interrupt comes */
    states_are(SCHED_READY, SCHED_READY, SCHED_OFF);
    vm_resume(&vm);
    states_are(SCHED_LIVE, SCHED_LIVE, SCHED_OFF);
    assert_true(running);
    assert_false(vm_is_pausing(&vm));
}

static void vm_is_paused_when_its_devices_are_quiet(void **state)
{
    quiet = false;
    vm_pause(&vm);
    assert_false(vm_is_paused(&vm));
    assert_false(clock_stopped); /* what is in flight may need it */
    quiet = true;
    assert_true(vm_is_paused(&vm));
    assert_true(clock_stopped);
    assert_true(vm_is_paused(&vm));
}

static void virtual_counter_goes_on_where_it_stopped(void **state)
{
    uint64_t first;

    vm_pause(&vm);
    usleep(20000);
    assert_true(vm_is_paused(&vm));
    vm_resume(&vm);
    first = core.cntvoff;
    assert_in_range(first, 20000, 2000000); /* ticks */
    for (unsigned i = 0; i < VCPUS; i++)
        assert_int_equal(pages[i].timer.cntvoff, first); /* they read one counter */
    vm_pause(&vm);
    usleep(20000);
    vm_is_paused(&vm);
    vm_resume(&vm);
    assert_true(core.cntvoff >= first + 20000); /* in all */
}

static void guest_that_is_left_stands_still_and_its_time_goes_on(void **state)
{
    quiet = false;
    assert_int_equal(vm_leave(&vm), 0);
    states_are(SCHED_READY, SCHED_ASLEEP, SCHED_OFF);
    assert_false(vm_has_left(&vm));
    assert_false(running);
    quiet = true;
    assert_true(vm_has_left(&vm));
    assert_false(clock_stopped);
    assert_int_equal(vm.counter.stops, 0);
    assert_int_equal(core.paused, 0); /* the next vmm does not pause it */
    vm_stay(&vm);
    states_are(SCHED_LIVE, SCHED_LIVE, SCHED_OFF);
    assert_true(running);
}

static void guest_is_not_left_within_a_reset_or_a_snapshot(void **state)
{
    vm_leave(&vm);
    vm.resetting = true;
    assert_false(vm_has_left(&vm));
    vm.resetting = false;
    vm.pause.kept = true;
    assert_false(vm_has_left(&vm));
    vm.pause.kept = false;
    core.request = VM_RESET;
    assert_false(vm_has_left(&vm));
    core.request = VM_RUN_ON;
    assert_true(vm_has_left(&vm));
}

static void guest_that_is_paused_stays_so_when_it_is_not_left(void **state)
{
    vm_stay(&vm); /* without a vm_leave(): nothing */
    vm_pause(&vm);
    vm_leave(&vm);
    assert_true(vm_has_left(&vm));
    vm_stay(&vm);
    states_are(SCHED_READY, SCHED_ASLEEP, SCHED_OFF);
    assert_false(running);
    vm_is_paused(&vm);
    vm_resume(&vm);
    states_are(SCHED_LIVE, SCHED_LIVE, SCHED_OFF);
}

/* A debugger's stop and a pause overlap: what both cover counts once. */
static void counter_stands_until_the_last_of_two_lets_it_go_on(void **state)
{
    vm_counter_stop(&vm);
    vm_pause(&vm);
    usleep(20000);
    vm_counter_go_on(&vm);
    assert_int_equal(core.cntvoff, 0);
    usleep(20000);
    vm_is_paused(&vm);
    vm_resume(&vm);
    assert_in_range(core.cntvoff, 40000, 2000000);
    assert_int_equal(pages[0].timer.cntvoff, core.cntvoff);
}

static void counters_of_a_vm_that_stands_are_read_and_restored(void **state)
{
    uint64_t saved, saved_physical;

    physical = 5000000;
    core.cntvoff = 1000000;
    vm_pause(&vm);
    usleep(20000); /* 20000 ticks, which the guest does not see */
    assert_int_equal(vm_counter_read(&vm, &saved, &saved_physical), 0);
    assert_int_equal(saved_physical, 5000000);
    assert_in_range(saved, 3000000, 3980000); /* where it stopped */

    /* Another machine, whose counter began anew. */
    physical = 70;
    pages[1].timer.cntp_cval = 5000123; /* 123 ticks were left */
    assert_int_equal(vm_counter_restore(&vm, saved, saved_physical), 0);
    assert_int_equal(pages[1].timer.cntp_cval, 193);
    usleep(20000);
    vm_counter_go_on(&vm);
    /* The counter is 20000 ticks further there, at least, and the guest's where it was saved. */
    assert_in_range(70 + 20000 - pages[0].timer.cntvoff, saved - 2000000, saved);
}

static void restored_vm_stands_until_it_is_resumed(void **state)
{
    for (unsigned i = 0; i < VCPUS; i++)
        sched_stop(&cores.sched, i);
    running = false;
    vm.counter.stops = 1;
    vm_pause_restored(&vm);
    assert_true(vm_is_pausing(&vm) && vm_is_paused(&vm));
    sched_turn(&cores.sched);
    states_are(SCHED_READY, SCHED_OFF, SCHED_READY);
    vm_resume(&vm);
    states_are(SCHED_LIVE, SCHED_OFF, SCHED_LIVE);
    assert_true(running);
}

static void reset_of_a_paused_vm_begins_when_it_is_resumed(void **state)
{
    vm_pause(&vm);
    vm.resetting = true;
    assert_false(vm_is_paused(&vm));
    vm.resetting = false;
    for (unsigned i = 0; i < VCPUS; i++)
        sched_stop(&cores.sched, i);
    vm_pause_begin(&vm);
    states_are(SCHED_READY, SCHED_OFF, SCHED_OFF);
    assert_false(running);
    vm_resume(&vm);
    states_are(SCHED_LIVE, SCHED_OFF, SCHED_OFF);
    assert_true(running);
}

static void debugger_that_holds_a_vcpu_keeps_it_over_a_pause(void **state)
{
    sched_hold(&cores.sched, 0, SCHED_HOLD_DEBUGGER);
    vm_pause(&vm);
    assert_true(vm_is_paused(&vm));
    vm_resume(&vm);
    states_are(SCHED_READY, SCHED_LIVE, SCHED_OFF);
    vm_pause(&vm);
    sched_release(&cores.sched, 0, SCHED_HOLD_DEBUGGER);
    states_are(SCHED_READY, SCHED_ASLEEP, SCHED_OFF);
}

static void reset_of_a_vm_that_runs_begins_at_once(void **state)
{
    running = false;
    sched_stop(&cores.sched, 0);
    sched_stop(&cores.sched, 1);
    vm_pause_begin(&vm);
    states_are(SCHED_LIVE, SCHED_OFF, SCHED_OFF);
    assert_true(running);
}

static void machine_that_is_lost_is_said(void **state)
{
    stop_result = -EIO;
    assert_int_equal(vm_pause(&vm), -EIO);
    assert_true(vm.broken);
    assert_int_equal(quiesced, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vcpus_that_were_on_go_on_and_the_others_stay_off),
        TEST(vm_is_paused_when_its_devices_are_quiet),
        TEST(virtual_counter_goes_on_where_it_stopped),
        TEST(counter_stands_until_the_last_of_two_lets_it_go_on),
        TEST(reset_of_a_paused_vm_begins_when_it_is_resumed),
        TEST(counters_of_a_vm_that_stands_are_read_and_restored),
        TEST(restored_vm_stands_until_it_is_resumed),
        TEST(debugger_that_holds_a_vcpu_keeps_it_over_a_pause),
        TEST(reset_of_a_vm_that_runs_begins_at_once),
        TEST(machine_that_is_lost_is_said),
        TEST(guest_that_is_left_stands_still_and_its_time_goes_on),
        TEST(guest_is_not_left_within_a_reset_or_a_snapshot),
        TEST(guest_that_is_paused_stays_so_when_it_is_not_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
