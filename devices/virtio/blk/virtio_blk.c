/* SPDX-License-Identifier: BSD-2-Clause */
/* Block device: queues, resets, configuration, and the instance. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/blk/virtio_blk.h"
#include "devices/virtio/command_size.h"

/*
 * As many as the queue has slots, then others have their turn: what needs the
 * image keeps its slot until the loop's next pass, but an error does not.
 */
static void blk_notify(void *device, struct virtqueue *vq)
{
    struct blk *blk = device;
    const struct virtio_plugin *plugin = blk->plugin;
    unsigned most = blk->limits[vq->index].size;
    unsigned started = 0;
    struct virtq_chain chain;

    do {
        virtqueue_notify_disable(vq);
        while (started < most && virtqueue_pop(vq, &chain)) {
            blk_start(blk, vq, &chain);
            started++;
        }
    } while (started < most && virtqueue_notify_enable(vq));
    if (started)
        plugin->ops->disk_kick(plugin->instance, blk->disk);
    blk_tell(blk);
    if (started == most)
        virtio_plugin_later(blk->plugin, vq);
}

static void blk_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    blk_start(device, vq, chain);
}

/*
 * Resets, and standing still
 */

/*
 * Give up a queue's requests that nobody has begun with. What the kernel or a server has is not
 * waited for: it ends in blk_idle().
 */
static void blk_drop(struct blk *blk, unsigned queue)
{
    const struct virtio_plugin *plugin = blk->plugin;
    struct blk_queue *q = &blk->queues[queue];

    for (unsigned n = 0; q->in_flight && n < blk->limits[queue].size; n++)
        if (q->requests[n].in_flight)
            plugin->ops->disk_cancel(plugin->instance, blk->disk, &q->requests[n].io);
}

static bool blk_reset(void *device)
{
    struct blk *blk = device;

    blk->waited_for = false;
    blk->state->writeback = 1;
    for (unsigned i = 0; i < blk->nr_queues; i++)
        blk_drop(blk, i);
    if (blk->in_flight) /* of these, some are over */
        blk->plugin->ops->disk_drain(blk->plugin->instance, blk->disk, 0);
    blk->resetting = blk->in_flight != 0;
    return !blk->resetting;
}

static bool blk_queue_reset(void *device, struct virtqueue *vq)
{
    struct blk *blk = device;
    struct blk_queue *q = &blk->queues[vq->index];

    blk_drop(blk, vq->index);
    q->resetting = q->in_flight != 0;
    return !q->resetting;
}

static int blk_quiesce(void *device)
{
    struct blk *blk = device;

    blk->waited_for = blk->in_flight != 0;
    return blk->waited_for ? -EINPROGRESS : 0;
}

/*
 * Features and configuration space
 */

uint64_t blk_features(const struct blk *blk)
{
    const struct rv_disk_info *info = blk->info;
    uint64_t features = VIRTIO_RING_FEATURES | VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |
                        VIRTIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX) |
                        VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
                        VIRTIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY);

    if (info->read_only)
        features |= VIRTIO_FEATURE(VIRTIO_BLK_F_RO);
    else
        features |= VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
    if (info->write_cache)
        features |= VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE);
    if (info->can_discard && !info->read_only)
        features |= VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD);
    if (blk->nr_queues > 1)
        features |= VIRTIO_FEATURE(VIRTIO_BLK_F_MQ);
    return features;
}

static uint8_t blk_log2(uint32_t n)
{
    uint8_t log = 0;

    while (n > 1) {
        n /= 2;
        log++;
    }
    return log;
}

static struct virtio_blk_config blk_config(const struct blk *blk)
{
    const struct rv_disk_info *info = blk->info;
    uint32_t align = info->can_discard ? info->discard_granularity : info->block_size;

    return (struct virtio_blk_config){
        .capacity = htole64(info->capacity / BLK_SECTOR),
        .size_max = htole32(BLK_SIZE_MAX),
        .seg_max = htole32(BLK_SEG_MAX),
        .blk_size = htole32(info->block_size),
        .physical_block_exp = blk_log2(info->physical_block_size / info->block_size),
        .min_io_size = htole16(1),
        .wce = blk->state->writeback,
        .num_queues = htole16((uint16_t)blk->nr_queues),
        .max_discard_sectors = htole32(BLK_RANGE_MAX),
        .max_discard_seg = htole32(BLK_RANGES_MAX),
        .discard_sector_alignment = htole32(align / BLK_SECTOR),
        .max_write_zeroes_sectors = htole32(BLK_RANGE_MAX),
        .max_write_zeroes_seg = htole32(BLK_RANGES_MAX),
        .write_zeroes_may_unmap = 1,
    };
}

static void blk_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    struct virtio_blk_config config = blk_config(device);

    memcpy(data, (const uint8_t *)&config + offset, len);
}

