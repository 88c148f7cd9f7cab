/* SPDX-License-Identifier: BSD-2-Clause */
/* The instance: queues, resets, configuration space, state. */
#include "devices/vhost_user/vhost_user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * Rings
 */

void vhost_user_starting(void *opaque, unsigned index)
{
    struct vhost_user *vu = opaque;
    const struct virtqueue *vq = virtio_device_queue(&vu->plugin->virtio, index);
    struct vhost_user_state *state = vu->state;
    bool known = state->stands[index] || vu->relayed;

    vu->engine.rings[index] = (struct vhost_user_ring){
        .num = vq->state->size,
        .desc = vq->state->desc,
        .avail = vq->state->driver,
        .used = vq->state->device,
        .base = known ? state->base[index] : virtqueue_used_index(vq),
        .kick = vu->queues[index].kick,
        .call = vu->queues[index].call,
        .err = vu->err,
    };
    state->stands[index] = 0;
    if (vu->relayed)
        vhost_user_relay_begin(&vu->relay, index, &vu->engine.rings[index]);
}

void vhost_user_stopped(void *opaque, unsigned index)
{
    struct vhost_user *vu = opaque;

    vhost_user_look(vu);
    if (vu->relayed) {
        vhost_user_collect(vu, index);
        vhost_user_relay_end(&vu->relay, index);
    }
    vu->state->base[index] = vu->engine.rings[index].base;
    vu->state->stands[index] = 1;
}

void vhost_user_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* What the back end has of a ring that ends is nothing for the next driver. */
static void vhost_user_forget(struct vhost_user *vu, unsigned index)
{
    eventfd_t count;

    vu->state->base[index] = 0;
    vu->state->stands[index] = 1;
    if (vu->relayed)
        vhost_user_relay_drop(&vu->relay, index);
    (void)eventfd_read(vu->queues[index].call, &count);
    (void)eventfd_read(vu->queues[index].kick, &count);
    vu->up &= ~(1ull << index);
}

/*
 * Relayed queues
 */

void vhost_user_collect(struct vhost_user *vu, unsigned index)
{
    const struct virtio_plugin *plugin = vu->plugin;
    struct virtqueue *vq = virtio_device_queue(&vu->plugin->virtio, index);
    struct virtq_chain chain;
    uint32_t written;
    int got;

    /* There are not more than the ring has entries. */
    while ((got = vhost_user_relay_get(&vu->relay, index, &chain, &written)) == 1) {
        /* All of it: what a back end says that it has written is not always so. */
        *vu->marks += chain.writable_count != 0;
        for (unsigned i = 0; i < chain.writable_count; i++)
            plugin->ops->mem_dirty(plugin->instance,
                                   virtio_plugin_ipa(plugin, chain.writable[i].iov_base),
                                   chain.writable[i].iov_len);
        virtqueue_push(vq, &chain, written);
    }
    virtqueue_flush_notify(vq);
    if (got < 0) {
        vhost_user_relay_end(&vu->relay, index);
        vhost_user_engine_refuse(&vu->engine, "a used buffer that was not in flight:", written);
    }
}

/* Bounded by the queue's slots: what the back end uses comes back in the loop. */
static void vhost_user_fill(struct vhost_user *vu, struct virtqueue *vq)
{
    struct virtq_chain chain;

    do {
        virtqueue_notify_disable(vq);
        while (virtqueue_pop(vq, &chain))
            vhost_user_relay_put(&vu->relay, vq->index, &chain);
    } while (virtqueue_notify_enable(vq));
}

void vhost_user_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct vhost_user *vu = device;

    vhost_user_relay_put(&vu->relay, vq->index, chain);
}

/* The features that the back end is told to work with. */
static uint64_t vhost_user_accepted(struct vhost_user *vu)
{
    uint64_t features = virtio_device_features(&vu->plugin->virtio);

    if (vu->relayed)
        features = (features & vu->type->features) | VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
                   VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
    return features;
}

void vhost_user_notify(void *device, struct virtqueue *vq)
{
    struct vhost_user *vu = device;
    uint64_t bit = 1ull << vq->index;

    (*vu->kicks)++;
    if (vu->waited_for) { /* resumed before all was done */
        vu->waited_for = false;
        vu->draining &= vu->stopping;
    }
    if (vu->relayed)
        vhost_user_fill(vu, vq);
    if (!(vu->engine.want & bit)) {
        vu->engine.driver_features = vhost_user_accepted(vu);
        vu->engine.want |= bit;
        vhost_user_link_pump(vu);
    }
    /* What comes before the ring is up waits in the descriptor. */
    (void)eventfd_write(vu->queues[vq->index].kick, 1);
}

