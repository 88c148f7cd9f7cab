/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File system device: virtio 1.2, 5.11. What virtio_fs.c (the instance) and virtio_fs_request.c
 * (its requests) share.
 */
#pragma once

#include "devices/virtio/fs/fs.h"
#include "devices/virtio/fs/virtio_fs_pool.h"
#include <ringvisor/virtio/virtio_plugin.h>

#define VFS_QUEUES_MAX 9u

/* In the state block: what INIT has agreed on. */
struct vfs_state {
    uint8_t begun;
    uint8_t writeback;
    uint16_t epoch; /* of the last file system: its numbers are never used again */
    uint8_t pad[4];
};
_Static_assert(sizeof(struct vfs_state) == 8, "state layout");

struct vfs;

struct vfs_job {
    struct fs_pool_job job; /* first */
    struct vfs *vfs;
    struct fs *fs;
    struct virtqueue *vq;
    struct virtq_chain chain;
    struct fs_request r;
};

struct vfs {
    struct virtio_plugin *plugin;
    struct vfs_state *state;
    struct vfs *next; /* of this process */
    struct fs_options options;
    struct fs *fs;
    struct fs_pool pool;
    bool pool_made;
    struct rv_watch *watch;
    struct vfs_job *jobs[VFS_QUEUES_MAX]; /* one for each slot of a queue */
    struct virtqueue_limits limits[VFS_QUEUES_MAX];
    unsigned nr_queues;
    unsigned in_flight; /* requests that threads have, or whose replies are not pushed yet */
    unsigned queue_in_flight[VFS_QUEUES_MAX];
    size_t args_bytes;
    uint32_t starved; /* queues that wait until there is room for arguments */
    uint32_t touched, queue_resetting;
    bool waited_for; /* virtio_plugin_quiesced() is due */
    bool resetting;
    uint64_t *requests, *waited; /* counters */
    char tag[36];
};

/* Begin with no files open. 0 or -errno. */
int vfs_new_session(struct vfs *v);

/* The device's callbacks. */
void vfs_notify(void *device, struct virtqueue *vq);
void vfs_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain);
bool vfs_reset(void *device);
bool vfs_queue_reset(void *device, struct virtqueue *vq);
int vfs_quiesce(void *device);

/* In a thread: do the request. */
void vfs_run(struct fs_pool_job *job);
/* Of pool.event: threads have done some. */
void vfs_ready(void *opaque, unsigned events);
/* It is done, and nobody waits for it any more. */
void vfs_drop(struct fs_pool_job *job);