/* Only the cache mode, 5.2.5.2: all else is read-only. */
static void blk_config_write(void *device, uint32_t offset, const void *data, size_t len)
{
    struct blk *blk = device;
    size_t at = offsetof(struct virtio_blk_config, wce);

    if (virtio_device_features(&blk->plugin->virtio) & VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) &&
        offset <= at && at < offset + len)
        blk->state->writeback = ((const uint8_t *)data)[at - offset] & 1;
}

/*
 * The instance
 */

static const char *const blk_caches[] = {"writeback", "none", "writethrough", "unsafe", NULL};
static const char *const blk_aios[] = {"auto", "io_uring", "threads", NULL};

enum { WERROR_REPORT, WERROR_STOP };
static const char *const blk_werrors[] = {
    [WERROR_REPORT] = "report", [WERROR_STOP] = "stop", [WERROR_STOP + 1] = NULL};

static const struct rv_property blk_properties[] = {
    {.name = "path",
     .type = RV_PROPERTY_PATH,
     .required = true,
     .help = "image: a file, a block device, nbd://... or nbd+unix://..."},
    {.name = "ro", .type = RV_PROPERTY_BOOL, .value = "off", .help = "the guest cannot write"},
    RV_PROPERTY_BOOT_INDEX,
    {.name = "format",
     .type = RV_PROPERTY_STRING,
     .value = "auto",
     .help = "raw, qcow2, qed, vdi, vhdx, vmdk, vpc, or auto: by name and content"},
    {.name = "cache",
     .type = RV_PROPERTY_ENUM,
     .value = "writeback",
     .choices = blk_caches,
     .help = "host page cache, none of it, each write stable at once, or flushes ignored"},
    {.name = "aio",
     .type = RV_PROPERTY_ENUM,
     .value = "auto",
     .choices = blk_aios,
     .help = "how raw images are read and written"},
    {.name = "queues",
     .type = RV_PROPERTY_UINT,
     .value = "1",
     .min = 1,
     .max = BLK_QUEUES_MAX,
     .help = "number of queues: at most one for each CPU is of use"},
    {.name = "queue-size",
     .type = RV_PROPERTY_UINT,
     .value = "256",
     .min = 4,
     .max = VIRTQUEUE_SIZE_MAX,
     .help = "entries of a queue, a power of two"},
    {.name = "serial",
     .type = RV_PROPERTY_STRING,
     .help = "serial number that the guest sees, 20 characters at most"},
    {.name = "discard",
     .type = RV_PROPERTY_BOOL,
     .value = "on",
     .help = "what the guest discards is deallocated in the image"},
    {.name = "lock",
     .type = RV_PROPERTY_BOOL,
     .value = "on",
     .help = "refuse an image that another program writes to"},
    {.name = "werror",
     .type = RV_PROPERTY_ENUM,
     .value = "report",
     .choices = blk_werrors,
     .help = "a write that the host has no room for: an error for the guest, or it waits"},
    {.name = "helper",
     .type = RV_PROPERTY_PATH,
     .help = "program that serves other formats than raw (default qemu-storage-daemon)"},
    VIRTIO_PLUGIN_PROPERTIES,
    {0},
};

static const struct rv_command_info blk_commands[] = {
    {.name = "resize",
     .help = "size: bytes that the disk is to have; without it: look how long the image is now"},
    {0},
};

static void blk_round_end(void *opaque)
{
    blk_tell(opaque);
}

/* 5.2.4.1: the driver reads the capacity again. */
static void blk_changed(void *opaque)
{
    struct blk *blk = opaque;

    virtio_device_config_changed(&blk->plugin->virtio);
}

/* `resize` is the only one. The driver is told by blk_changed(). */
static int blk_command(void *device, const struct rv_device_command *command)
{
    struct blk *blk = device;
    const struct rv_vmm_ops *ops = blk->plugin->ops;
    struct rv_instance *instance = blk->plugin->instance;
    char json[48];
    uint64_t size;
    int error = command_size(command->json, &size);

    if (error)
        ops->log(instance, RV_LOG_ERROR, "%s: give {\"size\": BYTES}, or nothing", command->name);
    else
        error = ops->disk_resize(instance, blk->disk, size);
    if (error)
        return error;
    snprintf(json, sizeof(json), "{\"size\": %" PRIu64 "}", blk->info->capacity);
    ops->reply(instance, command->reply, 0, json);
    return 0;
}

