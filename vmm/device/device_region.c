/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory behind a region's registers, which the guest can be shown; and what may be posted. */
#include <errno.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/log.h"

/* NULL after a message: there is no such region, or the class has no memory for it. */
static struct device_region *find(struct rv_instance *instance, uint32_t region, const char *what)
{
    if (region < instance->nr_regions && instance->regions[region].region->flags & RV_REGION_MEMORY)
        return &instance->regions[region];
    device_bug(instance, "%s of region %u, which has no memory", what, region);
    return NULL;
}

/* The same, if region_memory() has been called. */
static struct device_region *find_memory(struct rv_instance *instance, uint32_t region,
                                         const char *what)
{
    struct device_region *found = find(instance, region, what);

    if (found && !found->memory) {
        device_bug(instance, "%s of region %u without region_memory", what, region);
        return NULL;
    }
    return found;
}

void *device_region_memory(struct rv_instance *instance, uint32_t region)
{
    struct device_region *found = find(instance, region, "region_memory");
    int error = -ENOSPC;

    if (!found)
        return NULL;
    if (!instance->creating || found->memory) {
        device_bug(instance, "region_memory outside of create(), or twice");
        return NULL;
    }
    if (instance->env.rom_new)
        error = instance->env.rom_new(instance->env.opaque, found->base, found->region->bytes,
                                      found->region->flags & RV_REGION_DATA, &found->rom,
                                      &found->memory);
    if (error)
        found->memory = NULL;
    /* A transport works as well without. */
    if (error && instance->class->place != RV_PLACE_VIRTIO_MMIO)
        log_error("device '%s': no memory for its region %u: %s", instance->name, region,
                  strerror(-error));
    return found->memory;
}

void device_region_show(struct rv_instance *instance, uint32_t region, bool shown)
{
    const struct device_region *found = find_memory(instance, region, "region_show");

    if (found)
        instance->env.rom_show(instance->env.opaque, found->rom, found->base.v % RV_PAGE_SIZE,
                               found->region->bytes, shown);
}

void device_region_dirty(struct rv_instance *instance, uint32_t region, uint64_t offset,
                         uint64_t len)
{
    const struct device_region *found = find_memory(instance, region, "region_dirty");

    if (!found)
        return;
    if (offset > found->region->bytes || len > found->region->bytes - offset)
        device_bug(instance, "region_dirty beyond region %u", region);
    else
        instance->env.rom_written(instance->env.opaque, found->rom,
                                  found->base.v % RV_PAGE_SIZE + offset, len);
}

/* Where these bytes of the region are. False after a message: there are no such, or nowhere. */
static bool place(struct rv_instance *instance, uint32_t region, uint64_t offset, uint64_t size,
                  const char *what, ipa_t *start)
{
    const struct device_region *found;

    if (region >= instance->nr_regions || device_pci_slot(instance)) {
        device_bug(instance, "%s of region %u, which it has not or which is on PCI", what, region);
        return false;
    }
    found = &instance->regions[region];
    if (offset > found->region->bytes || size > found->region->bytes - offset) {
        device_bug(instance, "%s beyond region %u", what, region);
        return false;
    }
    *start = ipa(found->base.v + offset);
    return true;
}

void device_region_post(struct rv_instance *instance, uint32_t region, uint64_t offset,
                        uint64_t size)
{
    ipa_t start;

    if (place(instance, region, offset, size, "region_post", &start) && instance->env.post)
        instance->env.post(instance->env.opaque, start, size);
}

uint32_t device_writes_pending(struct rv_instance *instance, uint32_t region, uint64_t offset,
                               uint64_t size)
{
    ipa_t start;

    if (!place(instance, region, offset, size, "writes_pending", &start) ||
        !instance->env.writes_pending)
        return 0;
    return instance->env.writes_pending(instance->env.opaque, start, size);
}
