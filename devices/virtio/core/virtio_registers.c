/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's accesses as both transports have them. Sections are of virtio 1.2. */
#include <endian.h>
#include <inttypes.h>

#include "devices/virtio/core/virtio_device_internal.h"

void virtio_device_refuse(struct virtio_device *virtio, const char *what, uint64_t value)
{
    if (!virtio->logged_register)
        virtio->env.log(virtio->env.opaque,
                        "the driver's access is ignored: %s 0x%" PRIx64
                        "; further ones without a message",
                        what, value);
    virtio->logged_register = true;
}

struct virtqueue *virtio_device_selected(struct virtio_device *virtio)
{
    uint32_t index = virtio->state->queue_sel;

    return index < virtio->queue_count ? &virtio->queues[index] : NULL;
}

static size_t virtio_device_config_len(const struct virtio_device *virtio, uint64_t offset,
                                       size_t len)
{
    if (offset >= virtio->config_size)
        return 0;
    return virtio->config_size - offset < len ? virtio->config_size - (size_t)offset : len;
}

uint64_t virtio_device_config_read(struct virtio_device *virtio, uint64_t offset, unsigned size)
{
    size_t len = virtio_device_config_len(virtio, offset, size);
    uint64_t value = 0;

    if (len != 0 && virtio->class->config_read)
        virtio->class->config_read(virtio->device, (uint32_t)offset, &value, len);
    return le64toh(value);
}

void virtio_device_config_write(struct virtio_device *virtio, uint64_t offset, unsigned size,
                                uint64_t value)
{
    size_t len = virtio_device_config_len(virtio, offset, size);

    value = htole64(value);
    if (len != 0 && virtio->class->config_write)
        virtio->class->config_write(virtio->device, (uint32_t)offset, &value, len);
}

static uint32_t virtio_device_half(uint64_t features, uint32_t select)
{
    return select > 1 ? 0 : (uint32_t)(features >> 32 * select);
}

uint32_t virtio_device_offered(const struct virtio_device *virtio)
{
    return virtio_device_half(virtio->state->device_features, virtio->state->device_features_sel);
}

uint32_t virtio_device_accepted(const struct virtio_device *virtio)
{
    return virtio_device_half(virtio->state->driver_features, virtio->state->driver_features_sel);
}

void virtio_device_set_accepted(struct virtio_device *virtio, uint32_t value)
{
    struct virtio_state *state = virtio->state;

    if (state->status & VIRTIO_CONFIG_S_FEATURES_OK)
        virtio_device_refuse(virtio, "features after FEATURES_OK:", value);
    else if (state->driver_features_sel <= 1)
        virtio_device_set_half(&state->driver_features, value, state->driver_features_sel);
}

void virtio_device_set_half(uint64_t *address, uint32_t value, bool high)
{
    *address = high ? (*address & 0xffffffffull) | (uint64_t)value << 32
                    : (*address & ~0xffffffffull) | value;
}

bool virtio_device_may_set_up(struct virtio_device *virtio, const struct virtqueue *vq,
                              uint64_t offset)
{
    if (vq->state->ready)
        virtio_device_refuse(virtio, "a write to a queue that is ready, at", offset);
    return !vq->state->ready;
}

void virtio_device_set_size(struct virtio_device *virtio, struct virtqueue *vq, uint32_t value)
{
    if (value == 0 || value > vq->state->max)
        virtio_device_refuse(virtio, "a queue size that the device does not allow:", value);
    else
        vq->state->size = value;
}

void virtio_device_enable_queue(struct virtio_device *virtio, struct virtqueue *vq)
{
    if (vq->state->ready)
        return;
    /* The ring's format is not known before. */
    if (!(virtio->state->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
        virtio->state->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
        virtio_device_refuse(virtio, "a queue is enabled with status", virtio->state->status);
        return;
    }
    virtio_device_queue_start(virtio, vq);
}

void virtio_device_reset_queue(struct virtio_device *virtio, struct virtqueue *vq, uint32_t value)
{
    if (!(virtio_device_features(virtio) & VIRTIO_FEATURE(VIRTIO_F_RING_RESET)))
        virtio_device_refuse(virtio, "a queue's reset without VIRTIO_F_RING_RESET:", value);
    else if (value == 1 && vq->state->ready && !vq->state->resetting)
        virtio_device_queue_stop(virtio, vq);
}

void virtio_device_notify(struct virtio_device *virtio, uint32_t value)
{
    uint32_t index = value;

    /* 4.2.3.3: then bits 31:16 say how far the driver is, which the ring says as well. */
    if (virtio_device_features(virtio) & VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA))
        index &= 0xffffu;
    if (index >= virtio->queue_count)
        virtio_device_refuse(virtio, "a notification of queue", index);
    else if (virtio->queues[index].running)
        virtio->class->notify(virtio->device, &virtio->queues[index]);
}