static int blk_open(struct blk *blk)
{
    const struct virtio_plugin *plugin = blk->plugin;
    const struct rv_vmm_ops *ops = plugin->ops;
    struct rv_instance *instance = plugin->instance;
    struct rv_disk_options options = {
        .size = sizeof(options),
        .path = ops->property_string(instance, "path"),
        .format = ops->property_string(instance, "format"),
        .cache = blk_caches[ops->property_enum(instance, "cache")],
        .aio = blk_aios[ops->property_enum(instance, "aio")],
        .helper = ops->property_string(instance, "helper"),
        .read_only = ops->property_bool(instance, "ro"),
        .no_discard = !ops->property_bool(instance, "discard"),
        .no_lock = !ops->property_bool(instance, "lock"),
        .round_end = blk_round_end,
        .opaque = blk,
        .changed = blk_changed,
        .pause_when_full = ops->property_enum(instance, "werror") == WERROR_STOP,
    };
    int error = ops->disk_open(instance, &options, &blk->disk);

    if (!error)
        blk->info = ops->disk_info(instance, blk->disk);
    return error;
}

static int blk_read_properties(struct blk *blk)
{
    const struct rv_vmm_ops *ops = blk->plugin->ops;
    struct rv_instance *instance = blk->plugin->instance;
    const char *serial = ops->property_string(instance, "serial");
    uint16_t size;

    if (virtio_plugin_queue_size(blk->plugin, &size))
        return -EINVAL;
    if (serial && strlen(serial) > sizeof(blk->serial)) {
        ops->log(instance, RV_LOG_ERROR, "serial '%s': give %zu characters at most", serial,
                 sizeof(blk->serial));
        return -EINVAL;
    }
    if (serial)
        memcpy(blk->serial, serial, strlen(serial));
    blk->nr_queues = (unsigned)ops->property_uint(instance, "queues");
    for (unsigned i = 0; i < blk->nr_queues; i++)
        blk->limits[i] = (struct virtqueue_limits){.size = size, .segs = BLK_SEG_MAX + 2};
    return 0;
}

static int blk_allocate(struct blk *blk)
{
    for (unsigned i = 0; i < blk->nr_queues; i++) {
        struct blk_queue *q = &blk->queues[i];

        q->requests = calloc(blk->limits[i].size, sizeof(*q->requests));
        if (!q->requests)
            return -ENOMEM;
        for (unsigned n = 0; n < blk->limits[i].size; n++) {
            q->requests[n].blk = blk;
            q->requests[n].io.size = sizeof(struct rv_disk_request);
            q->requests[n].io.done = blk_done;
        }
    }
    return 0;
}

static void blk_count(struct blk *blk)
{
    const struct rv_vmm_ops *ops = blk->plugin->ops;
    struct rv_instance *instance = blk->plugin->instance;

    blk->count = (struct blk_counters){
        .reads = ops->counter(instance, "reads", "read requests"),
        .writes = ops->counter(instance, "writes", "write requests"),
        .read_bytes = ops->counter(instance, "read-bytes", "bytes that were asked for"),
        .written_bytes = ops->counter(instance, "written-bytes", "bytes that were given to write"),
        .flushes = ops->counter(instance, "flushes", "flush requests"),
        .discards = ops->counter(instance, "discards", "requests to discard or zero"),
        .errors = ops->counter(instance, "errors", "requests that failed"),
    };
}

static void blk_destroy(void *device)
{
    struct blk *blk = device;
    const struct rv_vmm_ops *ops = blk->plugin->ops;

    if (blk->disk)
        ops->disk_close(blk->plugin->instance, blk->disk);
    for (unsigned i = 0; i < blk->nr_queues; i++)
        free(blk->queues[i].requests);
    free(blk);
}

static int blk_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                      struct virtio_device_config *config, void **device)
{
    struct blk *blk = calloc(1, sizeof(*blk));
    int error;

    if (!blk)
        return -ENOMEM;
    blk->plugin = plugin;
    blk->state = state;
    if (!(flags & RV_CREATE_RESUME))
        blk->state->writeback = 1;
    blk->state->writeback &= 1;
    error = blk_read_properties(blk);
    if (!error)
        error = blk_allocate(blk);
    if (!error)
        error = blk_open(blk);
    if (error) {
        blk_destroy(blk);
        return error;
    }
    blk_count(blk);
    *config = (struct virtio_device_config){
        .features = blk_features(blk),
        .config_size = BLK_CONFIG_SIZE,
        .queues = blk->nr_queues,
        .limits = blk->limits,
    };
    *device = blk;
    return 0;
}

static const struct virtio_plugin_class blk = {
    .virtio =
        {
            .id = VIRTIO_ID_BLOCK,
            .notify = blk_notify,
            .reset = blk_reset,
            .queue_reset = blk_queue_reset,
            .config_read = blk_config_read,
            .config_told = true,
            .config_write = blk_config_write,
            .resubmit = blk_resubmit,
        },
    .create = blk_create,
    .destroy = blk_destroy,
    .quiesce = blk_quiesce,
    .command = blk_command,
};

VIRTIO_PLUGIN(blk, .name = "virtio-blk", .description = "virtio block device: a disk image",
              .properties = blk_properties, .commands = blk_commands, .state_version = 1,
              .state_size = sizeof(struct blk_state));
