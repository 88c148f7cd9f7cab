/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File system device: virtio 1.2, 5.11. Queue 0 is for requests that must not wait behind
 * others, the rest are request queues; each takes any request.
 *
 * The loop reads and writes what is in the page cache. Threads do what may wait for a disk
 * or a server.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/fs/fs.h"
#include <ringvisor/virtio/virtio_plugin.h>
#include "devices/virtio/fs/virtio_fs_pool.h"

#define VFS_QUEUES_MAX  9u
#define VFS_SEGS        300u        /* FS_WRITE_MAX in pages, and heads */
#define VFS_BATCH       64u         /* requests of a queue before others have their turn: */
#define VFS_BATCH_BYTES (64u << 10) /* each of so many bytes counts for one more */
#define VFS_ARGS_MAX    (4u << 20) /* copies of arguments; beyond it, requests stay in their rings */
#define VFS_DRAIN_MS    5000u
#define VFS_ALWAYS      86400u
#define VFS_CONFIG_SIZE sizeof(struct virtio_fs_config)

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

/* A file system that the driver has given up. */
struct vfs_ended {
    struct fs_pool_job job; /* first */
    struct fs *fs;
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
    struct rv_timer *timer;
    struct vfs_job *jobs[VFS_QUEUES_MAX]; /* one for each slot of a queue */
    struct virtqueue_limits limits[VFS_QUEUES_MAX];
    unsigned nr_queues;
    unsigned in_flight; /* requests that threads have, or whose replies are not pushed yet */
    unsigned queue_in_flight[VFS_QUEUES_MAX];
    size_t args_bytes;
    uint32_t starved; /* queues that wait until there is room for arguments */
    uint32_t again, touched, queue_resetting;
    bool waited_for; /* virtio_plugin_quiesced() is due */
    bool resetting;
    uint64_t *requests, *waited; /* counters */
    char tag[36];
};

/* The shares of this process. Only the loop's thread changes the list. */
static struct vfs *vfs_shares;
static atomic_uint vfs_share_count;

/*
 * Sessions: what the driver sees between two mounts is one struct fs
 */

static void vfs_free_ended(struct fs_pool_job *job)
{
    fs_free(((struct vfs_ended *)(void *)job)->fs);
}

/* 0 or -errno. A thread closes the descriptors of the session before: there may be many. */
static int vfs_new_session(struct vfs *v)
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
    v->again |= v->starved;
    v->starved = 0;
    v->plugin->ops->timer_set(v->plugin->instance, v->timer, 0);
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

static void vfs_ready(void *opaque, unsigned events)
{
    struct vfs *v = opaque;
    eventfd_t count;

    eventfd_read(v->pool.event, &count);
    vfs_collect(v);
}

/*
 * The beginning of a request
 */

static void vfs_run(struct fs_pool_job *job)
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

static void vfs_notify(void *device, struct virtqueue *vq)
{
    struct vfs *v = device;
    struct virtq_chain chain;
    unsigned n = 0;

    v->waited_for = false; /* the device was resumed before all requests were done */
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
    if (n >= VFS_BATCH) {
        v->again |= 1u << vq->index;
        v->plugin->ops->timer_set(v->plugin->instance, v->timer, 0);
    }
}

static void vfs_go_on(void *opaque)
{
    struct vfs *v = opaque;
    uint32_t again = v->again;

    v->again = 0;
    for (unsigned i = 0; again >> i; i++)
        if (again >> i & 1)
            vfs_notify(v, virtio_device_queue(&v->plugin->virtio, i));
}

/*
 * The process before may have done the request or not, and to do it twice may fail (mkdir)
 * or destroy data. Its nodes and open files are gone, too: the answer is an error.
 */
static void vfs_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
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
static bool vfs_reset(void *device)
{
    struct vfs *v = device;

    v->waited_for = false;
    v->again = v->starved = v->queue_resetting = 0;
    v->resetting = v->in_flight != 0;
    if (!v->resetting)
        vfs_forget_all(v);
    return !v->resetting;
}

static bool vfs_queue_reset(void *device, struct virtqueue *vq)
{
    struct vfs *v = device;

    v->again &= ~(1u << vq->index);
    v->starved &= ~(1u << vq->index);
    if (v->queue_in_flight[vq->index])
        v->queue_resetting |= 1u << vq->index; /* the driver polls QueueReset until it is over */
    return v->queue_in_flight[vq->index] == 0;
}

