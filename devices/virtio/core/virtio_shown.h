/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a virtio-mmio transport in memory, where the guest reads them without an exit.
 * No read of one changes anything, so they are shown always, or never: see `config_told`.
 */
#pragma once

#include <ringvisor/virtio/virtio_plugin.h>

/* Before the device is made: the memory, if the vmm has it and the device tells of all changes. */
void virtio_shown_open(struct virtio_plugin *plugin, const struct virtio_device_config *config);

/* The device is made: from now on the guest may read them there. */
void virtio_shown_begin(struct virtio_plugin *plugin);

/* Bring all of them up to date; or InterruptStatus, which changes most often. */
void virtio_shown_update(struct virtio_plugin *plugin);
void virtio_shown_interrupts(struct virtio_plugin *plugin);
