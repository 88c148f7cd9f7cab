/* SPDX-License-Identifier: BSD-2-Clause */
/* File system device: requests, from a queue to the file system or a thread, and back. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "devices/virtio/fs/virtio_fs.h"

#define VFS_BATCH       64u         /* requests of a queue before others have their turn: */
#define VFS_BATCH_BYTES (64u << 10) /* each of so many bytes counts for one more */
#define VFS_ARGS_MAX    (4u << 20) /* copies of arguments; beyond it, requests stay in their rings */

/* A file system that the driver has given up. */
struct vfs_ended {
    struct fs_pool_job job; /* first */
    struct fs *fs;
};

/*
 * Sessions: what the driver sees between two mounts is one struct fs
 */

static void vfs_free_ended(struct fs_pool_job *job)
{
    fs_free(((struct vfs_ended *)(void *)job)->fs);
}

/* A thread closes the descriptors of the session before: there may be many. */
int vfs_new_session(struct vfs *v)
{
    struct vfs_ended *ended = v->fs ? malloc(sizeof(*ended)) : NULL;
    struct fs *fs;

    if (v->fs && !ended)
        return -ENOMEM;
    v->options.epoch = ++v->state->epoch;
    fs = fs_new(&v->options);
    if (!fs) {
        int error = -errno;

        free(ended);
        return error;
    }
    if (ended) {
        *ended = (struct vfs_ended){.job.run = vfs_free_ended, .fs = v->fs};
        fs_pool_add(&v->pool, &ended->job);
    }
    v->fs = fs;
    return 0;
}

/* A mount begins, or the driver is gone: what an earlier one left behind is forgotten. */
static void vfs_forget_all(struct vfs *v)
{
    v->state->begun = v->state->writeback = 0;
    if (fs_has_begun(v->fs) && vfs_new_session(v))
        v->plugin->ops->log(v->plugin->instance, RV_LOG_ERROR,
                            "out of memory: files of the mount before stay open");
}

/*
 * The end of a request
 */

static void vfs_free_args(struct vfs_job *job)
{
    if (job->r.args)
        job->vfs->args_bytes -= job->r.args_len;
    free(job->r.args);
    job->r.args = NULL;
}

static void vfs_finish(struct vfs_job *job)
{
    struct vfs *v = job->vfs;

    vfs_free_args(job);
    if (job->r.header.opcode == FUSE_INIT) {
        v->state->begun = fs_has_begun(v->fs);
        v->state->writeback = fs_delays_writes(v->fs);
    }
    virtqueue_push(job->vq, &job->chain, job->r.written);
    v->touched |= 1u << job->vq->index;
}

static void vfs_tell(struct vfs *v)
{
    for (unsigned i = 0; i < v->nr_queues; i++)
        if (v->touched >> i & 1)
            virtqueue_flush_notify(virtio_device_queue(&v->plugin->virtio, i));
    v->touched = 0;
}

void vfs_drop(struct fs_pool_job *job)
{
    if (job->run == vfs_free_ended)
        free(job);
    else
        vfs_free_args((struct vfs_job *)(void *)job);
}

/* There is one job for each slot: another request may use it only when its thread is done. */
static void vfs_queues_idle(struct vfs *v)
{
    for (unsigned i = 0; i < v->nr_queues; i++) {
        if (!(v->queue_resetting >> i & 1) || v->queue_in_flight[i])
            continue;
        v->queue_resetting &= ~(1u << i);
        virtio_device_queue_reset_done(&v->plugin->virtio,
                                       virtio_device_queue(&v->plugin->virtio, i));
    }
}

/* Queues that were starved go on. */
static void vfs_feed(struct vfs *v)
{
    if (!v->starved || v->args_bytes >= VFS_ARGS_MAX || v->resetting)
        return;
    for (unsigned i = 0; i < v->nr_queues; i++)
        if (v->starved >> i & 1)
            virtio_plugin_later(v->plugin, virtio_device_queue(&v->plugin->virtio, i));
    v->starved = 0;
}

static void vfs_collect(struct vfs *v)
{
    struct fs_pool_job *job;

    while ((job = fs_pool_take(&v->pool))) {
        struct vfs_job *j = (struct vfs_job *)(void *)job;

        if (job->run == vfs_free_ended) {
            free(job);
            continue;
        }
        v->in_flight--;
        v->queue_in_flight[j->vq->index]--;
        vfs_finish(j);
    }
    vfs_tell(v);
    vfs_queues_idle(v);
    vfs_feed(v);
    if (v->in_flight)
        return;
    if (v->resetting) {
        v->resetting = false;
        vfs_forget_all(v);
        virtio_device_reset_done(&v->plugin->virtio);
    }
    if (v->waited_for) {
        v->waited_for = false;
        virtio_plugin_quiesced(v->plugin);
    }
}

void vfs_ready(void *opaque, unsigned events)
{
    struct vfs *v = opaque;
    eventfd_t count;

    eventfd_read(v->pool.event, &count);
    vfs_collect(v);
}

