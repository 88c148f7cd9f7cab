/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device instances: a class from a plugin, its properties, and its wires to
 * the bus, the interrupt controller and the character back end.
 */
#pragma once

#include <ringvisor/device.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/bus.h"
#include "vmm/chardev.h"
#include "vmm/plugin.h"
#include "vmm/types.h"

/* What the core gives a device. The struct is copied. */
struct device_env {
    const struct plugins *plugins;
    struct bus *bus;
    /*
     * For devices with character callbacks; NULL: they have no input and their
     * output is discarded. It serves one device: give it to one only.
     */
    struct chardev *chardev;
    /* The state blocks hold a guest that runs: devices take it over, they are not reset. */
    bool resume;

    void *ctx;
    /*
     * Memory for an instance's guest-visible state: zeroed, or what was there
     * under that name when `resume` is set. Outlives the instance. NULL after
     * a message: out of memory, or the version or size is another than it was.
     */
    void *(*state_alloc)(void *ctx, const char *name, uint32_t version, size_t size);
    /* Called for each change of a line, and once for its first level. */
    void (*irq_set)(void *ctx, uint32_t intid, bool level);
};

/* The instance, by its name in the plugin ABI. */
struct rv_host;

/*
 * `spec` is "name" or "name,property=value,..."; a bool's "=on" may be left
 * out, and two commas stand for one in a value. Line n of the device is SPI
 * first_spi + n as the device tree counts them, INTID 32 + first_spi + n.
 * 0, or after a message: -ENOENT: no such device; -EINVAL: bad property or
 * SPI; -EEXIST: the address is taken; -EBUSY: the chardev is; -ENOMEM; what
 * the device said.
 */
int device_create(const struct device_env *env, const char *spec, ipa_t base, uint32_t first_spi,
                  struct rv_host **device);

/* NULL is no device. */
void device_destroy(struct rv_host *device);

/* The guest's system reset. */
void device_reset(struct rv_host *device);

/* "pl011@9000000": unique, and the unit name in the device tree. */
const char *device_name(const struct rv_host *device);
const struct rv_device_class *device_class(const struct rv_host *device);
ipa_t device_base(const struct rv_host *device);
uint32_t device_first_spi(const struct rv_host *device);
