/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_counter.h"

#include "vmm/util/clock.h"
#include "vmm/vm/vm.h"

void vm_counter_stop(struct vm *vm)
{
    if (vm->counter.stops++ == 0)
        vm->counter.since_ns = clock_now_ns();
}

/* All vCPUs, also those that are off: they read one counter. */
void vm_counter_go_on(struct vm *vm)
{
    uint64_t ns = (uint64_t)(clock_now_ns() - vm->counter.since_ns);

    if (--vm->counter.stops)
        return;
    vm->core->cntvoff += (uint64_t)((unsigned __int128)ns * vm->machine->cntfrq / CLOCK_NS_PER_S);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        vm->vcpus[i].page->timer.cntvoff = vm->core->cntvoff;
}
