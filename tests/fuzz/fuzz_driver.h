/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fuzzer does to the registers, queues and memory of the virtio device of plugin_host.h. */
#pragma once

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/support/plugin_host.h"

static inline void write32(struct rv_instance *host, uint32_t reg, uint32_t value)
{
    ringvisor_device.regions[0].write(host->device, reg, 4, value, NULL);
}

/* A reset, and all that comes before the queues, as a driver that knows its business does it. */
static inline void driver_negotiates(struct rv_instance *host, uint64_t features)
{
    write32(host, VIRTIO_MMIO_STATUS, 0);
    write32(host, VIRTIO_MMIO_STATUS, 3);
    for (uint32_t i = 0; i < 2; i++) {
        write32(host, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
        write32(host, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32 * i));
    }
    write32(host, VIRTIO_MMIO_STATUS, 0xb);
}

/* A queue of that size, with its parts at these guest addresses. */
static inline void driver_adds_queue(struct rv_instance *host, uint32_t queue, uint32_t size,
                                     uint32_t desc, uint32_t avail, uint32_t used)
{
    write32(host, VIRTIO_MMIO_QUEUE_SEL, queue);
    write32(host, VIRTIO_MMIO_QUEUE_NUM, size);
    write32(host, VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
    write32(host, VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
    write32(host, VIRTIO_MMIO_QUEUE_USED_LOW, used);
    write32(host, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* A write and a read of a register or of configuration space, in the n-th of the four widths. */
static inline void driver_accesses(struct rv_instance *host, struct input *in, uint32_t where,
                                   unsigned n)
{
    static const unsigned sizes[] = {4, 1, 2, 8};
    unsigned size = sizes[n];
    uint64_t value;

    where -= where % size;
    if (where + size > VIRTIO_MMIO_SIZE)
        return;
    ringvisor_device.regions[0].write(host->device, where, size, take(in, 4), NULL);
    ringvisor_device.regions[0].read(host->device, where, size, &value, NULL);
}

/* Bytes of the input into guest memory, wherever it says. */
static inline void driver_scribbles(struct rv_instance *host, struct input *in)
{
    uint32_t where = take(in, 2) % (uint32_t)host->ram_size;

    for (unsigned n = take(in, 1); n != 0 && in->size != 0 && where < host->ram_size; n--)
        host->ram[where++] = (uint8_t)take(in, 1);
}
