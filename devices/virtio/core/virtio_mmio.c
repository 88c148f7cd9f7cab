/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers: virtio 1.2, 4.2.2. Sections without a name are of virtio 1.2. */
#include <ringvisor/virtio/virtio_mmio.h>

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "devices/virtio/core/virtio_mmio_internal.h"

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR  0x52535652u /* "RVSR" */

#define SHM_NONE UINT32_MAX /* of a region that does not exist: length and base are -1 */

/* What the driver does wrong without harm is ignored, and said once. */
static void virtio_mmio_refuse(struct virtio_mmio *mmio, const char *what, uint64_t value)
{
    if (!mmio->logged_register)
        mmio->env.log(mmio->env.opaque,
                      "the driver's access is ignored: %s 0x%" PRIx64 "; further ones without a "
                      "message",
                      what, value);
    mmio->logged_register = true;
}

/* The selected queue, or NULL if there is none. */
static struct virtqueue *virtio_mmio_selected(struct virtio_mmio *mmio)
{
    uint32_t index = mmio->state->queue_sel;

    return index < mmio->queue_count ? &mmio->queues[index] : NULL;
}

/*
 * Configuration space, 4.2.2: byte-addressed, any width. What lies past the
 * device's own reads as 0.
 */

static size_t virtio_mmio_config_len(const struct virtio_mmio *mmio, uint64_t offset, size_t len)
{
    if (offset >= mmio->config_size)
        return 0;
    return mmio->config_size - offset < len ? mmio->config_size - (size_t)offset : len;
}

static uint64_t virtio_mmio_config_read(struct virtio_mmio *mmio, uint64_t offset, unsigned size)
{
    size_t len = virtio_mmio_config_len(mmio, offset, size);
    uint64_t value = 0;

    if (len != 0 && mmio->class->config_read)
        mmio->class->config_read(mmio->device, (uint32_t)offset, &value, len);
    return le64toh(value);
}

static void virtio_mmio_config_write(struct virtio_mmio *mmio, uint64_t offset, unsigned size,
                                     uint64_t value)
{
    size_t len = virtio_mmio_config_len(mmio, offset, size);

    value = htole64(value);
    if (len != 0 && mmio->class->config_write)
        mmio->class->config_write(mmio->device, (uint32_t)offset, &value, len);
}

static uint32_t virtio_mmio_register(struct virtio_mmio *mmio, uint64_t offset)
{
    const struct virtio_state *state = mmio->state;
    const struct virtqueue *vq = virtio_mmio_selected(mmio);

    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE: return MAGIC;
    case VIRTIO_MMIO_VERSION: return VERSION;
    case VIRTIO_MMIO_DEVICE_ID: return mmio->class->id;
    case VIRTIO_MMIO_VENDOR_ID: return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES:
        return state->device_features_sel > 1
                   ? 0
                   : (uint32_t)(state->device_features >> 32 * state->device_features_sel);
    case VIRTIO_MMIO_QUEUE_NUM_MAX: return vq ? vq->state->max : 0;
    case VIRTIO_MMIO_QUEUE_READY: return vq ? vq->state->ready : 0;
    case VIRTIO_MMIO_QUEUE_RESET: return vq ? vq->state->resetting : 0;
    case VIRTIO_MMIO_INTERRUPT_STATUS: return state->interrupt_status;
    case VIRTIO_MMIO_STATUS: return state->status;
    case VIRTIO_MMIO_SHM_LEN_LOW:
    case VIRTIO_MMIO_SHM_LEN_HIGH:
    case VIRTIO_MMIO_SHM_BASE_LOW:
    case VIRTIO_MMIO_SHM_BASE_HIGH: return SHM_NONE;
    case VIRTIO_MMIO_CONFIG_GENERATION: return state->config_generation;
    default: return 0;
    }
}

uint64_t virtio_mmio_read(struct virtio_mmio *mmio, uint64_t offset, unsigned size)
{
    if (offset >= VIRTIO_MMIO_CONFIG)
        return virtio_mmio_config_read(mmio, offset - VIRTIO_MMIO_CONFIG, size);
    if (size != 4 || offset % 4 != 0) {
        virtio_mmio_refuse(mmio, "a read that is not of 32 bits, at", offset);
        return 0;
    }
    return virtio_mmio_register(mmio, offset);
}

static void virtio_mmio_driver_features(struct virtio_mmio *mmio, uint32_t value)
{
    struct virtio_state *state = mmio->state;
    unsigned shift = 32 * state->driver_features_sel;

    if (state->status & VIRTIO_CONFIG_S_FEATURES_OK) {
        virtio_mmio_refuse(mmio, "features after FEATURES_OK:", value);
        return;
    }
    if (state->driver_features_sel > 1)
        return;
    state->driver_features = (state->driver_features & ~(0xffffffffull << shift)) | (uint64_t)value
                                                                                        << shift;
}

static void virtio_mmio_set_half(uint64_t *address, uint32_t value, bool high)
{
    *address = high ? (*address & 0xffffffffull) | (uint64_t)value << 32
                    : (*address & ~0xffffffffull) | value;
}

