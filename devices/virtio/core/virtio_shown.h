/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a virtio-mmio transport in memory, where the guest reads them without an exit.
 * No read of one changes anything, so they are always shown.
 */
#pragma once

#include <ringvisor/virtio/virtio_plugin.h>

/* Before the device is made: the memory, if the vmm has it. */
void virtio_shown_open(struct virtio_plugin *plugin);

/* The device is made: from now on the guest may read them there. */
void virtio_shown_begin(struct virtio_plugin *plugin);

/* Bring all of them up to date; or InterruptStatus, which changes most often. */
void virtio_shown_update(struct virtio_plugin *plugin);
void virtio_shown_interrupts(struct virtio_plugin *plugin);