static int vfs_quiesce(void *device)
{
    struct vfs *v = device;

    v->plugin->ops->timer_cancel(v->plugin->instance, v->timer);
    v->waited_for = v->in_flight != 0;
    return v->waited_for ? -EINPROGRESS : 0;
}

static void vfs_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct vfs *v = device;
    struct virtio_fs_config config = {.num_request_queues = htole32(v->nr_queues - 1)};

    memcpy(config.tag, v->tag, sizeof(config.tag));
    memcpy(data, (const uint8_t *)&config + offset, len);
}

/*
 * The instance
 */

static const char *const vfs_caches[] = {"auto", "none", "always", NULL};

static const struct rv_property vfs_properties[] = {
    {.name = "path", .type = RV_PROPERTY_PATH, .required = true, .help = "the folder to share"},
    {.name = "tag",
     .type = RV_PROPERTY_STRING,
     .required = true,
     .help = "what the guest mounts it by, 36 characters at most: mount -t virtiofs TAG /mnt"},
    {.name = "ro", .type = RV_PROPERTY_BOOL, .value = "off", .help = "the guest cannot write"},
    {.name = "cache",
     .type = RV_PROPERTY_ENUM,
     .value = "auto",
     .choices = vfs_caches,
     .help = "auto: the guest trusts names and attributes for a second, and contents until they "
             "change; none: it trusts nothing; always: all for ever, for folders that only this "
             "guest changes"},
    {.name = "writeback",
     .type = RV_PROPERTY_BOOL,
     .value = "off",
     .help = "the guest delays writes: for folders that only it changes"},
    {.name = "queues",
     .type = RV_PROPERTY_UINT,
     .value = "1",
     .min = 1,
     .max = VFS_QUEUES_MAX - 1,
     .help = "request queues"},
    {.name = "queue-size",
     .type = RV_PROPERTY_UINT,
     .value = "512",
     .min = 16,
     .max = VIRTQUEUE_SIZE_MAX,
     .help = "entries of a queue, a power of two"},
    VIRTIO_PLUGIN_PROPERTIES,
    {0},
};

/* 0, or -errno after a message. */
static int vfs_read_properties(struct vfs *v)
{
    const struct rv_vmm_ops *ops = v->plugin->ops;
    struct rv_instance *instance = v->plugin->instance;
    const char *tag = ops->property_string(instance, "tag");
    uint64_t size = ops->property_uint(instance, "queue-size");

    if (!*tag || strlen(tag) > sizeof(v->tag)) {
        ops->log(instance, RV_LOG_ERROR, "tag '%s': give 1 to %zu characters", tag, sizeof(v->tag));
        return -EINVAL;
    }
    memcpy(v->tag, tag, strlen(tag));
    if (size & (size - 1)) {
        ops->log(instance, RV_LOG_ERROR, "queue-size %llu: give a power of two",
                 (unsigned long long)size);
        return -EINVAL;
    }
    v->nr_queues = 1 + (unsigned)ops->property_uint(instance, "queues");
    for (unsigned i = 0; i < v->nr_queues; i++)
        v->limits[i] = (struct virtqueue_limits){.size = (uint16_t)size, .segs = VFS_SEGS};
    return 0;
}

/* 0, or -errno after a message: Linux knows a share by its tag alone. */
static int vfs_join(struct vfs *v)
{
    for (const struct vfs *other = vfs_shares; other; other = other->next)
        if (memcmp(other->tag, v->tag, sizeof(v->tag)) == 0) {
            v->plugin->ops->log(v->plugin->instance, RV_LOG_ERROR,
                                "tag '%.36s': another share has it: give each its own", v->tag);
            return -EEXIST;
        }
    v->next = vfs_shares;
    vfs_shares = v;
    atomic_fetch_add(&vfs_share_count, 1);
    return 0;
}

static void vfs_leave(struct vfs *v)
{
    for (struct vfs **link = &vfs_shares; *link; link = &(*link)->next)
        if (*link == v) {
            *link = v->next;
            atomic_fetch_sub(&vfs_share_count, 1);
            return;
        }
}

