/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/core/virtio_shown.h"

#include <endian.h>

#define REGISTERS (VIRTIO_MMIO_SIZE / sizeof(uint32_t))
#define INDEX(r)  ((r) / sizeof(uint32_t))

void virtio_shown_open(struct virtio_plugin *plugin, const struct virtio_device_config *config)
{
    bool told = config->config_size == 0 || plugin->class->virtio.config_told;

    if (told && !plugin->pci && RV_HAS_OP(plugin->ops, region_memory))
        plugin->registers = plugin->ops->region_memory(plugin->instance, 0);
}

static uint32_t virtio_shown_read(struct virtio_plugin *plugin, uint32_t index)
{
    return htole32(
        (uint32_t)virtio_mmio_read(&plugin->virtio, index * sizeof(uint32_t), sizeof(uint32_t)));
}

/* Release: who reads this one sees those that were stored before. */
static void virtio_shown_store(struct virtio_plugin *plugin, uint32_t index, uint32_t value)
{
    if (plugin->registers[index] == value)
        return;
    __atomic_store_n(&plugin->registers[index], value, __ATOMIC_RELEASE);
    plugin->ops->region_dirty(plugin->instance, 0, index * sizeof(value), sizeof(value));
}

/*
 * A driver takes what it has read of the configuration space for one state if ConfigGeneration was the
 * same before and after (virtio 1.2, 2.5). So that changes last; and where several words change,
 * nobody reads meanwhile. Status is last of all: with it the driver knows that all else is done.
 */
void virtio_shown_update(struct virtio_plugin *plugin)
{
    uint32_t value[REGISTERS];
    unsigned changed = 0;

    if (!plugin->registers)
        return;
    for (uint32_t i = 0; i < REGISTERS; i++) {
        value[i] = virtio_shown_read(plugin, i);
        changed += i >= INDEX(VIRTIO_MMIO_CONFIG) && plugin->registers[i] != value[i];
    }
    if (changed > 1 && plugin->made)
        plugin->ops->region_show(plugin->instance, 0, false);
    for (uint32_t i = REGISTERS; i-- > 0;)
        if (i != INDEX(VIRTIO_MMIO_STATUS))
            virtio_shown_store(plugin, i, value[i]);
    virtio_shown_store(plugin, INDEX(VIRTIO_MMIO_STATUS), value[INDEX(VIRTIO_MMIO_STATUS)]);
    if (changed > 1 && plugin->made)
        plugin->ops->region_show(plugin->instance, 0, true);
}

void virtio_shown_interrupts(struct virtio_plugin *plugin)
{
    const uint32_t index = INDEX(VIRTIO_MMIO_INTERRUPT_STATUS);

    if (plugin->registers)
        virtio_shown_store(plugin, index, virtio_shown_read(plugin, index));
}

void virtio_shown_begin(struct virtio_plugin *plugin)
{
    virtio_shown_update(plugin);
    if (plugin->registers)
        plugin->ops->region_show(plugin->instance, 0, true);
}
