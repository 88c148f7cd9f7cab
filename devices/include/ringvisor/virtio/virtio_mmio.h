/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio-mmio transport, version 2: virtio 1.2, 4.2. */
#pragma once

#include <linux/virtio_mmio.h>
#include <stdint.h>

#include <ringvisor/virtio/virtio_device.h>

#define VIRTIO_MMIO_SIZE 0x200u

/* <linux/virtio_mmio.h> may be too old for it: virtio 1.2, 4.2.2. */
#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0
#endif

/* An access of 1, 2, 4 or 8 bytes inside of VIRTIO_MMIO_SIZE. */
uint64_t virtio_mmio_read(struct virtio_device *virtio, uint64_t offset, unsigned size);
void virtio_mmio_write(struct virtio_device *virtio, uint64_t offset, unsigned size,
                       uint64_t value);
