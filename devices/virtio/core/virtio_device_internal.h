/* SPDX-License-Identifier: BSD-2-Clause */
/* What the transports ask of a device's life (virtio_device.c) and of its registers. */
#pragma once

#include <ringvisor/virtio/virtio_device.h>

/* Causes of an interrupt, which both transports number alike. */
#define VIRTIO_INTERRUPT_QUEUE  0x1u
#define VIRTIO_INTERRUPT_CONFIG 0x2u

/* The line's level is that of the interrupt status: virtio 1.2, 4.2.3.4, 4.1.4.5. */
void virtio_device_update_irq(struct virtio_device *virtio);

/* Causes are acknowledged: virtio 1.2, 4.2.2. */
void virtio_device_acknowledge(struct virtio_device *virtio, uint32_t causes);

/* A write to the status. */
void virtio_device_set_status(struct virtio_device *virtio, uint32_t value);

/* The queue becomes ready, of one that is not; its end, by the driver's wish. */
void virtio_device_queue_start(struct virtio_device *virtio, struct virtqueue *vq);
void virtio_device_queue_stop(struct virtio_device *virtio, struct virtqueue *vq);

/*
 * virtio_registers.c: what both transports have, each at its own offsets. `offset` is for
 * messages.
 */

/* What the driver does wrong without harm is ignored, and said once. */
void virtio_device_refuse(struct virtio_device *virtio, const char *what, uint64_t value);

/* The selected queue, or NULL if there is none. */
struct virtqueue *virtio_device_selected(struct virtio_device *virtio);

/* The configuration space, any width. What lies past the device's own reads as 0. */
uint64_t virtio_device_config_read(struct virtio_device *virtio, uint64_t offset, unsigned size);
void virtio_device_config_write(struct virtio_device *virtio, uint64_t offset, unsigned size,
                                uint64_t value);

/* The selected 32 feature bits: offered, and as the driver wrote them. */
uint32_t virtio_device_offered(const struct virtio_device *virtio);
uint32_t virtio_device_accepted(const struct virtio_device *virtio);
void virtio_device_set_accepted(struct virtio_device *virtio, uint32_t value);

/* May the queue be set up now? Not while it is ready. */
bool virtio_device_may_set_up(struct virtio_device *virtio, const struct virtqueue *vq,
                              uint64_t offset);
void virtio_device_set_size(struct virtio_device *virtio, struct virtqueue *vq, uint32_t value);
void virtio_device_set_half(uint64_t *address, uint32_t value, bool high);
void virtio_device_enable_queue(struct virtio_device *virtio, struct virtqueue *vq);
void virtio_device_reset_queue(struct virtio_device *virtio, struct virtqueue *vq, uint32_t value);

void virtio_device_notify(struct virtio_device *virtio, uint32_t value);
