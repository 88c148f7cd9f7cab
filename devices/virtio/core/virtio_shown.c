/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/core/virtio_shown.h"

#include <endian.h>

void virtio_shown_open(struct virtio_plugin *plugin, const struct virtio_device_config *config)
{
    bool told = config->config_size == 0 || plugin->class->virtio.config_told;

    if (told && !plugin->pci && RV_HAS_OP(plugin->ops, region_memory))
        plugin->registers = plugin->ops->region_memory(plugin->instance, 0);
}

static void virtio_shown_register(struct virtio_plugin *plugin, uint32_t offset)
{
    uint32_t value = htole32((uint32_t)virtio_mmio_read(&plugin->virtio, offset, sizeof(value)));

    if (plugin->registers[offset / sizeof(value)] == value)
        return;
    __atomic_store_n(&plugin->registers[offset / sizeof(value)], value, __ATOMIC_RELAXED);
    plugin->ops->region_dirty(plugin->instance, 0, offset, sizeof(value));
}

void virtio_shown_update(struct virtio_plugin *plugin)
{
    for (uint32_t offset = 0; plugin->registers && offset < VIRTIO_MMIO_SIZE; offset += 4)
        virtio_shown_register(plugin, offset);
}

void virtio_shown_interrupts(struct virtio_plugin *plugin)
{
    if (plugin->registers)
        virtio_shown_register(plugin, VIRTIO_MMIO_INTERRUPT_STATUS);
}

void virtio_shown_begin(struct virtio_plugin *plugin)
{
    virtio_shown_update(plugin);
    if (plugin->registers)
        plugin->ops->region_show(plugin->instance, 0, true);
}
