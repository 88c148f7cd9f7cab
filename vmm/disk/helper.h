/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program that knows the formats: a qemu-storage-daemon of our own, which
 * serves one image over a socket that nobody else can reach.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "vmm/disk/disk_internal.h"

#define HELPER_EXPORT "disk" /* name of the export */

struct helper_config {
    const char *program; /* NULL: qemu-storage-daemon */
    const char *path;
    const char *driver; /* QEMU's name of the format */
    enum disk_cache cache;
    bool is_block, read_only, discard, lock;
    int task; /* -1 at first; helper_start() keeps in it how it is started again */
};

struct helper;

/*
 * Starts it. `*socket` is connected to it already and is the caller's: the NBD
 * handshake comes when it is up, or the end of file when it is not. 0 or -errno
 * after a message. The strings of `config` must outlive it.
 */
int helper_start(struct event_base *base, struct helper_config *config, struct helper **helper,
                 int *socket);

/*
 * Ends it: asks it to write out all it has and to go, and kills it if that has
 * not happened after `grace_ms` (0: kills it at once). Says what it said, and
 * if it was killed. Frees.
 */
void helper_stop(struct helper *helper, int grace_ms);

/* It is not started again. */
void helper_forget(struct helper_config *config);
