/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back end in front of another one, with more readers and writers than that has: clients of the
 * control interface see what goes to standard output, and type as well.
 *
 * The device waits for the back end behind, as if it were alone; it never waits for a watcher.
 */
#pragma once

#include "vmm/chardev/chardev.h"

/* Who sees the output. */
struct chardev_watcher {
    void (*output)(void *opaque, const uint8_t *data, size_t len);
    void *opaque;
    struct chardev_watcher *next;
};

/* `inner` stays the caller's, and lives longer. NULL after a message: out of memory. */
struct chardev *chardev_shared_new(struct event_base *base, struct chardev *inner);

/* It sees the last output at once, and what comes from now on. */
void chardev_shared_watch(struct chardev *shared, struct chardev_watcher *watcher);
void chardev_shared_unwatch(struct chardev *shared, struct chardev_watcher *watcher);

/*
 * Input, as if it were typed behind. How many of the bytes were taken: all, or none, when there is
 * no room for them since the guest does not read.
 */
size_t chardev_shared_type(struct chardev *shared, const uint8_t *data, size_t len);