/* The first notifications follow, and start the rings: all of them at once is one message less. */
void vhost_user_driver_ok(void *device)
{
    struct vhost_user *vu = device;

    for (unsigned i = 0; i < vu->nr_queues; i++)
        vu->queues[i].seen = 0;
}

void vhost_user_called(void *opaque, unsigned events)
{
    struct vhost_user_queue *q = opaque;
    struct vhost_user *vu = q->vu;
    eventfd_t count;

    if (eventfd_read(q->call, &count))
        return;
    (*vu->calls)++;
    vhost_user_look(vu);
    if (vu->relayed) {
        vhost_user_collect(vu, q->index);
        vhost_user_link_pump(vu);
    } else if (vu->engine.begun >> q->index & 1) {
        virtio_device_used(&vu->plugin->virtio, 1ull << q->index);
    }
}

void vhost_user_failed(void *opaque, unsigned events)
{
    struct vhost_user *vu = opaque;
    eventfd_t count;

    if (eventfd_read(vu->err, &count) == 0)
        vhost_user_say(vu, VHOST_USER_SAYS_FAILED, "the back end at '%s' says that a queue failed",
                       vu->path);
}

/* Linux does not wait for the end of a reset: the transport holds the CPU that asked for it. */
bool vhost_user_reset(void *device)
{
    struct vhost_user *vu = device;

    vhost_user_look(vu);
    vu->waited_for = false;
    vu->state->written = 0;
    vu->type->config(vu);
    vu->resetting = true;
    vhost_user_link_stop(vu, ~0ull >> (64 - vu->nr_queues));
    return !vu->resetting;
}

bool vhost_user_queue_reset(void *device, struct virtqueue *vq)
{
    struct vhost_user *vu = device;
    uint64_t bit = 1ull << vq->index;

    vhost_user_link_stop(vu, bit);
    return !(vu->stopping & bit);
}

void vhost_user_reset_done(struct vhost_user *vu, uint64_t mask)
{
    struct virtio_device *virtio = &vu->plugin->virtio;

    vhost_user_look(vu);
    for (unsigned i = 0; i < vu->nr_queues; i++)
        if (mask >> i & 1)
            vhost_user_forget(vu, i);
    if (vu->resetting) {
        vu->resetting = false;
        vhost_user_close(vu->engine.inflight.fd);
        vu->engine.inflight.fd = -1;
        vu->engine.renew = true;
        virtio_device_reset_done(virtio);
        return;
    }
    for (unsigned i = 0; i < vu->nr_queues; i++)
        if (mask >> i & 1)
            virtio_device_queue_reset_done(virtio, virtio_device_queue(virtio, i));
}

int vhost_user_quiesce(void *device)
{
    struct vhost_user *vu = device;

    vhost_user_link_drain(vu, ~0ull);
    vu->waited_for = vu->engine.begun != 0;
    return vu->waited_for ? -EINPROGRESS : 0;
}

/* What a back end has written shows in its rings, so each mode is the same. */
void vhost_user_sync(void *device, uint32_t mode)
{
    struct virtio_plugin *plugin = device;
    struct vhost_user *vu = plugin->device;

    /* A relay marks each buffer that it gives back. */
    vhost_user_look(vu);
    if (!vu->moved)
        return;
    vu->moved = false;
    (*vu->marks)++;
    for (unsigned i = 0; i < vu->setup.nr_regions; i++)
        plugin->ops->mem_dirty(plugin->instance, vu->setup.regions[i].guest,
                               vu->setup.regions[i].bytes);
}

/*
 * Configuration space: what the back end said last, so that no access waits for it.
 */

void vhost_user_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct vhost_user *vu = device;

    memcpy(data, vu->state->config + offset, len);
}

void vhost_user_config_write(void *device, uint32_t offset, const void *data, size_t len)
{
    struct vhost_user *vu = device;
    uint32_t at = vu->type->writable;

    /* A back end without the feature may refuse, and would be of no use from then on. */
    if (!at || at < offset || at - offset >= len ||
        !(virtio_device_features(&vu->plugin->virtio) & vu->type->writes))
        return;
    vu->state->config[at] = ((const uint8_t *)data)[at - offset];
    vu->state->written = 1;
    vu->engine.config[at] = vu->state->config[at];
    vu->engine.config_at = at;
    vu->engine.config_len = 1;
    vu->engine.config_write = true;
    vhost_user_link_pump(vu);
}
