/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's devices: where they go on its board, and what the stub must know of them. */
#pragma once

#include <ringvisor/device.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/device/plugin.h"

struct vm;
struct vm_config;

/* The device that vm_firmware_device() describes. */
#define VM_FW_CFG "fw-cfg"

/* Is `spec`, as --device has it, a device of this name? */
static inline bool vm_devices_names(const char *spec, const char *name)
{
    size_t len = strlen(name);

    return strcspn(spec, ",") == len && memcmp(spec, name, len) == 0;
}

/* Bytes that the VM's devices need as RV_REGION_MEMORY. */
uint64_t vm_devices_rom(const struct vm_config *config, const struct plugins *plugins);

/* Those of the board and what the user asked for. 0 or -errno after a message. */
int vm_devices_create(struct vm *vm, const struct plugins *plugins);

/* Would they take over what is in the VM's state area, which is a copy? 0 or -errno after a message. */
int vm_devices_check(struct vm *vm, const struct plugins *plugins);

/* Also after a vm_devices_create() or a vm_devices_check() that failed. */
void vm_devices_destroy(struct vm *vm);

/*
 * Let no device take new work. What is in flight ends later, in the event loop, and
 * vm_devices_are_quiet() says that it has. A device that takes long is named in a message
 * now and then. 0 or -ENOMEM.
 */
int vm_devices_quiesce(struct vm *vm);
bool vm_devices_are_quiet(struct vm *vm);
void vm_devices_resume(struct vm *vm);

/* Those that are quiet. */
void vm_devices_reset(struct vm *vm);

/* The VM's answer to one of them, as struct device_env has it. `opaque` is the struct vm. */
void vm_devices_request(void *opaque, const char *device, const struct rv_request *request);

/* A device's wire. `opaque` is the struct vm. */
void vm_devices_set_line(void *opaque, uint32_t intid, bool level);

/* Did one take the event? */
bool vm_devices_event(struct vm *vm, uint32_t event); /* enum rv_device_event_type */
