/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues that have had their turn in the loop: virtio_plugin_later(), for devices. A driver that
 * refills a queue as fast as it empties may not keep the loop, so a device serves so many buffers of
 * a queue, then others have their turn, and the rest comes in the next pass.
 */
#pragma once

#include <ringvisor/virtio/virtio_plugin.h>

/* Before the device is made. 0 or -ENOMEM. */
int virtio_later_open(struct virtio_plugin *plugin);
void virtio_later_close(struct virtio_plugin *plugin);

/* The device is held: when it goes on, it is notified of all queues anyway. */
void virtio_later_cancel(struct virtio_plugin *plugin);
