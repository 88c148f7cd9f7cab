/* SPDX-License-Identifier: BSD-2-Clause */
#include <ringvisor/virtio/virtio_plugin.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core/virtio_later.h"
#include "devices/virtio/core/virtio_memory.h"
#include "devices/virtio/core/virtio_shown.h"

static const char *const virtio_plugin_compatible[] = {"virtio,mmio", NULL};

const struct rv_fdt_node virtio_plugin_fdt = {
    .size = sizeof(struct rv_fdt_node),
    .name = "virtio_mmio",
    .compatible = virtio_plugin_compatible,
    .dma_coherent = true,
};

/*
 * A notification has no effect that the driver could miss at once, and a late acknowledgement is
 * taken care of (virtio_device_acknowledge). Between the two there is no other register to write.
 * All other registers are such that what follows depends on them.
 */
static const struct rv_range virtio_plugin_posted[] = {
    {VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_ACK + 4 - VIRTIO_MMIO_QUEUE_NOTIFY},
    {0, 0},
};

static int virtio_plugin_read(void *device, uint64_t offset, uint32_t width, uint64_t *value,
                              const struct rv_access *access)
{
    struct virtio_plugin *plugin = device;

    if (width > 4 && offset < VIRTIO_MMIO_CONFIG)
        return -EINVAL; /* the registers have 32 bits: the vmm makes two accesses */
    *value = virtio_mmio_read(&plugin->virtio, offset, width);
    return 0;
}

static int virtio_plugin_write(void *device, uint64_t offset, uint32_t width, uint64_t value,
                               const struct rv_access *access)
{
    struct virtio_plugin *plugin = device;

    if (width > 4 && offset < VIRTIO_MMIO_CONFIG)
        return -EINVAL;
    virtio_mmio_write(&plugin->virtio, offset, width, value);
    /* Drivers free their buffers when Status has been written: not before the reset is done. */
    if (offset == VIRTIO_MMIO_STATUS && value == 0 && virtio_device_is_resetting(&plugin->virtio))
        return -EAGAIN;
    return 0;
}

const struct rv_region virtio_plugin_regions[] = {
    {
        .bytes = VIRTIO_MMIO_SIZE,
        .read = virtio_plugin_read,
        .write = virtio_plugin_write,
        .posted = virtio_plugin_posted,
        .flags = RV_REGION_MEMORY | RV_REGION_DATA,
    },
    {0},
};

/*
 * The same device as a PCI function.
 */

static int virtio_plugin_pci_read(void *device, uint64_t offset, uint32_t width, uint64_t *value,
                                  const struct rv_access *access)
{
    struct virtio_plugin *plugin = device;

    if (width > 4 && (offset < VIRTIO_PCI_DEVICE || offset >= VIRTIO_PCI_NOTIFY))
        return -EINVAL;
    *value = virtio_pci_read(&plugin->virtio, offset, width);
    return 0;
}

/* Drivers of this transport wait until the status reads as 0: 4.1.4.3.2. */
static int virtio_plugin_pci_write(void *device, uint64_t offset, uint32_t width, uint64_t value,
                                   const struct rv_access *access)
{
    struct virtio_plugin *plugin = device;

    if (width > 4 && (offset < VIRTIO_PCI_DEVICE || offset >= VIRTIO_PCI_NOTIFY))
        return -EINVAL;
    virtio_pci_write(&plugin->virtio, offset, width, value);
    return 0;
}

const struct rv_region virtio_plugin_pci_regions[] = {
    {
        .bytes = VIRTIO_PCI_SIZE,
        .read = virtio_plugin_pci_read,
        .write = virtio_plugin_pci_write,
    },
    {0},
};

/* Is the instance a PCI function? 0, or -errno after a message. */
static int virtio_plugin_find_bus(struct virtio_plugin *plugin,
                                  const struct virtio_device_config *config)
{
    const struct rv_pci_function function =
        virtio_pci_function(plugin->class->virtio.id, config->queues);
    int error = -ENODEV;

    if (RV_HAS_OP(plugin->ops, pci_function))
        error = plugin->ops->pci_function(plugin->instance, &function);
    plugin->pci = error == 0;
    return error == -ENODEV ? 0 : error;
}

static void *virtio_plugin_env_span(void *opaque, uint64_t ipa, uint64_t len, bool write)
{
    return virtio_plugin_span(opaque, ipa, len, write);
}

static void virtio_plugin_dirty(void *opaque, uint64_t ipa, uint64_t len)
{
    const struct virtio_plugin *plugin = opaque;

    plugin->ops->mem_dirty(plugin->instance, ipa, len);
}

/*
 * On the board's bus an edge, as on QEMU's board: no end of interrupt has to be waited for, and
 * none exits. A PCI function's line is a level.
 */
static void virtio_plugin_irq(void *opaque, bool level)
{
    struct virtio_plugin *plugin = opaque;

    if (plugin->pci) {
        plugin->ops->irq_set(plugin->instance, 0, level);
        return;
    }
    virtio_shown_interrupts(plugin);
    if (level && !plugin->irq)
        plugin->ops->irq_pulse(plugin->instance, 0);
    plugin->irq = level;
}

static bool virtio_plugin_message(void *opaque, uint32_t vector)
{
    const struct virtio_plugin *plugin = opaque;

    return plugin->ops->irq_message(plugin->instance, vector) == 0;
}

static void virtio_plugin_changed(void *opaque)
{
    virtio_shown_update(opaque);
}

static uint32_t virtio_plugin_unheard(void *opaque)
{
    const struct virtio_plugin *plugin = opaque;

    if (!RV_HAS_OP(plugin->ops, writes_pending))
        return 0;
    return plugin->ops->writes_pending(plugin->instance, 0, VIRTIO_MMIO_INTERRUPT_ACK,
                                       sizeof(uint32_t));
}

