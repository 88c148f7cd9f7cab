/* SPDX-License-Identifier: BSD-2-Clause */
/* What the core of a VM leaves for the vmm that takes the VM over. */
#include "vmm/vm/vm_core.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/vm/vm.h"

#define VCPUS 3u

static struct vm vm;
static struct cores cores;
static struct psci_cpu cpus[VCPUS];
static _Alignas(64) uint8_t memory[4096];

int pcpu_push(struct pcpu *pcpu, const struct rv_command *command)
{
    return -EIO;
}

int pcpu_call(struct pcpu *pcpu, struct rv_command *command, uint64_t *value)
{
    return -EIO;
}

bool log_first(unsigned kind, uint64_t key)
{
    return true;
}

uint64_t vm_pvtime_offset(const struct vm *v)
{
    return 0;
}

static uint64_t now(void *opaque)
{
    return 0;
}

static const struct sched_ops sched_ops = {.now = now};

static void init(void)
{
    memset(&vm, 0, sizeof(vm));
    memset(memory, 0, sizeof(memory));
    sched_init(&cores.sched, VCPUS, 1, &sched_ops, NULL);
    vm.cores = &cores;
    vm.ram.host = memory;
    vm.exits.psci.cpus = cpus;
    vm.config = (struct vm_config){.nr_vcpus = VCPUS, .ram_size = 64u << 20, .rom_size = 4096};
    for (unsigned i = 0; i < VCPUS; i++) {
        vm.vcpus[i].number = i;
        cpus[i] = (struct psci_cpu){.state = PSCI_STATE_OFF};
    }
}

static int setup(void **state)
{
    init();
    return state_create(&vm.state) || vm_core_open(&vm);
}

static int teardown(void **state)
{
    state_close(&vm.state);
    return 0;
}

/* Another vmm, with what this one has left. */
static int open_again(void)
{
    int fd = dup(vm.state.fd);

    state_close(&vm.state);
    vm.core = NULL;
    vm.config.origin = VM_TAKEN_OVER;
    assert_int_equal(state_attach(&vm.state, fd), 0);
    return vm_core_open(&vm);
}

static void what_the_guest_asked_for_is_not_forgotten(void **state)
{
    vm.core->request = VM_POWER_OFF;
    vm.core->power_off_code = 7;
    vm.core->cntvoff = 1234;
    assert_int_equal(open_again(), 0);
    assert_int_equal(vm.core->request, VM_POWER_OFF);
    assert_int_equal(vm.core->power_off_code, 7);
    assert_int_equal(vm.core->cntvoff, 1234);
}

static void state_of_another_guest_is_refused(void **state)
{
    vm.config.nr_vcpus = 2;
    assert_int_equal(open_again(), -EINVAL);
    vm.config.nr_vcpus = VCPUS;
    vm.config.ram_size *= 2;
    assert_int_equal(open_again(), -EINVAL);
    vm.config.ram_size /= 2;
    vm.config.rom_size = 0;
    assert_int_equal(open_again(), -EINVAL);
    vm.config.rom_size = 4096;
    assert_int_equal(open_again(), 0);
    vm.core->request = VM_RESET + 1;
    assert_int_equal(open_again(), -EINVAL);
}

static void stolen_time_goes_on_from_what_the_guest_has_read(void **state)
{
    struct pvtime_region region;

    assert_int_equal(pvtime_region_init(&region, memory, sizeof(memory), VCPUS), 0);
    pvtime_account(&region, 2, 5000);
    assert_int_equal(open_again(), 0);
    vm_core_take_vcpus(&vm);
    assert_int_equal(vm.vcpus[0].stolen_ns, 0);
    assert_int_equal(vm.vcpus[2].stolen_ns, 5000);
    assert_ptr_equal(vm.vcpus[2].pvtime, &vm.pvtime);
    pvtime_account(&vm.pvtime, 2, 6000);
    assert_int_equal(pvtime_stolen_ns(&region, 2), 6000);
}

/* One that CPU_ON was about to start has its registers, and its caller was told SUCCESS. */
static void the_vcpus_that_psci_has_on_run(void **state)
{
    cpus[0].state = PSCI_STATE_ON;
    cpus[2].state = PSCI_STATE_ON_PENDING;
    vm_core_start_vcpus(&vm);
    assert_int_equal(cores.sched.vcpu[0].state, SCHED_READY);
    assert_int_equal(cores.sched.vcpu[1].state, SCHED_OFF);
    assert_int_equal(cores.sched.vcpu[2].state, SCHED_READY);
    assert_int_equal(cpus[2].state, PSCI_STATE_ON);
}

static void no_vcpu_runs_before_a_reset_that_is_due(void **state)
{
    cpus[0].state = PSCI_STATE_ON;
    vm.core->request = VM_RESET;
    vm_core_start_vcpus(&vm);
    assert_int_equal(cores.sched.vcpu[0].state, SCHED_OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_guest_asked_for_is_not_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(state_of_another_guest_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(stolen_time_goes_on_from_what_the_guest_has_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_vcpus_that_psci_has_on_run, setup, teardown),
        cmocka_unit_test_setup_teardown(no_vcpu_runs_before_a_reset_that_is_due, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
