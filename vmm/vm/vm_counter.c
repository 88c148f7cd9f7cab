/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_counter.h"

#include "vmm/util/clock.h"
#include "vmm/vm/vm.h"

void vm_counter_stop(struct vm *vm)
{
    if (vm->counter.stops++ == 0)
        vm->counter.since_ns = clock_now_ns();
}

static uint64_t ticks(const struct vm *vm, int64_t ns)
{
    return (uint64_t)((unsigned __int128)(uint64_t)ns * vm->machine->cntfrq / CLOCK_NS_PER_S);
}

int vm_counter_read(struct vm *vm, uint64_t *virtual_count, uint64_t *physical_count)
{
    /* Before the reading: rather a little late than before what the guest has seen. */
    int64_t stood_ns = clock_now_ns() - vm->counter.since_ns;
    int error = cores_read_counter(vm->cores, &vm->vcpus[0], physical_count);

    *virtual_count = *physical_count - vm->core->cntvoff - ticks(vm, stood_ns);
    return error;
}

int vm_counter_restore(struct vm *vm, uint64_t virtual_count, uint64_t physical_count)
{
    uint64_t now;
    int error = cores_read_counter(vm->cores, &vm->vcpus[0], &now);

    if (error)
        return error;
    vm->core->cntvoff = now - virtual_count;
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        vm->vcpus[i].page->timer.cntp_cval += now - physical_count;
    vm->counter = (struct vm_counter){.stops = 1, .since_ns = clock_now_ns()};
    return 0;
}

/* All vCPUs, also those that are off: they read one counter. */
void vm_counter_go_on(struct vm *vm)
{
    int64_t ns = clock_now_ns() - vm->counter.since_ns;

    if (--vm->counter.stops)
        return;
    vm->core->cntvoff += ticks(vm, ns);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        vm->vcpus[i].page->timer.cntvoff = vm->core->cntvoff;
}
