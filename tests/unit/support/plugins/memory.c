/* SPDX-License-Identifier: BSD-2-Clause */
/* A device whose second region has memory, and whose first has not. */
#include "tests/unit/support/plugins/template.h"

static int memory_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                         uint32_t flags, void **device)
{
    uint8_t *bytes = ops->region_memory(instance, 1);

    if (!bytes)
        return -ENOMEM;
    bytes[5] = 0x55;
    ops->region_dirty(instance, 1, 5, 1);
    return template_create(instance, ops, state, flags, device);
}

static const struct rv_region memory_regions[] = {
    {.bytes = TEMPLATE_SIZE, .read = template_read, .write = template_write},
    {.bytes = TEMPLATE_SIZE,
     .read = template_read,
     .write = template_write,
     .flags = RV_REGION_MEMORY},
    {0},
};

PLUGIN_CLASS(.name = "memory", .regions = memory_regions, .create = memory_create)