static void virtio_plugin_log(void *opaque, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void virtio_plugin_log(void *opaque, const char *fmt, ...)
{
    const struct virtio_plugin *plugin = opaque;
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    plugin->ops->log(plugin->instance, RV_LOG_WARN, "%s", text);
}

/* VIRTIO_PLUGIN_PROPERTIES: what the user has switched off is not offered. */
static uint64_t virtio_plugin_features(const struct virtio_plugin *plugin,
                                       const struct rv_property *p, uint64_t features)
{
    static const struct {
        const char *property;
        unsigned bit;
    } switches[] = {{"packed", VIRTIO_F_RING_PACKED},
                    {"event-idx", VIRTIO_RING_F_EVENT_IDX},
                    {"indirect", VIRTIO_RING_F_INDIRECT_DESC}};

    for (; p && p->name; p++)
        for (unsigned i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
            if (strcmp(p->name, switches[i].property) == 0 &&
                !plugin->ops->property_bool(plugin->instance, p->name))
                features &= ~VIRTIO_FEATURE(switches[i].bit);
    return features;
}

int virtio_plugin_queue_size(const struct virtio_plugin *plugin, uint16_t *size)
{
    uint64_t given = plugin->ops->property_uint(plugin->instance, "queue-size");

    if (given & (given - 1)) {
        plugin->ops->log(plugin->instance, RV_LOG_ERROR, "queue-size %llu: give a power of two",
                         (unsigned long long)given);
        return -EINVAL;
    }
    *size = (uint16_t)given;
    return 0;
}

static void virtio_plugin_free(struct virtio_plugin *plugin)
{
    virtio_later_close(plugin);
    virtio_memory_unmap_all(plugin);
    free(plugin);
}

int virtio_plugin_create(const struct virtio_plugin_class *class,
                         const struct rv_property *properties, struct rv_instance *instance,
                         const struct rv_vmm_ops *ops, void *state, uint32_t flags, void **device)
{
    struct virtio_plugin *plugin = calloc(1, sizeof(*plugin));
    struct virtio_device_config config = {0};
    struct virtio_env env = {.opaque = plugin,
                             .span = virtio_plugin_env_span,
                             .dirty = virtio_plugin_dirty,
                             .irq = virtio_plugin_irq,
                             .changed = virtio_plugin_changed,
                             .log = virtio_plugin_log};
    void *block;
    int error;

    if (!plugin)
        return -ENOMEM;
    plugin->instance = instance;
    plugin->ops = ops;
    plugin->class = class;
    virtio_memory_map_all(plugin);
    error = virtio_later_open(plugin);
    if (!error)
        error = class->create(plugin, state, flags, &config, &plugin->device);
    if (error) {
        virtio_plugin_free(plugin);
        return error;
    }
    config.features = virtio_plugin_features(plugin, properties, config.features);
    error = virtio_plugin_find_bus(plugin, &config);
    if (error) {
        virtio_plugin_destroy(plugin);
        return error;
    }
    env.message = plugin->pci ? virtio_plugin_message : NULL;
    env.unheard = plugin->pci ? NULL : virtio_plugin_unheard;
    virtio_shown_open(plugin, &config);
    block = ops->state_block(instance, "virtio", VIRTIO_STATE_VERSION,
                             virtio_device_state_size(&config));
    error = block ? virtio_device_init(&plugin->virtio, &class->virtio, plugin->device, &config,
                                       &env, block)
                  : -ENOSPC;
    if (error) {
        virtio_plugin_destroy(plugin);
        return error;
    }
    plugin->made = true;
    virtio_shown_begin(plugin);
    *device = plugin;
    return 0;
}

/* The device first: it may still have buffers of a queue in use. */
void virtio_plugin_destroy(void *device)
{
    struct virtio_plugin *plugin = device;

    plugin->registers = NULL; /* the configuration space goes */
    if (plugin->class->destroy)
        plugin->class->destroy(plugin->device);
    if (plugin->made)
        virtio_device_destroy(&plugin->virtio);
    virtio_plugin_free(plugin);
}

void virtio_plugin_reset(void *device)
{
    struct virtio_plugin *plugin = device;

    virtio_device_reset(&plugin->virtio);
}

int virtio_plugin_quiesce(void *device)
{
    struct virtio_plugin *plugin = device;

    virtio_device_hold(&plugin->virtio);
    virtio_later_cancel(plugin);
    return plugin->class->quiesce ? plugin->class->quiesce(plugin->device) : 0;
}

void virtio_plugin_resume(void *device)
{
    struct virtio_plugin *plugin = device;

    if (plugin->class->resume)
        plugin->class->resume(plugin->device);
    virtio_device_resume(&plugin->virtio);
}

/* After a resume() that came first the vmm does not wait any more. */
void virtio_plugin_quiesced(struct virtio_plugin *plugin)
{
    if (virtio_device_is_held(&plugin->virtio))
        plugin->ops->quiesced(plugin->instance);
}

/*
 * Run time
 */

int virtio_plugin_set(void *device, const char *name, const char *value)
{
    struct virtio_plugin *plugin = device;

    return plugin->class->set ? plugin->class->set(plugin->device, name, value) : -EPERM;
}

int64_t virtio_plugin_get(void *device, const char *name, char *text, uint64_t size)
{
    struct virtio_plugin *plugin = device;

    return plugin->class->get ? plugin->class->get(plugin->device, name, text, size) : -ENOENT;
}

int virtio_plugin_command(void *device, const struct rv_device_command *command)
{
    struct virtio_plugin *plugin = device;

    return plugin->class->command ? plugin->class->command(plugin->device, command) : -ENOENT;
}
