/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util/log.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_devices.h"

#define TRIES 3 /* a copy of a state in which blocks come and go may not be whole */

int vm_check_claimed(const struct vm *vm)
{
    const char *name;

    state_claim(&vm->state, "gdb"); /* the debugger's, who comes later */
    name = vm->config.origin != VM_NEW ? state_unclaimed(&vm->state) : NULL;
    if (!name)
        return 0;
    log_error("the guest has '%s', and the options do not: it cannot be taken over", name);
    return -EINVAL;
}

static int attach_copy(struct vm *vm, int state_fd)
{
    int error = -EINVAL;

    for (int i = 0; i < TRIES && error == -EINVAL; i++) {
        int copy = state_copy(state_fd);

        error = copy < 0 ? copy : state_attach(&vm->state, copy);
    }
    return error;
}

/* Those that vm_create() opens one by one; of the last two a VM may have none. */
static int check_core(struct vm *vm)
{
    unsigned n = vm->config.nr_vcpus;
    const struct {
        const char *name;
        size_t size;
    } blocks[] = {{"gic", vgic_state_size(n)},
                  {"psci", n * sizeof(*vm->exits.psci.cpus)},
                  {"sysreg", n * sizeof(*vm->exits.sysreg_cpus)}};
    int error = vm_clock_init(&vm->clock, &vm->state, true);

    if (!error)
        error = vm_core_open(vm);
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]) && !error; i++)
        if (!state_open(&vm->state, true, blocks[i].name, VM_STATE_VERSION, blocks[i].size))
            error = -EINVAL;
    state_claim(&vm->state, "code");
    state_claim(&vm->state, "dirty");
    return error;
}

int vm_check(const struct vm_config *config, const struct plugins *plugins, int state_fd)
{
    struct machine none = {.memory_fd = -1};
    struct vm *vm = calloc(1, sizeof(*vm));
    int error;

    if (!vm)
        return -ENOMEM;
    vm->config = *config;
    vm->config.origin = VM_TAKEN_OVER;
    vm->machine = &none;
    error = attach_copy(vm, state_fd);
    if (!error)
        error = check_core(vm);
    if (!error)
        error = vm_devices_check(vm, plugins);
    if (!error)
        error = vm_check_claimed(vm);
    vm_devices_destroy(vm);
    state_close(&vm->state);
    free(vm);
    return error;
}
