/* SPDX-License-Identifier: BSD-2-Clause */
#include <ringvisor/virtio/virtio_plugin.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const virtio_plugin_compatible[] = {"virtio,mmio", NULL};

const struct rv_fdt_node virtio_plugin_fdt = {
    .size = sizeof(struct rv_fdt_node),
    .name = "virtio_mmio",
    .compatible = virtio_plugin_compatible,
    .dma_coherent = true,
};

/*
 * A notification has no effect that the driver could miss at once. All other
 * registers have one: InterruptACK lowers the line, and what follows the others
 * depends on them.
 */
const struct rv_range virtio_plugin_posted[] = {{VIRTIO_MMIO_QUEUE_NOTIFY, 4}, {0, 0}};

static void *virtio_plugin_span(void *ctx, uint64_t ipa, uint64_t len, bool write)
{
    const struct virtio_plugin *plugin = ctx;

    (void)write; /* all of RAM can be written */
    return plugin->ops->mem_span(plugin->instance, ipa, len);
}

static void virtio_plugin_dirty(void *ctx, uint64_t ipa, uint64_t len)
{
    const struct virtio_plugin *plugin = ctx;

    plugin->ops->mem_dirty(plugin->instance, ipa, len);
}

/* An edge, as on QEMU's board: no end of interrupt has to be waited for, and none exits. */
static void virtio_plugin_irq(void *ctx, bool level)
{
    struct virtio_plugin *plugin = ctx;

    if (level && !plugin->irq)
        plugin->ops->irq_pulse(plugin->instance, 0);
    plugin->irq = level;
}

static void virtio_plugin_log(void *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void virtio_plugin_log(void *ctx, const char *fmt, ...)
{
    const struct virtio_plugin *plugin = ctx;
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    plugin->ops->log(plugin->instance, RV_LOG_WARN, "%s", text);
}

/* VIRTIO_PLUGIN_PROPERTIES: what the user has switched off is not offered. */
static uint64_t virtio_plugin_features(const struct virtio_plugin *plugin, uint64_t features)
{
    static const struct {
        const char *property;
        unsigned bit;
    } switches[] = {{"packed", VIRTIO_F_RING_PACKED},
                    {"event-idx", VIRTIO_RING_F_EVENT_IDX},
                    {"indirect", VIRTIO_RING_F_INDIRECT_DESC}};
    const struct rv_property *p = ringvisor_device.properties;

    for (; p && p->name; p++)
        for (unsigned i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
            if (strcmp(p->name, switches[i].property) == 0 &&
                !plugin->ops->property_bool(plugin->instance, p->name))
                features &= ~VIRTIO_FEATURE(switches[i].bit);
    return features;
}

int virtio_plugin_create(const struct virtio_plugin_class *class, struct rv_instance *instance,
                         const struct rv_vmm_ops *ops, void *state, uint32_t flags, void **device)
{
    struct virtio_plugin *plugin = calloc(1, sizeof(*plugin));
    struct virtio_device_config config = {0};
    struct virtio_env env = {.ctx = plugin,
                             .span = virtio_plugin_span,
                             .dirty = virtio_plugin_dirty,
                             .irq = virtio_plugin_irq,
                             .log = virtio_plugin_log};
    void *block;
    int rc;

    if (!plugin)
        return -ENOMEM;
    plugin->instance = instance;
    plugin->ops = ops;
    plugin->class = class;
    rc = class->create(plugin, state, flags, &config, &plugin->device);
    if (rc) {
        free(plugin);
        return rc;
    }
    config.features = virtio_plugin_features(plugin, config.features);
    block =
        ops->state_block(instance, "virtio", VIRTIO_STATE_VERSION, virtio_mmio_state_size(&config));
    rc = block
             ? virtio_mmio_init(&plugin->mmio, &class->virtio, plugin->device, &config, &env, block)
             : -ENOSPC;
    if (rc) {
        virtio_plugin_destroy(plugin);
        return rc;
    }
    plugin->made = true;
    *device = plugin;
    return 0;
}

/* The device first: it may still have buffers of a queue in use. */
void virtio_plugin_destroy(void *device)
{
    struct virtio_plugin *plugin = device;

    if (plugin->class->destroy)
        plugin->class->destroy(plugin->device);
    if (plugin->made)
        virtio_mmio_destroy(&plugin->mmio);
    free(plugin);
}

void virtio_plugin_reset(void *device)
{
    struct virtio_plugin *plugin = device;

    virtio_mmio_reset(&plugin->mmio);
}

int virtio_plugin_read(void *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct virtio_plugin *plugin = device;

    if (size > 4 && offset < VIRTIO_MMIO_CONFIG)
        return -EINVAL; /* the registers have 32 bits: the core makes two accesses */
    *value = virtio_mmio_read(&plugin->mmio, offset, size);
    return 0;
}

int virtio_plugin_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_plugin *plugin = device;

    if (size > 4 && offset < VIRTIO_MMIO_CONFIG)
        return -EINVAL;
    virtio_mmio_write(&plugin->mmio, offset, size, value);
    /* Drivers free their buffers when Status has been written: not before the reset is done. */
    if (offset == VIRTIO_MMIO_STATUS && value == 0 && virtio_mmio_is_resetting(&plugin->mmio))
        return -EAGAIN;
    return 0;
}

int virtio_plugin_quiesce(void *device)
{
    struct virtio_plugin *plugin = device;

    virtio_mmio_hold(&plugin->mmio);
    return plugin->class->quiesce ? plugin->class->quiesce(plugin->device) : 0;
}

void virtio_plugin_resume(void *device)
{
    struct virtio_plugin *plugin = device;

    virtio_mmio_resume(&plugin->mmio);
}

void virtio_plugin_quiesced(struct virtio_plugin *plugin)
{
    plugin->ops->quiesced(plugin->instance);
}
