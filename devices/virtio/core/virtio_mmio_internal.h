/* SPDX-License-Identifier: BSD-2-Clause */
/* What the transport's registers (virtio_mmio.c) ask of its life (virtio_mmio_life.c). */
#pragma once

#include <ringvisor/virtio/virtio_mmio.h>

/* The line's level is that of InterruptStatus: 4.2.3.4. */
void virtio_mmio_update_irq(struct virtio_mmio *mmio);

/* A write to Status. */
void virtio_mmio_set_status(struct virtio_mmio *mmio, uint32_t value);

/* QueueReady = 1 for one that is not; the queue's end, by QueueReady = 0 or QueueReset. */
void virtio_mmio_queue_start(struct virtio_mmio *mmio, struct virtqueue *vq);
void virtio_mmio_queue_stop(struct virtio_mmio *mmio, struct virtqueue *vq);