/* Registers of a queue that is not in use yet. */
static void virtio_mmio_queue_setup(struct virtio_mmio *mmio, struct virtqueue *vq, uint64_t offset,
                                    uint32_t value)
{
    struct virtq_state *queue = vq->state;

    if (queue->ready) {
        virtio_mmio_refuse(mmio, "a write to a queue that is ready, at", offset);
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        if (value == 0 || value > queue->max)
            virtio_mmio_refuse(mmio, "a queue size that QueueNumMax does not allow:", value);
        else
            queue->size = value;
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW: virtio_mmio_set_half(&queue->desc, value, false); break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH: virtio_mmio_set_half(&queue->desc, value, true); break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW: virtio_mmio_set_half(&queue->driver, value, false); break;
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: virtio_mmio_set_half(&queue->driver, value, true); break;
    case VIRTIO_MMIO_QUEUE_USED_LOW: virtio_mmio_set_half(&queue->device, value, false); break;
    case VIRTIO_MMIO_QUEUE_USED_HIGH: virtio_mmio_set_half(&queue->device, value, true); break;
    }
}

static void virtio_mmio_queue_ready(struct virtio_mmio *mmio, struct virtqueue *vq, uint32_t value)
{
    if (value == 0) {
        if (vq->state->ready && !vq->state->resetting)
            virtio_mmio_queue_stop(mmio, vq);
        return;
    }
    if (vq->state->ready)
        return;
    /* The ring's format is not known before. */
    if (!(mmio->state->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
        mmio->state->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
        virtio_mmio_refuse(mmio, "QueueReady with status", mmio->state->status);
        return;
    }
    virtio_mmio_queue_start(mmio, vq);
}

static void virtio_mmio_queue_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
    struct virtqueue *vq = virtio_mmio_selected(mmio);

    if (!vq) {
        virtio_mmio_refuse(mmio, "there is no queue", mmio->state->queue_sel);
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_READY: virtio_mmio_queue_ready(mmio, vq, value); break;
    case VIRTIO_MMIO_QUEUE_RESET:
        if (!(virtio_mmio_features(mmio) & VIRTIO_FEATURE(VIRTIO_F_RING_RESET)))
            virtio_mmio_refuse(mmio, "QueueReset without VIRTIO_F_RING_RESET:", value);
        else if (value == 1 && vq->state->ready && !vq->state->resetting)
            virtio_mmio_queue_stop(mmio, vq);
        break;
    default: virtio_mmio_queue_setup(mmio, vq, offset, value); break;
    }
}

static void virtio_mmio_notify(struct virtio_mmio *mmio, uint32_t value)
{
    uint32_t index = value;

    /* 4.2.3.3: then bits 31:16 say how far the driver is, which the ring says as well. */
    if (virtio_mmio_features(mmio) & VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA))
        index &= 0xffffu;
    if (index >= mmio->queue_count)
        virtio_mmio_refuse(mmio, "a notification of queue", index);
    else if (mmio->queues[index].running)
        mmio->class->notify(mmio->device, &mmio->queues[index]);
}

void virtio_mmio_write(struct virtio_mmio *mmio, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_state *state = mmio->state;
    uint32_t value32 = (uint32_t)value;

    /* The driver has to wait until the reset is done, and has been told so. */
    if (state->resetting && offset == VIRTIO_MMIO_STATUS && size == 4 && value32 == 0)
        return; /* the same request once more */
    if (state->resetting) {
        virtio_mmio_refuse(mmio, "a write while the device is being reset, at", offset);
        return;
    }
    if (offset >= VIRTIO_MMIO_CONFIG) {
        virtio_mmio_config_write(mmio, offset - VIRTIO_MMIO_CONFIG, size, value);
        return;
    }
    if (size != 4 || offset % 4 != 0) {
        virtio_mmio_refuse(mmio, "a write that is not of 32 bits, at", offset);
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL: state->device_features_sel = value32; break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL: state->driver_features_sel = value32; break;
    case VIRTIO_MMIO_DRIVER_FEATURES: virtio_mmio_driver_features(mmio, value32); break;
    case VIRTIO_MMIO_QUEUE_SEL: state->queue_sel = value32; break;
    case VIRTIO_MMIO_QUEUE_NUM:
    case VIRTIO_MMIO_QUEUE_READY:
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
    case VIRTIO_MMIO_QUEUE_USED_LOW:
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
    case VIRTIO_MMIO_QUEUE_RESET: virtio_mmio_queue_write(mmio, offset, value32); break;
    case VIRTIO_MMIO_QUEUE_NOTIFY: virtio_mmio_notify(mmio, value32); break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
        state->interrupt_status &= ~value32;
        /* What is not acknowledged interrupts anew: the line may be one of edges. */
        mmio->env.irq(mmio->env.opaque, false);
        virtio_mmio_update_irq(mmio);
        break;
    case VIRTIO_MMIO_STATUS: virtio_mmio_set_status(mmio, value32); break;
    case VIRTIO_MMIO_SHM_SEL: break; /* there is no region to select */
    default: virtio_mmio_refuse(mmio, "a write to no register that can be written:", offset); break;
    }
}