static int vfs_open(struct vfs *v)
{
    static const uint32_t timeouts[] = {1, 0, VFS_ALWAYS};
    static const uint32_t open_flags[] = {0, FOPEN_DIRECT_IO, FOPEN_KEEP_CACHE};
    const struct rv_vmm_ops *ops = v->plugin->ops;
    struct rv_instance *instance = v->plugin->instance;
    const char *path = ops->property_string(instance, "path");
    unsigned cache = ops->property_enum(instance, "cache");
    int error;

    v->options = (struct fs_options){
        .root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
        .read_only = ops->property_bool(instance, "ro"),
        .writeback = ops->property_bool(instance, "writeback"),
        .timeout = timeouts[cache],
        .open_flags = open_flags[cache],
        .sharers = &vfs_share_count,
    };
    error = v->options.root < 0 ? -errno : vfs_new_session(v);
    if (!error && RV_HAS_OP(ops, allow))
        error = ops->allow(instance, v->options.read_only ? RV_ALLOW_READ : RV_ALLOW_CHANGE, path);
    if (error)
        ops->log(instance, RV_LOG_ERROR, "folder '%s': %s", path, strerror(-error));
    return error;
}

static int vfs_allocate(struct vfs *v)
{
    const struct rv_vmm_ops *ops = v->plugin->ops;
    int error;

    for (unsigned i = 0; i < v->nr_queues; i++) {
        v->jobs[i] = calloc(v->limits[i].size, sizeof(*v->jobs[i]));
        if (!v->jobs[i])
            return -ENOMEM;
        for (unsigned n = 0; n < v->limits[i].size; n++) {
            v->jobs[i][n].vfs = v;
            v->jobs[i][n].job.run = vfs_run;
        }
    }
    error = fs_pool_init(&v->pool);
    if (error)
        return error;
    v->pool_made = true;
    v->watch = ops->fd_watch(v->plugin->instance, v->pool.event, RV_FD_READ, vfs_ready, v);
    v->timer = ops->timer_new(v->plugin->instance, vfs_go_on, v);
    return v->watch && v->timer ? 0 : -ENOMEM;
}

static void vfs_destroy(void *device)
{
    struct vfs *v = device;
    const struct rv_vmm_ops *ops = v->plugin->ops;
    struct fs_pool_job *job;

    if (v->watch)
        ops->fd_remove(v->plugin->instance, v->watch);
    if (v->timer)
        ops->timer_free(v->plugin->instance, v->timer);
    if (v->pool_made) {
        fs_pool_wait(&v->pool, VFS_DRAIN_MS);
        while ((job = fs_pool_take(&v->pool)))
            if (job->run == vfs_free_ended)
                free(job);
            else
                vfs_free_args((struct vfs_job *)(void *)job);
        fs_pool_destroy(&v->pool);
    }
    vfs_leave(v);
    if (v->options.root >= 0)
        close(v->options.root);
    for (unsigned i = 0; i < v->nr_queues; i++)
        free(v->jobs[i]);
    if (v->fs)
        fs_free(v->fs);
    free(v);
}

static int vfs_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                      struct virtio_device_config *config, void **device)
{
    struct vfs *v = calloc(1, sizeof(*v));
    int error;

    if (!v)
        return -ENOMEM;
    v->plugin = plugin;
    v->state = state;
    v->options.root = -1;
    error = vfs_read_properties(v);
    if (!error)
        error = vfs_join(v);
    if (!error)
        error = vfs_open(v);
    if (!error)
        error = vfs_allocate(v);
    if (error) {
        vfs_destroy(v);
        return error;
    }
    if (flags & RV_CREATE_RESUME && v->state->begun)
        fs_begin(v->fs, v->state->writeback && v->options.writeback);
    v->requests = plugin->ops->counter(plugin->instance, "requests", "requests of the guest");
    v->waited = plugin->ops->counter(plugin->instance, "waited",
                                     "requests that may have waited for a disk");
    *config = (struct virtio_device_config){
        .features = VIRTIO_RING_FEATURES,
        .config_size = VFS_CONFIG_SIZE,
        .queues = v->nr_queues,
        .limits = v->limits,
    };
    *device = v;
    return 0;
}

static const struct virtio_plugin_class vfs = {
    .virtio =
        {
            .id = VIRTIO_ID_FS,
            .notify = vfs_notify,
            .reset = vfs_reset,
            .queue_reset = vfs_queue_reset,
            .config_read = vfs_config_read,
            .resubmit = vfs_resubmit,
        },
    .create = vfs_create,
    .destroy = vfs_destroy,
    .quiesce = vfs_quiesce,
};

VIRTIO_PLUGIN(vfs, .name = "virtio-fs", .description = "virtio file system: a folder of the host's",
              .properties = vfs_properties, .state_version = 1,
              .state_size = sizeof(struct vfs_state));
