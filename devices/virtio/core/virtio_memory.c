/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/core/virtio_memory.h"

static void virtio_memory_map(struct virtio_plugin *plugin, const struct rv_mem_region *region)
{
    bool read_only = region->flags & RV_MEM_READ_ONLY;
    bool late = region->flags & RV_MEM_LATE && RV_HAS_OP(plugin->ops, mem_need);
    uint32_t access = read_only ? RV_MEM_READ : RV_MEM_READ | RV_MEM_WRITE;
    struct virtio_plugin_memory *memory = &plugin->memory[plugin->nr_memory];

    if (plugin->nr_memory == VIRTIO_PLUGIN_REGIONS_MAX) {
        plugin->ops->log(plugin->instance, RV_LOG_ERROR,
                         "more than %u regions of memory: the driver cannot use the further ones",
                         VIRTIO_PLUGIN_REGIONS_MAX);
        return;
    }
    *memory = (struct virtio_plugin_memory){
        .ipa = region->ipa,
        .bytes = region->bytes,
        .at = plugin->ops->mem_map(plugin->instance, region->ipa, region->bytes,
                                   late ? access | RV_MEM_LATE : access),
        .read_only = read_only,
        .late = late,
    };
    if (memory->at)
        plugin->nr_memory++;
}

void virtio_memory_map_all(struct virtio_plugin *plugin)
{
    struct rv_mem_region region = {.size = sizeof(region)};

    for (uint32_t i = 0; plugin->ops->mem_region(plugin->instance, i, &region) == 0; i++)
        virtio_memory_map(plugin, &region);
}

static void virtio_memory_unmap(struct virtio_plugin *plugin, unsigned index)
{
    struct virtio_plugin_memory *memory = &plugin->memory[index];

    plugin->ops->mem_unmap(plugin->instance, memory->at, memory->bytes);
    *memory = plugin->memory[--plugin->nr_memory];
}

void virtio_memory_unmap_all(struct virtio_plugin *plugin)
{
    while (plugin->nr_memory)
        virtio_memory_unmap(plugin, plugin->nr_memory - 1);
}

void *virtio_plugin_span(struct virtio_plugin *plugin, uint64_t ipa, uint64_t len, bool write)
{
    for (unsigned i = 0; i < plugin->nr_memory; i++) {
        const struct virtio_plugin_memory *memory = &plugin->memory[i];
        uint64_t offset = ipa - memory->ipa;

        if (offset >= memory->bytes || len > memory->bytes - offset || (write && memory->read_only))
            continue;
        if (memory->late)
            plugin->ops->mem_need(plugin->instance, ipa, len);
        return memory->at + offset;
    }
    return NULL;
}

uint64_t virtio_plugin_ipa(const struct virtio_plugin *plugin, const void *host)
{
    for (unsigned i = 0; i < plugin->nr_memory; i++) {
        const struct virtio_plugin_memory *memory = &plugin->memory[i];
        uint64_t offset = (uint64_t)((uintptr_t)host - (uintptr_t)memory->at);

        if (offset < memory->bytes)
            return memory->ipa + offset;
    }
    return 0;
}

/*
 * A driver whose rings or buffers are in memory that goes has made a mistake: the device stops
 * until it is reset.
 */
void virtio_plugin_mem_changed(void *device, uint32_t change, const struct rv_mem_region *region)
{
    struct virtio_plugin *plugin = device;

    if (change == RV_MEM_ADDED) {
        virtio_memory_map(plugin, region);
        return;
    }
    for (unsigned i = 0; i < plugin->nr_memory; i++) {
        if (plugin->memory[i].ipa != region->ipa)
            continue;
        virtio_device_memory_gone(&plugin->virtio, region->ipa, region->bytes);
        virtio_memory_unmap(plugin, i);
        return;
    }
}
