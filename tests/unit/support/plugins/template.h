/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device of 4 KiB whose registers are its state: what the plugins of this
 * folder vary. PLUGIN_CLASS takes the fields that a variant has otherwise.
 */
#pragma once

#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE_SIZE 0x1000u

struct template
{
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    uint8_t *registers;
};

static inline int template_create(struct rv_instance *instance, const struct rv_vmm_ops *ops,
                                  void *state, uint32_t flags, void **device)
{
    struct template *t = malloc(sizeof(*t));

    if (!t)
        return -ENOMEM;
    *t = (struct template){instance, ops, state};
    *device = t;
    return 0;
}

static inline void template_destroy(void *device)
{
    free(device);
}

static inline void template_reset(void *device)
{
    struct template *t = device;

    memset(t->registers, 0, TEMPLATE_SIZE);
}

static inline int template_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                                const struct rv_access *access)
{
    struct template *t = device;

    memcpy(value, t->registers + offset, size);
    return 0;
}

static inline int template_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                                 const struct rv_access *access)
{
    struct template *t = device;

    memcpy(t->registers + offset, &value, size);
    return 0;
}

static const struct rv_region template_regions[] __attribute__((unused)) = {
    {.bytes = TEMPLATE_SIZE, .read = template_read, .write = template_write},
    {0},
};

/* The variant's fields come last: in an initializer the last one counts. */
#define PLUGIN_CLASS(...) PLUGIN_CLASS_AS(ringvisor_device, __VA_ARGS__)
#define PLUGIN_CLASS_AS(symbol, ...)                                                     \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"") \
        const struct rv_device_class symbol = {RV_CLASS_HEADER,                          \
                                               .description = "Device for a test",       \
                                               .regions = template_regions,              \
                                               .state_size = TEMPLATE_SIZE,              \
                                               .state_version = 1,                       \
                                               .create = template_create,                \
                                               .destroy = template_destroy,              \
                                               .reset = template_reset,                  \
                                               __VA_ARGS__};                             \
    _Pragma("GCC diagnostic pop")
