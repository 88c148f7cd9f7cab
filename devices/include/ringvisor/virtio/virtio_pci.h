/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI transport, without its legacy interface: virtio 1.2, 4.1. */
#pragma once

#include <stdint.h>

#include <ringvisor/pci.h>
#include <ringvisor/virtio/virtio_device.h>

/* BAR 0, a page for each structure. What is written from NOTIFY on can be told late. */
#define VIRTIO_PCI_COMMON   0x0000u
#define VIRTIO_PCI_ISR_AT   0x1000u
#define VIRTIO_PCI_DEVICE   0x2000u
#define VIRTIO_PCI_NOTIFY   0x3000u
#define VIRTIO_PCI_SIZE     0x4000u
#define VIRTIO_PCI_PAGE     0x1000u
#define VIRTIO_PCI_DOORBELL 4u /* bytes from one queue's to the next */

/* What the function of a device with `queues` queues looks like: one vector for each, and one. */
struct rv_pci_function virtio_pci_function(uint32_t id, unsigned queues);

/* An access of 1, 2 or 4 bytes inside of VIRTIO_PCI_SIZE; of 8 to the configuration as well. */
uint64_t virtio_pci_read(struct virtio_device *virtio, uint64_t offset, unsigned size);
void virtio_pci_write(struct virtio_device *virtio, uint64_t offset, unsigned size, uint64_t value);
