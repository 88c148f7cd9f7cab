/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory: each region is mapped once, so that a descriptor costs a comparison and no call:
 * virtio_plugin_span() and virtio_plugin_ipa(), for devices.
 */
#pragma once

#include <ringvisor/virtio/virtio_plugin.h>

/* Before the device is made, and after it has gone. */
void virtio_memory_map_all(struct virtio_plugin *plugin);
void virtio_memory_unmap_all(struct virtio_plugin *plugin);
