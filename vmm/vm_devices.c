/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm_devices.h"

#include <errno.h>

#include "vmm/guest/board.h"
#include "vmm/log.h"
#include "vmm/vm.h"

static void *device_state(void *ctx, const char *name, uint32_t version, size_t size)
{
    return state_alloc(&((struct vm *)ctx)->state, name, version, size);
}

static void device_irq(void *ctx, uint32_t intid, bool level)
{
    vgic_set_line(&((struct vm *)ctx)->vgic, 0, intid, level);
}

/* The console UART has its fixed place; what the user adds goes on the platform bus, in order. */
int vm_devices_create(struct vm *vm, const struct plugins *plugins, struct chardev *chardev)
{
    struct device_env env = {
        .plugins = plugins,
        .bus = vm->bus,
        .chardev = chardev,
        .ctx = vm,
        .state_alloc = device_state,
        .irq_set = device_irq,
    };
    uint64_t base = BOARD_PLATFORM_BASE;
    uint32_t spi = BOARD_PLATFORM_SPI;
    int error;

    error = device_create(&env, "pl011", ipa(BOARD_UART_BASE), BOARD_UART_SPI,
                          &vm->devices[vm->nr_devices]);
    if (error)
        return error;
    vm->nr_devices++;
    env.chardev = NULL;
    for (unsigned i = 0; i < vm->config.nr_devices; i++) {
        const struct rv_device_class *class;

        if (vm->nr_devices == VM_MAX_DEVICES) {
            log_error("more than %u devices", VM_MAX_DEVICES);
            return -ENOSPC;
        }
        error = device_create(&env, vm->config.devices[i], ipa(base), spi,
                              &vm->devices[vm->nr_devices]);
        if (error)
            return error;
        class = device_class(vm->devices[vm->nr_devices++]);
        base += (class->mmio_size + BOARD_PLATFORM_STEP - 1) / BOARD_PLATFORM_STEP *
                BOARD_PLATFORM_STEP;
        spi += class->irq_lines;
        if (base > BOARD_PLATFORM_BASE + BOARD_PLATFORM_SIZE) {
            log_error("device '%s' does not fit on the platform bus", vm->config.devices[i]);
            return -ENOSPC;
        }
    }
    return 0;
}

int vm_devices_post(struct vm *vm)
{
    struct rv_command command = {.op = RV_COMMAND_SET_POSTED, .vm = (uint16_t)vm->place.id};
    int error = 0;

    for (unsigned i = 0; i < vm->nr_devices; i++) {
        const struct rv_range *range = device_class(vm->devices[i])->posted;

        for (; range && range->size && command.arg[0] < RV_MAX_POSTED && !error; range++) {
            command.arg[1] = device_base(vm->devices[i]).v + range->start;
            command.arg[2] = range->size;
            error = cores_call(vm->cores, &command, NULL);
            command.arg[0]++;
        }
    }
    return error;
}
