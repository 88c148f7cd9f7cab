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
#include <unistd.h>

#include "devices/virtio/fs/virtio_fs.h"

#define VFS_SEGS        300u /* FS_WRITE_MAX in pages, and heads */
#define VFS_DRAIN_MS    5000u
#define VFS_ALWAYS      86400u
#define VFS_CONFIG_SIZE sizeof(struct virtio_fs_config)

/* The shares of this process. Only the loop's thread changes the list. */
static struct vfs *vfs_shares;
static atomic_uint vfs_share_count;

static void vfs_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct vfs *v = device;
    struct virtio_fs_config config = {.num_request_queues = htole32(v->nr_queues - 1)};

    memcpy(config.tag, v->tag, sizeof(config.tag));
    memcpy(data, (const uint8_t *)&config + offset, len);
}

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
    uint16_t size;

    if (!*tag || strlen(tag) > sizeof(v->tag)) {
        ops->log(instance, RV_LOG_ERROR, "tag '%s': give 1 to %zu characters", tag, sizeof(v->tag));
        return -EINVAL;
    }
    memcpy(v->tag, tag, strlen(tag));
    if (virtio_plugin_queue_size(v->plugin, &size))
        return -EINVAL;
    v->nr_queues = 1 + (unsigned)ops->property_uint(instance, "queues");
    for (unsigned i = 0; i < v->nr_queues; i++)
        v->limits[i] = (struct virtqueue_limits){.size = size, .segs = VFS_SEGS};
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
    return v->watch ? 0 : -ENOMEM;
}

static void vfs_destroy(void *device)
{
    struct vfs *v = device;
    const struct rv_vmm_ops *ops = v->plugin->ops;
    struct fs_pool_job *job;

    if (v->watch)
        ops->fd_remove(v->plugin->instance, v->watch);
    if (v->pool_made) {
        fs_pool_wait(&v->pool, VFS_DRAIN_MS);
        while ((job = fs_pool_take(&v->pool)))
            vfs_drop(job);
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
            .config_told = true,
            .resubmit = vfs_resubmit,
        },
    .create = vfs_create,
    .destroy = vfs_destroy,
    .quiesce = vfs_quiesce,
};

VIRTIO_PLUGIN(vfs, .name = "virtio-fs", .description = "virtio file system: a folder of the host's",
              .properties = vfs_properties, .state_version = 1,
              .state_size = sizeof(struct vfs_state));
