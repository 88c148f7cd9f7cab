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

/* The device ends, if there is one. */
static inline void driver_host_end(struct rv_instance *host, struct driver_world *world)
{
    plugin_host_stop(host);
    plugin_host_free(host);
    driver_world_destroy(world);
}
