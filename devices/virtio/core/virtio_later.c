/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/core/virtio_later.h"

#include <errno.h>

void virtio_plugin_later(struct virtio_plugin *plugin, const struct virtqueue *vq)
{
    if (virtio_device_is_held(&plugin->virtio))
        return;
    plugin->later |= 1ull << vq->index;
    plugin->ops->timer_set(plugin->instance, plugin->later_timer, 0);
}

void virtio_plugin_serve(struct virtio_plugin *plugin, struct virtqueue *vq, unsigned most,
                         void (*one)(void *device, struct virtqueue *vq,
                                     const struct virtq_chain *chain))
{
    struct virtq_chain chain;
    unsigned n = 0;

    do {
        virtqueue_notify_disable(vq);
        for (; n < most && virtqueue_pop(vq, &chain); n++)
            one(plugin->device, vq, &chain);
    } while (n < most && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    if (n == most)
        virtio_plugin_later(plugin, vq);
}

/* A queue that has been reset meanwhile, and runs again, is notified once too often. */
static void virtio_later_fired(void *opaque)
{
    struct virtio_plugin *plugin = opaque;
    struct virtio_device *virtio = &plugin->virtio;
    uint64_t later = plugin->later;

    plugin->later = 0;
    for (unsigned i = 0; i < virtio->queue_count; i++)
        if (later >> i & 1 && virtio->queues[i].running)
            virtio->class->notify(virtio->device, &virtio->queues[i]);
}

int virtio_later_open(struct virtio_plugin *plugin)
{
    plugin->later_timer = plugin->ops->timer_new(plugin->instance, virtio_later_fired, plugin);
    return plugin->later_timer ? 0 : -ENOMEM;
}

void virtio_later_close(struct virtio_plugin *plugin)
{
    if (plugin->later_timer)
        plugin->ops->timer_free(plugin->instance, plugin->later_timer);
    plugin->later_timer = NULL;
}

void virtio_later_cancel(struct virtio_plugin *plugin)
{
    plugin->later = 0;
    plugin->ops->timer_cancel(plugin->instance, plugin->later_timer);
}
