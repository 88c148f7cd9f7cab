/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio device's two sides: the vmm (plugin_host.h) and the driver with the guest's memory. */
#pragma once

#include "tests/unit/support/plugin_host.h"
#include "tests/unit/support/virtio_driver.h"

static inline void driver_host_init(struct rv_instance *host, struct driver_world *world)
{
    driver_world_init(world);
    plugin_host_init(host, world->ram, DRIVER_RAM_BASE, DRIVER_RAM_SIZE);
}

/*
 * The driver takes `features` and VERSION_1, makes `queues` queues of `size` entries at `q`, and is
 * ready. False: the device does not accept that.
 */
static inline bool driver_host_begin(struct rv_instance *host, struct driver_world *world,
                                     struct driver_queue *q, unsigned queues, uint16_t size,
                                     uint64_t features)
{
    struct virtio_device *virtio = plugin_host_virtio(host);

    features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    if (!driver_negotiate(virtio, features))
        return false;
    for (unsigned i = 0; i < queues; i++) {
        driver_queue_init(&q[i], world, i, size, features);
        if (!driver_queue_enable(virtio, &q[i]))
            return false;
    }
    driver_ok(virtio);
    return true;
}

/* The device ends, if there is one. */
static inline void driver_host_end(struct rv_instance *host, struct driver_world *world)
{
    plugin_host_stop(host);
    plugin_host_free(host);
    driver_world_destroy(world);
}
