/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/board/board.h"
#include "vmm/trace/tap.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_firmware.h"
#include "vmm/vm/vm_pci.h"
#include "vmm/vm/vm_post.h"
#include "vmm/vm/vm_transports.h"

#define PATIENCE_S 10 /* between two messages about a device that does not get quiet */

/*
 * What the board always has, at its place there. One that the user names
 * himself, to give it properties, is that one and not a second.
 */
static const char *const board_devices[] = {"pl011", "pl031", "pl061"};

/*
 * What devices ask of the VM
 */

static int device_place(void *opaque, const struct rv_device_class *class, ipa_t *bases,
                        uint32_t *first_spi)
{
    return vm_place(&((struct vm *)opaque)->place, class, bases, first_spi);
}

void vm_devices_set_line(void *opaque, uint32_t intid, bool level)
{
    tap_line(intid, level);
    if (vgic_set_line(&((struct vm *)opaque)->vgic, 0, intid, level) &&
        log_first(LOG_KIND_EXIT, (uint64_t)intid << 32)) {
        log_error("the interrupt controller has no wire for INTID %u: a bug of the vmm", intid);
    }
}

static void device_dirty(void *opaque, ipa_t start, uint64_t size)
{
    tap_dirty(start.v, size);
    vm_code_written(opaque, start, size);
}

void vm_devices_request(void *opaque, const char *device, const struct rv_request *request)
{
    struct vm *vm = opaque;

    tap_request(request->type, request->code);
    switch (request->type) {
    case RV_REQUEST_RESET: vm->core->request = VM_RESET; break;
    case RV_REQUEST_POWER_OFF:
        vm->core->request = VM_POWER_OFF;
        vm->core->power_off_code = request->code;
        break;
    case RV_REQUEST_PANIC:
        log_error("device '%s': the guest cannot go on (code %d)", device, request->code);
        vm->failed = true;
        break;
    }
}

static int device_rom_new(void *opaque, ipa_t base, uint64_t bytes, bool data, unsigned *index,
                          uint8_t **memory)
{
    return bytes < RV_PAGE_SIZE ? vm_transport_memory(opaque, base, index, memory)
                                : vm_rom_new(opaque, base, bytes, data, index, memory);
}

static void device_rom_show(void *opaque, unsigned index, uint64_t offset, uint64_t size,
                            bool shown)
{
    vm_rom_show(opaque, index, offset, size, shown);
}

static void device_rom_written(void *opaque, unsigned index, uint64_t offset, uint64_t size)
{
    vm_rom_written(opaque, index, offset, size);
}

/* Whoever publishes an event has a full fence before the vCPU goes on: rv_ring_wants_wakeup(). */
static uint32_t device_writes_pending(void *opaque, ipa_t start, uint64_t size)
{
    const struct vm *vm = opaque;

    rv_fence(); /* what the device wrote to guest memory, before the look at the rings */
    return vm->cores ? cores_posted(vm->cores, start.v, size) : 0;
}

static void device_post(void *opaque, ipa_t start, uint64_t size)
{
    vm_post_later(opaque, start, size);
}

/*
 * Making them
 */

/* Of one that the user or the board names; what it may have behind its name does not count. */
static uint64_t rom_bytes(const struct plugins *plugins, const char *spec)
{
    char *name = strndup(spec, strcspn(spec, ","));
    const struct plugin *plugin = name ? plugin_find(plugins, name) : NULL;
    uint64_t bytes = 0;

    free(name);
    for (const struct rv_region *r = plugin ? plugin->class.regions : NULL; r && r->bytes; r++)
        bytes += r->flags & RV_REGION_MEMORY && r->bytes >= RV_PAGE_SIZE ? r->bytes : 0;
    return bytes;
}

static bool is_named(const struct vm_config *config, const char *name)
{
    for (unsigned i = 0; i < config->nr_devices; i++)
        if (vm_devices_names(config->devices[i], name))
            return true;
    return false;
}

uint64_t vm_devices_rom(const struct vm_config *config, const struct plugins *plugins)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < sizeof(board_devices) / sizeof(board_devices[0]); i++)
        if (!is_named(config, board_devices[i]))
            bytes += rom_bytes(plugins, board_devices[i]);
    for (unsigned i = 0; i < config->nr_devices; i++)
        bytes += rom_bytes(plugins, config->devices[i]);
    return bytes;
}

static int create(struct vm *vm, const struct device_env *env, const char *spec)
{
    int error;

    if (vm->nr_devices == VM_MAX_DEVICES) {
        log_error("more than %u devices", VM_MAX_DEVICES);
        return -ENOSPC;
    }
    error = device_create(env, spec, &vm->devices[vm->nr_devices]);
    if (!error)
        vm->nr_devices++;
    return error;
}

