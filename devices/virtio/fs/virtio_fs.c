/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File system device: virtio 1.2, 5.11. Queue 0 is for what must not wait behind
 * requests, the others are request queues; all of them take anything.
 *
 * What the page cache has is read and written at once, in the loop. What may wait for a
 * disk is a thread's.
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
#include "devices/virtio/core/virtio_plugin.h"
#include "devices/virtio/fs/virtio_fs_pool.h"

#define VFS_QUEUES_MAX  9u
#define VFS_SEGS        300u        /* FS_WRITE_MAX in pages, and heads */
#define VFS_BATCH       64u         /* requests of a queue before others have their turn: */
#define VFS_BATCH_BYTES (64u << 10) /* each of so many bytes counts for one more */
#define VFS_DRAIN_MS    5000u
#define VFS_ALWAYS      86400u
#define VFS_CONFIG_SIZE sizeof(struct virtio_fs_config)

/* In the state block: what INIT has agreed on. */
struct vfs_state {
    uint8_t begun;
    uint8_t writeback;
    uint8_t pad[6];
};
_Static_assert(sizeof(struct vfs_state) == 8, "state layout");

struct vfs;

struct vfs_job {
    struct fs_pool_job job; /* first */
    struct vfs *vfs;
    struct virtqueue *vq;
    struct virtq_chain chain;
    struct fs_request r;
};

struct vfs {
    struct virtio_plugin *plugin;
    struct vfs_state *state;
    struct fs *fs;
    struct fs_pool pool;
    bool pool_made;
    struct rv_host_watch *watch;
    struct rv_host_timer *timer;
    struct vfs_job *jobs[VFS_QUEUES_MAX]; /* one for each slot of a queue */
    struct virtqueue_limits limits[VFS_QUEUES_MAX];
    unsigned nr_queues;
    unsigned in_flight; /* with the pool, or done and not told */
    unsigned queue_in_flight[VFS_QUEUES_MAX];
    uint32_t again, touched, queue_resetting;
    bool waited_for; /* virtio_plugin_quiesced() is due */
    bool resetting;
    bool wants_writeback;
    uint64_t *requests, *waited; /* counters */
    char tag[36];
};

/*
 * The end of a request
 */

static void vfs_finish(struct vfs_job *job)
{
    struct vfs *v = job->vfs;

    free(job->r.args);
    job->r.args = NULL;
    if (job->r.header.opcode == FUSE_INIT) {
        v->state->begun = v->fs->begun;
        v->state->writeback = v->fs->options.writeback;
    }
    virtqueue_push(job->vq, &job->chain, job->r.written);
    v->touched |= 1u << job->vq->index;
}

static void vfs_tell(struct vfs *v)
{
    for (unsigned i = 0; i < v->nr_queues; i++)
        if (v->touched >> i & 1)
            virtqueue_flush_notify(virtio_mmio_queue(&v->plugin->mmio, i));
    v->touched = 0;
}

static void vfs_forget_all(struct vfs *v)
{
    fs_reset(v->fs);
    v->fs->options.writeback = v->wants_writeback;
    *v->state = (struct vfs_state){0};
}

/* A queue's jobs are its slots': another request may use one only when its thread is done. */
static void vfs_queues_idle(struct vfs *v)
{
    for (unsigned i = 0; i < v->nr_queues; i++) {
        if (!(v->queue_resetting >> i & 1) || v->queue_in_flight[i])
            continue;
        v->queue_resetting &= ~(1u << i);
        virtio_mmio_queue_reset_done(&v->plugin->mmio, virtio_mmio_queue(&v->plugin->mmio, i));
    }
}

static void vfs_collect(struct vfs *v)
{
    struct fs_pool_job *job;

    while ((job = fs_pool_take(&v->pool))) {
        struct vfs_job *j = (struct vfs_job *)(void *)job;

        v->in_flight--;
        v->queue_in_flight[j->vq->index]--;
        vfs_finish(j);
    }
    vfs_tell(v);
    vfs_queues_idle(v);
    if (v->in_flight)
        return;
    if (v->resetting) {
        v->resetting = false;
        vfs_forget_all(v);
        virtio_mmio_reset_done(&v->plugin->mmio);
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

    (void)events;
    eventfd_read(v->pool.event, &count);
    vfs_collect(v);
}

/*
 * Its beginning
 */

static void vfs_run(struct fs_pool_job *job)
{
    struct vfs_job *j = (struct vfs_job *)(void *)job;

    j->r.may_wait = true;
    fs_handle(j->vfs->fs, &j->r);
}

/* The header and what follows, copied out of the guest's memory. False: it cannot be. */
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
        virtio_mmio_broken(&v->plugin->mmio, vq->index,
                           "a request whose length is not what it says, or too long: bytes",
                           chain->readable_bytes);
        return;
    }
    ++*v->requests;
    /* A mount begins: what an earlier one left behind is forgotten. */
    if (job->r.header.opcode == FUSE_INIT && !v->in_flight)
        vfs_forget_all(v);
    if (fs_handle(v->fs, &job->r) == 0) {
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

    v->waited_for = false; /* resumed before all was done */
    do {
        virtqueue_notify_disable(vq);
        while (n < VFS_BATCH && virtqueue_pop(vq, &chain)) {
            n += 1 + (unsigned)((chain.readable_bytes + chain.writable_bytes) / VFS_BATCH_BYTES);
            vfs_start(v, vq, &chain);
        }
    } while (n < VFS_BATCH && virtqueue_notify_enable(vq));
    vfs_tell(v);
    if (n >= VFS_BATCH) {
        v->again |= 1u << vq->index;
        v->plugin->ops->timer_set(v->plugin->host, v->timer, 0);
    }
}

