/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers: virtio 1.2, 4.2.2. Sections without a name are of virtio 1.2. */
#include <ringvisor/virtio/virtio_mmio.h>

#include "devices/virtio/core/virtio_device_internal.h"

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR  0x52535652u /* "RVSR" */

#define SHM_NONE UINT32_MAX /* of a region that does not exist: length and base are -1 */

static uint32_t virtio_mmio_register(struct virtio_device *virtio, uint64_t offset)
{
    const struct virtio_state *state = virtio->state;
    const struct virtqueue *vq = virtio_device_selected(virtio);

    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE: return MAGIC;
    case VIRTIO_MMIO_VERSION: return VERSION;
    case VIRTIO_MMIO_DEVICE_ID: return virtio->class->id;
    case VIRTIO_MMIO_VENDOR_ID: return VENDOR;
    case VIRTIO_MMIO_DEVICE_FEATURES: return virtio_device_offered(virtio);
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

uint64_t virtio_mmio_read(struct virtio_device *virtio, uint64_t offset, unsigned size)
{
    if (offset >= VIRTIO_MMIO_CONFIG)
        return virtio_device_config_read(virtio, offset - VIRTIO_MMIO_CONFIG, size);
    if (size != 4 || offset % 4 != 0) {
        virtio_device_refuse(virtio, "a read that is not of 32 bits, at", offset);
        return 0;
    }
    return virtio_mmio_register(virtio, offset);
}

/* Registers of a queue that is not in use yet. */
static void virtio_mmio_queue_setup(struct virtio_device *virtio, struct virtqueue *vq,
                                    uint64_t offset, uint32_t value)
{
    struct virtq_state *queue = vq->state;

    if (!virtio_device_may_set_up(virtio, vq, offset))
        return;
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM: virtio_device_set_size(virtio, vq, value); break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW: virtio_device_set_half(&queue->desc, value, false); break;
    case VIRTIO_MMIO_QUEUE_DESC_HIGH: virtio_device_set_half(&queue->desc, value, true); break;
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW: virtio_device_set_half(&queue->driver, value, false); break;
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: virtio_device_set_half(&queue->driver, value, true); break;
    case VIRTIO_MMIO_QUEUE_USED_LOW: virtio_device_set_half(&queue->device, value, false); break;
    case VIRTIO_MMIO_QUEUE_USED_HIGH: virtio_device_set_half(&queue->device, value, true); break;
    }
}

static void virtio_mmio_queue_ready(struct virtio_device *virtio, struct virtqueue *vq,
                                    uint32_t value)
{
    if (value != 0)
        virtio_device_enable_queue(virtio, vq);
    else if (vq->state->ready && !vq->state->resetting)
        virtio_device_queue_stop(virtio, vq);
}

static void virtio_mmio_queue_write(struct virtio_device *virtio, uint64_t offset, uint32_t value)
{
    struct virtqueue *vq = virtio_device_selected(virtio);

    if (!vq) {
        virtio_device_refuse(virtio, "there is no queue", virtio->state->queue_sel);
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_READY: virtio_mmio_queue_ready(virtio, vq, value); break;
    case VIRTIO_MMIO_QUEUE_RESET: virtio_device_reset_queue(virtio, vq, value); break;
    default: virtio_mmio_queue_setup(virtio, vq, offset, value); break;
    }
}

void virtio_mmio_write(struct virtio_device *virtio, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_state *state = virtio->state;
    uint32_t value32 = (uint32_t)value;

    /* The driver has to wait until the reset is done, and has been told so. */
    if (state->resetting && offset == VIRTIO_MMIO_STATUS && size == 4 && value32 == 0)
        return; /* the same request once more */
    if (state->resetting) {
        virtio_device_refuse(virtio, "a write while the device is being reset, at", offset);
        return;
    }
    if (offset >= VIRTIO_MMIO_CONFIG) {
        virtio_device_config_write(virtio, offset - VIRTIO_MMIO_CONFIG, size, value);
        virtio_device_changed(virtio);
        return;
    }
    if (size != 4 || offset % 4 != 0) {
        virtio_device_refuse(virtio, "a write that is not of 32 bits, at", offset);
        return;
    }
    switch (offset) {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL: state->device_features_sel = value32; break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL: state->driver_features_sel = value32; break;
    case VIRTIO_MMIO_DRIVER_FEATURES: virtio_device_set_accepted(virtio, value32); break;
    case VIRTIO_MMIO_QUEUE_SEL: state->queue_sel = value32; break;
    case VIRTIO_MMIO_QUEUE_NUM:
    case VIRTIO_MMIO_QUEUE_READY:
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
    case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
    case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
    case VIRTIO_MMIO_QUEUE_USED_LOW:
    case VIRTIO_MMIO_QUEUE_USED_HIGH:
    case VIRTIO_MMIO_QUEUE_RESET: virtio_mmio_queue_write(virtio, offset, value32); break;
    /* These are frequent, and change InterruptStatus at most. */
    case VIRTIO_MMIO_QUEUE_NOTIFY: virtio_device_notify(virtio, value32); return;
    case VIRTIO_MMIO_INTERRUPT_ACK: virtio_device_acknowledge(virtio, value32); return;
    case VIRTIO_MMIO_STATUS: virtio_device_set_status(virtio, value32); break;
    case VIRTIO_MMIO_SHM_SEL: break;     /* there is no region to select */
    case VIRTIO_MMIO_QUEUE_ALIGN: break; /* of legacy devices: EDK2 writes it to all */
    default:
        virtio_device_refuse(virtio, "a write to no register that can be written:", offset);
        break;
    }
    virtio_device_changed(virtio);
}