/*
 * The beginning of a request
 */

void vfs_run(struct fs_pool_job *job)
{
    struct vfs_job *j = (struct vfs_job *)(void *)job;

    j->r.may_wait = true;
    fs_handle(j->fs, &j->r);
}

/* Copies the header and the arguments out of the guest's memory. False: the request is bad. */
static bool vfs_parse(struct vfs_job *job)
{
    struct virtq_chain *chain = &job->chain;
    struct fs_request *r = &job->r;
    size_t args;

    *r = (struct fs_request){0};
    if (iov_read(chain->readable, chain->readable_count, 0, &r->header, sizeof(r->header)) !=
            sizeof(r->header) ||
        r->header.len != chain->readable_bytes)
        return false;
    args = chain->readable_bytes - sizeof(r->header);
    if (r->header.opcode == FUSE_WRITE && args > sizeof(struct fuse_write_in))
        args = sizeof(struct fuse_write_in);
    if (args > FS_ARGS_MAX)
        return false;
    r->args = malloc(args + 1);
    if (!r->args)
        return false;
    r->args_len =
        iov_read(chain->readable, chain->readable_count, sizeof(r->header), r->args, args);
    r->args[r->args_len] = 0;
    job->vfs->args_bytes += r->args_len;
    iov_advance(&chain->readable, &chain->readable_count, sizeof(r->header) + r->args_len);
    r->data = chain->readable;
    r->data_count = chain->readable_count;
    r->out = chain->writable;
    r->out_count = chain->writable_count;
    r->out_bytes = chain->writable_bytes;
    return true;
}

static void vfs_start(struct vfs *v, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct vfs_job *job = &v->jobs[vq->index][chain->slot];

    job->vq = vq;
    job->chain = *chain;
    if (!vfs_parse(job)) {
        virtio_device_broken(&v->plugin->virtio, vq->index,
                             "a request whose length is not what it says, or too long: bytes",
                             chain->readable_bytes);
        return;
    }
    ++*v->requests;
    if (job->r.header.opcode == FUSE_INIT && !v->in_flight)
        vfs_forget_all(v);
    job->fs = v->fs;
    if (fs_handle(job->fs, &job->r) == 0) {
        vfs_finish(job);
        return;
    }
    ++*v->waited;
    v->in_flight++;
    v->queue_in_flight[vq->index]++;
    fs_pool_add(&v->pool, &job->job);
}

void vfs_notify(void *device, struct virtqueue *vq)
{
    struct vfs *v = device;
    struct virtq_chain chain;
    unsigned n = 0;

    do {
        virtqueue_notify_disable(vq);
        while (n < VFS_BATCH) {
            if (v->args_bytes >= VFS_ARGS_MAX) {
                v->starved |= 1u << vq->index;
                vfs_tell(v);
                return;
            }
            if (!virtqueue_pop(vq, &chain))
                break;
            n += 1 + (unsigned)((chain.readable_bytes + chain.writable_bytes) / VFS_BATCH_BYTES);
            vfs_start(v, vq, &chain);
        }
    } while (n < VFS_BATCH && virtqueue_notify_enable(vq));
    vfs_tell(v);
    if (n >= VFS_BATCH)
        virtio_plugin_later(v->plugin, vq);
}

/*
 * The process before may have done the request or not, and to do it twice may fail (mkdir)
 * or destroy data. Its nodes and open files are gone, too: the answer is an error.
 */
void vfs_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct vfs *v = device;
    struct fuse_in_header in;
    struct fuse_out_header out = {.len = sizeof(out), .error = -EIO};
    size_t written = 0;

    if (iov_read(chain->readable, chain->readable_count, 0, &in, sizeof(in)) == sizeof(in)) {
        out.unique = in.unique;
        written = iov_write(chain->writable, chain->writable_count, 0, &out, sizeof(out));
    }
    virtqueue_push(vq, chain, written);
    v->touched |= 1u << vq->index;
}

/*
 * Resets, and standing still
 */

/* What threads still do ends in vfs_collect(): then the driver has its memory back. */
bool vfs_reset(void *device)
{
    struct vfs *v = device;

    v->waited_for = false;
    v->starved = v->queue_resetting = 0;
    v->resetting = v->in_flight != 0;
    if (!v->resetting)
        vfs_forget_all(v);
    return !v->resetting;
}

bool vfs_queue_reset(void *device, struct virtqueue *vq)
{
    struct vfs *v = device;

    v->starved &= ~(1u << vq->index);
    if (v->queue_in_flight[vq->index])
        v->queue_resetting |= 1u << vq->index; /* the driver polls QueueReset until it is over */
    return v->queue_in_flight[vq->index] == 0;
}

int vfs_quiesce(void *device)
{
    struct vfs *v = device;

    v->waited_for = v->in_flight != 0;
    return v->waited_for ? -EINPROGRESS : 0;
}