static void vfs_go_on(void *opaque)
{
    struct vfs *v = opaque;
    uint32_t again = v->again;

    v->again = 0;
    for (unsigned i = 0; again >> i; i++)
        if (again >> i & 1)
            vfs_notify(v, virtio_mmio_queue(&v->plugin->mmio, i));
}

/*
 * Nodes and open files were the earlier process's. Whether it has done the request is not
 * known, and to make a folder twice is not as good as once: an error.
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

static bool vfs_reset(void *device)
{
    struct vfs *v = device;

    v->waited_for = false;
    v->queue_resetting = 0;
    /* Linux frees the buffers at once after it has written 0 to Status. */
    if (v->in_flight && !fs_pool_wait(&v->pool, VFS_DRAIN_MS)) {
        v->plugin->ops->log(v->plugin->host, RV_LOG_WARN,
                            "requests are under way for more than %u s: the guest's reset waits",
                            VFS_DRAIN_MS / 1000);
        v->resetting = true;
        return false;
    }
    v->resetting = false;
    vfs_collect(v);
    vfs_forget_all(v);
    return true;
}

static bool vfs_queue_reset(void *device, struct virtqueue *vq)
{
    struct vfs *v = device;

    v->again &= ~(1u << vq->index);
    if (v->queue_in_flight[vq->index])
        v->queue_resetting |= 1u << vq->index; /* the driver polls QueueReset until it is over */
    return v->queue_in_flight[vq->index] == 0;
}

static int vfs_quiesce(void *device)
{
    struct vfs *v = device;

    v->plugin->ops->timer_cancel(v->plugin->host, v->timer);
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
     .help = "names and attributes are trusted for a second (and contents until they change), "
             "nothing is, or all for ever: for folders that only this guest changes"},
    {.name = "writeback",
     .type = RV_PROPERTY_BOOL,
     .value = "off",
     .help = "the guest keeps what was written for a while: for folders that only it changes"},
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
    const struct rv_host_ops *ops = v->plugin->ops;
    struct rv_host *host = v->plugin->host;
    const char *tag = ops->property_string(host, "tag");
    uint64_t size = ops->property_uint(host, "queue-size");

    if (!*tag || strlen(tag) > sizeof(v->tag)) {
        ops->log(host, RV_LOG_ERROR, "tag '%s': give 1 to %zu characters", tag, sizeof(v->tag));
        return -EINVAL;
    }
    memcpy(v->tag, tag, strlen(tag));
    if (size & (size - 1)) {
        ops->log(host, RV_LOG_ERROR, "queue-size %llu: give a power of two",
                 (unsigned long long)size);
        return -EINVAL;
    }
    v->nr_queues = 1 + (unsigned)ops->property_uint(host, "queues");
    for (unsigned i = 0; i < v->nr_queues; i++)
        v->limits[i] = (struct virtqueue_limits){.size = (uint16_t)size, .segs = VFS_SEGS};
    return 0;
}

static int vfs_open(struct vfs *v)
{
    static const uint32_t timeouts[] = {1, 0, VFS_ALWAYS};
    static const uint32_t open_flags[] = {0, FOPEN_DIRECT_IO, FOPEN_KEEP_CACHE};
    const struct rv_host_ops *ops = v->plugin->ops;
    struct rv_host *host = v->plugin->host;
    const char *path = ops->property_string(host, "path");
    unsigned cache = ops->property_enum(host, "cache");
    const struct fs_options options = {
        .root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
        .read_only = ops->property_bool(host, "ro"),
        .writeback = ops->property_bool(host, "writeback"),
        .timeout = timeouts[cache],
        .open_flags = open_flags[cache],
    };

    if (options.root < 0) {
        int error = -errno;

        ops->log(host, RV_LOG_ERROR, "folder '%s': %s", path, strerror(errno));
        return error;
    }
    v->wants_writeback = options.writeback;
    v->fs = fs_new(&options);
    return v->fs ? 0 : -ENOMEM;
}

static int vfs_allocate(struct vfs *v)
{
    const struct rv_host_ops *ops = v->plugin->ops;
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
    v->watch = ops->fd_watch(v->plugin->host, v->pool.event, RV_FD_READ, vfs_ready, v);
    v->timer = ops->timer_new(v->plugin->host, vfs_go_on, v);
    return v->watch && v->timer ? 0 : -ENOMEM;
}

static void vfs_destroy(void *device)
{
    struct vfs *v = device;
    const struct rv_host_ops *ops = v->plugin->ops;
    struct fs_pool_job *job;

    if (v->watch)
        ops->fd_remove(v->plugin->host, v->watch);
    if (v->timer)
        ops->timer_free(v->plugin->host, v->timer);
    if (v->pool_made) {
        fs_pool_wait(&v->pool, VFS_DRAIN_MS);
        while ((job = fs_pool_take(&v->pool)))
            free(((struct vfs_job *)(void *)job)->r.args);
        fs_pool_destroy(&v->pool);
    }
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
    error = vfs_read_properties(v);
    if (!error)
        error = vfs_open(v);
    if (!error)
        error = vfs_allocate(v);
    if (error) {
        vfs_destroy(v);
        return error;
    }
    if (flags & RV_CREATE_RESUME) {
        v->fs->begun = v->state->begun;
        v->fs->options.writeback &= v->state->writeback;
    }
    v->requests = plugin->ops->counter(plugin->host, "requests", "requests of the guest");
    v->waited =
        plugin->ops->counter(plugin->host, "waited", "requests that may have waited for a disk");
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
