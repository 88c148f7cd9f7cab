/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asynchronous system calls on one descriptor. The call is in the request's
 * `work`: call, at, piece, iov, iov_count; its result goes to work.result.
 */
#pragma once

#include <stdbool.h>

#include "vmm/disk/disk_internal.h"

enum engine_call {
    ENGINE_READ,       /* preadv */
    ENGINE_WRITE,      /* pwritev */
    ENGINE_SYNC,       /* fdatasync */
    ENGINE_PUNCH,      /* fallocate: deallocate; reads as zeros then */
    ENGINE_ZERO,       /* fallocate: zeros, allocated */
    ENGINE_BLKDISCARD, /* ioctl on a block device; the thread pool only */
};

struct engine {
    const struct engine_ops *ops;
    int fd;    /* what the calls are made on; the owner's */
    int ready; /* readable while reap() may find something */
};

struct engine_ops {
    const char *name;
    /* Takes the request; it is started by kick() at the latest. */
    void (*submit)(struct engine *engine, struct disk_request *request);
    /* False: the kernel did not take them all and nothing is under way that would tell when it
       can: try again later. */
    bool (*kick)(struct engine *engine);
    /* Forgets a request that was not started. False: it was, or it is not the engine's. */
    bool (*cancel)(struct engine *engine, struct disk_request *request);
    /* Appends what is over to `over`. */
    void (*reap)(struct engine *engine, struct disk_list *over);
    /* Nothing may be under way. */
    void (*close)(struct engine *engine);
};

/* 0 or -errno, without a message. */
int engine_uring_open(int fd, struct engine **engine);
int engine_threads_open(int fd, struct engine **engine);
