/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plugin ABI. A device is a shared object that exports one symbol,
 * `ringvisor_device`, of type struct rv_device_class.
 *
 * Everything runs on the vmm's one loop: no callback is ever entered from two
 * threads, and none may block. A device keeps all that the guest can see in
 * the state block that the core hands out (plain bytes, zeroed at first, no
 * pointers), so that a vmm that is restarted or moved finds it there. What it
 * can make again from there (buffers, registrations) it allocates in create().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RV_DEVICE_ABI_MIN 1u /* oldest version that this header's structs serve */
#define RV_DEVICE_ABI     1u

#define RV_DEVICE_SYMBOL "ringvisor_device"

struct rv_host; /* the core's side of one device instance: opaque */
struct rv_timer_handle;

enum rv_log_level { RV_LOG_ERROR, RV_LOG_WARN, RV_LOG_INFO, RV_LOG_DEBUG };

/*
 * What the core offers. Each call takes the `host` that create() was given.
 * `size` is the size of this struct as the core knows it: a later core appends.
 */
struct rv_host_ops {
    size_t size;

    void (*log)(struct rv_host *host, enum rv_log_level level, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

    /* Level of interrupt line `line` (0 is the device's first). Idempotent. */
    void (*irq_set)(struct rv_host *host, unsigned line, bool level);

    /*
     * The character back end: console, file, whatever the user chose.
     * chr_write takes up to `len` bytes and returns how many it took: fewer
     * than `len` when the reader is slow; chr_writable() is then called once
     * when there is room again. chr_accept tells that the device can take
     * input again after chr_can_receive() said 0.
     */
    size_t (*chr_write)(struct rv_host *host, const uint8_t *data, size_t len);
    void (*chr_accept)(struct rv_host *host);

    /*
     * The instance's value of a declared property: what the user gave, or the
     * default. The core has checked that it is of the declared type. The
     * string lives as long as the instance; NULL: not given and no default.
     */
    const char *(*property_string)(struct rv_host *host, const char *name);
    uint64_t (*property_uint)(struct rv_host *host, const char *name);
    bool (*property_bool)(struct rv_host *host, const char *name);
};

enum rv_property_type { RV_PROPERTY_BOOL, RV_PROPERTY_UINT, RV_PROPERTY_STRING };

struct rv_property {
    const char *name; /* NULL ends the list */
    enum rv_property_type type;
    const char *value; /* default, as a user would type it; NULL only for a string: none */
    const char *help;
};

/* Device tree node of an instance: what a plain MMIO device needs. */
struct rv_fdt_node {
    const char *name;              /* node name without the unit address: "pl011" */
    const char *const *compatible; /* NULL-terminated */
    const char *const *clocks;     /* NULL-terminated clock names, all of them 24 MHz; or NULL */
    bool stdout_path;              /* can be /chosen/stdout-path */
};

/* A range of registers; offsets from the device's start. */
struct rv_range {
    uint64_t start;
    uint64_t size; /* 0 ends the list */
};

struct rv_device_class {
    uint32_t abi_min; /* RV_DEVICE_ABI_MIN and RV_DEVICE_ABI at the time of building */
    uint32_t abi_max;
    size_t size; /* sizeof(struct rv_device_class) at the time of building */

    const char *name;        /* what --device takes */
    const char *description; /* one line for `vmm devices` */
    const struct rv_property *properties;
    uint64_t mmio_size; /* bytes */
    unsigned irq_lines;
    size_t state_size; /* bytes of guest-visible state */
    uint32_t state_version;
    const struct rv_fdt_node *fdt;
    /* Writes here have no synchronous effect on the CPU that writes: they may be posted. */
    const struct rv_range *posted;

    /*
     * `*device` is handed to every other callback. 0 or -errno, after saying
     * why by log(). A new instance is reset() next. One that is taken over from
     * an earlier vmm is not: create() drives its lines as `state` says.
     */
    int (*create)(struct rv_host *host, const struct rv_host_ops *ops, void *state, void **device);
    void (*destroy)(void *device);
    void (*reset)(void *device);

    /* `size` 1, 2, 4 or 8, aligned, inside. 0 or -errno: external abort. */
    int (*read)(void *device, uint64_t offset, unsigned size, uint64_t *value);
    int (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);

    /* Character input; NULL for a device without it. */
    size_t (*chr_can_receive)(void *device);
    void (*chr_receive)(void *device, const uint8_t *data, size_t len);
    void (*chr_writable)(void *device);
};

/* What a plugin defines. */
extern const struct rv_device_class ringvisor_device __attribute__((visibility("default")));
