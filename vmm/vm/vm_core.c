/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_core.h"

#include <errno.h>
#include <inttypes.h>

#include "vmm/board/board.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

#define VM_CORE_VERSION 1u

int vm_core_open(struct vm *vm)
{
    const struct vm_config *config = &vm->config;
    struct vm_core *core =
        state_open(&vm->state, config->origin != VM_NEW, "vm", VM_CORE_VERSION, sizeof(*core));

    if (!core)
        return config->origin == VM_NEW ? -ENOMEM : -EINVAL;
    vm->core = core;
    if (config->origin == VM_NEW) {
        *core = (struct vm_core){
            .ram_size = config->ram_size,
            .rom_size = config->rom_size,
            .nr_vcpus = config->nr_vcpus,
        };
        return 0;
    }
    if (core->nr_vcpus != config->nr_vcpus || core->ram_size != config->ram_size ||
        core->rom_size != config->rom_size) {
        log_error("the state is of a guest with %" PRIu32 " vCPUs, %" PRIu64 " bytes of RAM and "
                  "%" PRIu64 " of flash, not %u, %" PRIu64 " and %" PRIu64,
                  core->nr_vcpus, core->ram_size, core->rom_size, config->nr_vcpus,
                  config->ram_size, config->rom_size);
        return -EINVAL;
    }
    if (core->request > VM_RESET) {
        log_error("state block 'vm' is damaged: the guest cannot be taken over");
        return -EINVAL;
    }
    return 0;
}

void vm_core_take_vcpus(struct vm *vm)
{
    struct pvtime_region *region = &vm->pvtime;

    region->nr_vcpus = vm->config.nr_vcpus;
    region->stolen = (struct pvtime_stolen *)(void *)(vm->ram.host + vm_pvtime_offset(vm));
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        vm->vcpus[i].stolen_ns = pvtime_stolen_ns(region, i);
        vm->vcpus[i].pvtime = region;
    }
}

void vm_core_start_vcpus(struct vm *vm)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus && vm->core->request != VM_RESET; i++) {
        psci_cpu_started(&vm->exits.psci.cpus[i]); /* its registers are in its page */
        if (vm->exits.psci.cpus[i].state == PSCI_STATE_ON)
            sched_start(&vm->cores->sched, vm->vcpus[i].number);
    }
}