/* What the user asked for; firmware is told of all of it by the last. */
static int create_given(struct vm *vm, const struct device_env *env)
{
    char *last;
    int error = 0;

    for (unsigned i = 0; i < vm->config.nr_devices && !error; i++)
        if (!vm->config.firmware || !vm_devices_names(vm->config.devices[i], VM_FW_CFG))
            error = create(vm, env, vm->config.devices[i]);
    if (error || !vm->config.firmware)
        return error;
    last = vm_firmware_device(vm);
    error = last ? create(vm, env, last) : -EINVAL;
    free(last);
    return error;
}

static int create_all(struct vm *vm, const struct plugins *plugins, bool check)
{
    const struct device_env env = {
        .plugins = plugins,
        .bus = vm->bus,
        .pci = &vm->pci,
        .base = vm->base,
        .ram = &vm->ram,
        .ram_fd = vm->machine->memory_fd,
        .report_writes = vm->machine->blind,
        .pinned = vm->machine->pinned,
        .ram_offset = vm->machine->layout.ram + vm->share.ram_offset,
        .console = &vm->console,
        .cards = &vm->cards,
        .state = &vm->state,
        .clock = &vm->clock,
        .undo = vm->cores ? &vm->cores->undo : NULL,
        .resume = vm->config.origin != VM_NEW,
        .restored = vm->config.origin == VM_RESTORED,
        .check = check,
        .opaque = vm,
        .place = device_place,
        .irq_set = vm_devices_set_line,
        .mem_dirty = device_dirty,
        .request = vm_devices_request,
        .rom_new = device_rom_new,
        .rom_show = device_rom_show,
        .rom_written = device_rom_written,
        .post = device_post,
        .writes_pending = device_writes_pending,
    };
    int error = 0;

    vm_pci_init(vm);
    for (unsigned i = 0; i < sizeof(board_devices) / sizeof(board_devices[0]) && !error; i++)
        if (!is_named(&vm->config, board_devices[i]))
            error = create(vm, &env, board_devices[i]);
    return error ? error : create_given(vm, &env);
}

int vm_devices_create(struct vm *vm, const struct plugins *plugins)
{
    int error = create_all(vm, plugins, false);

    if (!error)
        error = vm_pci_connect(vm);
    return error ? error : vm_transports_add_empty(vm);
}

int vm_devices_check(struct vm *vm, const struct plugins *plugins)
{
    return create_all(vm, plugins, true);
}

static void show_counter(void *opaque, const char *device, const char *name, const char *help,
                         uint64_t value)
{
    log_debug("device '%s': %s: %llu", device, name, (unsigned long long)value);
}

void vm_devices_destroy(struct vm *vm)
{
    vm->running = false;
    for (unsigned i = 0; i < vm->nr_devices; i++) {
        device_counters(vm->devices[i], show_counter, NULL);
        device_destroy(vm->devices[i]);
    }
    vm->nr_devices = 0;
    if (vm->patience)
        event_free(vm->patience);
    vm->patience = NULL;
}

/*
 * Stopping and going on
 */

static const struct rv_instance *busy(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_devices; i++)
        if (!device_is_quiet(vm->devices[i]))
            return vm->devices[i];
    return NULL;
}

static void takes_long(evutil_socket_t fd, short what, void *opaque)
{
    const struct rv_instance *device = busy(opaque);

    if (device)
        log_warn(
            "device '%s': its requests have not ended for %u seconds; the guest's reset or pause "
            "waits for them: look at the disk or the server behind the device",
            device_name(device), PATIENCE_S);
}

int vm_devices_quiesce(struct vm *vm)
{
    static const struct timeval patience = {.tv_sec = PATIENCE_S};

    if (!vm->patience)
        vm->patience = event_new(vm->base, -1, EV_PERSIST, takes_long, vm);
    if (!vm->patience || event_add(vm->patience, &patience))
        return -ENOMEM;
    for (unsigned i = 0; i < vm->nr_devices; i++)
        device_quiesce(vm->devices[i]);
    return 0;
}

bool vm_devices_are_quiet(struct vm *vm)
{
    if (busy(vm))
        return false;
    if (vm->patience)
        event_del(vm->patience);
    return true;
}

void vm_devices_resume(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_devices; i++)
        device_resume(vm->devices[i]);
}

void vm_devices_reset(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_devices; i++)
        device_reset(vm->devices[i]);
}

bool vm_devices_event(struct vm *vm, uint32_t event)
{
    for (unsigned i = 0; i < vm->nr_devices; i++)
        if (device_event(vm->devices[i], event))
            return true;
    return false;
}
