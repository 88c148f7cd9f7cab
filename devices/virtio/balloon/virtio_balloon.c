/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory balloon: queues, configuration space, and the instance. */
#include "devices/virtio/balloon/virtio_balloon.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define BALLOON_QUEUE_SIZE  128u
#define BALLOON_MIN         (1u << 20) /* no guest lives with less */
#define BALLOON_CONFIG_SIZE offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)

enum balloon_queue {
    BALLOON_INFLATE,
    BALLOON_DEFLATE,
    BALLOON_STATS,
    BALLOON_REPORT,
    BALLOON_NONE
};

/* 5.5.2: queues of features that were not negotiated are not there, and others move up. */
static enum balloon_queue balloon_queue(const struct balloon *b, unsigned index)
{
    uint64_t features = virtio_device_features(&b->plugin->virtio);
    bool stats = features & VIRTIO_FEATURE(VIRTIO_BALLOON_F_STATS_VQ);

    if (index < BALLOON_STATS)
        return (enum balloon_queue)index;
    if (stats && index == 2)
        return BALLOON_STATS;
    return features & VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING) && index == 2u + stats
               ? BALLOON_REPORT
               : BALLOON_NONE;
}

/*
 * Statistics: 5.5.6.3
 */

static void balloon_stats(struct balloon *b, const struct virtq_chain *chain)
{
    struct virtio_balloon_stat stat;

    for (unsigned i = 0; i < 2 * BALLOON_STATS_TAGS; i++) {
        uint16_t tag;

        if (iov_read(chain->readable, chain->readable_count, i * sizeof(stat), &stat,
                     sizeof(stat)) != sizeof(stat))
            break;
        tag = le16toh(stat.tag);
        if (tag >= BALLOON_STATS_TAGS)
            continue;
        b->state->stats[tag] = le64toh(stat.val);
        b->state->have |= 1u << tag;
    }
    b->stats = *chain;
    b->stats_held = true;
    balloon_tell(b);
}

bool balloon_ask(struct balloon *b)
{
    struct virtqueue *vq = virtio_device_queue(&b->plugin->virtio, 2);

    if (!b->stats_held || !vq->running || virtio_device_is_held(&b->plugin->virtio))
        return false;
    b->stats_held = false;
    virtqueue_push(vq, &b->stats, 0);
    virtqueue_flush_notify(vq);
    return true;
}

/*
 * Queues
 */

/*
 * A request of the driver's. The statistics' buffer is kept, all else is done with. One that an
 * earlier process had begun is done again: discarding a page twice is as good as once.
 */
static void balloon_one(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct balloon *b = device;

    switch (balloon_queue(b, vq->index)) {
    case BALLOON_INFLATE:
        if (chain->readable_bytes > BALLOON_LIST_MAX * sizeof(uint32_t)) {
            virtio_device_broken(&b->plugin->virtio, vq->index,
                                 "a list of pages that is too long, of bytes",
                                 chain->readable_bytes);
            return;
        }
        balloon_inflate(b, chain);
        break;
    case BALLOON_DEFLATE: /* the memory comes back when it is touched */
        *b->deflated += chain->readable_bytes / sizeof(uint32_t) * BALLOON_PAGE;
        break;
    case BALLOON_STATS:
        if (b->stats_held)
            break; /* a second buffer: it cannot be of use */
        balloon_stats(b, chain);
        return;
    case BALLOON_REPORT: balloon_report(b, chain); break;
    case BALLOON_NONE: break;
    }
    virtqueue_push(vq, chain, 0);
}

static void balloon_notify(void *device, struct virtqueue *vq)
{
    struct balloon *b = device;

    virtio_plugin_serve(b->plugin, vq, BALLOON_BATCH, balloon_one);
}

static bool balloon_reset(void *device)
{
    struct balloon *b = device;

    b->state->actual = 0;
    b->state->have = 0;
    b->stats_held = false;
    return true;
}

static bool balloon_queue_reset(void *device, struct virtqueue *vq)
{
    struct balloon *b = device;

    if (balloon_queue(b, vq->index) == BALLOON_STATS)
        b->stats_held = false;
    return true;
}

/*
 * Configuration space
 */

int balloon_resize(struct balloon *b, uint64_t bytes)
{
    if (bytes < BALLOON_MIN || bytes > b->ram.bytes)
        return -EINVAL;
    b->state->num_pages = (uint32_t)((b->ram.bytes - bytes) / BALLOON_PAGE);
    virtio_device_config_changed(&b->plugin->virtio);
    return 0;
}

static void balloon_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct balloon *b = device;
    const struct virtio_balloon_config config = {
        .num_pages = htole32(b->state->num_pages),
        .actual = htole32(b->state->actual),
    };

    memcpy(data, (const uint8_t *)&config + offset, len);
}

/* Only `actual`, 5.5.4: the host just shows it. */
static void balloon_config_write(void *device, uint32_t offset, const void *data, size_t len)
{
    struct balloon *b = device;
    uint32_t actual = htole32(b->state->actual);
    size_t at = offsetof(struct virtio_balloon_config, actual);

    for (size_t i = 0; i < len; i++)
        if (offset + i >= at && offset + i < at + sizeof(actual))
            ((uint8_t *)&actual)[offset + i - at] = ((const uint8_t *)data)[i];
    actual = le32toh(actual);
    b->state->actual =
        actual < b->ram.bytes / BALLOON_PAGE ? actual : (uint32_t)(b->ram.bytes / BALLOON_PAGE);
}

/*
 * The instance
 */

static const struct rv_property balloon_properties[] = {
    {.name = "size",
     .type = RV_PROPERTY_SIZE,
     .value = "0",
     .help = "memory that the guest is to be left with at first; 0: all"},
    {.name = "control",
     .type = RV_PROPERTY_STRING,
     .help = "socket:PATH or another back end of a console: takes 'size SIZE' and 'stats'"},
    {.name = "deflate-on-oom",
     .type = RV_PROPERTY_BOOL,
     .value = "on",
     .help = "a guest that runs out of memory may take some back"},
    {.name = "reporting",
     .type = RV_PROPERTY_BOOL,
     .value = "on",
     .help = "the guest reports its free pages, and the host has them back"},
    VIRTIO_PLUGIN_PROPERTIES,
    {0},
};

static const struct rv_command_info balloon_commands[] = {
    {.name = "size", .help = "size: bytes that the guest is to be left with"},
    {.name = "stats", .help = "what the guest and the host say of its memory, in bytes"},
    {0},
};

static void balloon_impatient(void *opaque)
{
    balloon_tell(opaque); /* the guest does not answer: what was known before has to do */
}

static void balloon_destroy(void *device)
{
    struct balloon *b = device;

    balloon_control_close(b);
    if (b->patience)
        b->plugin->ops->timer_free(b->plugin->instance, b->patience);
    free(b);
}

/* 0, or -errno after a message. */
static int balloon_begin(struct balloon *b, bool fresh)
{
    const struct rv_vmm_ops *ops = b->plugin->ops;
    struct rv_instance *instance = b->plugin->instance;
    uint64_t size = ops->property_uint(instance, "size");

    b->ram.size = sizeof(b->ram);
    if (ops->mem_region(instance, 0, &b->ram))
        return -ENOTSUP;
    b->patience = ops->timer_new(instance, balloon_impatient, b);
    if (!b->patience)
        return -ENOMEM;
    if (size && (size < BALLOON_MIN || size > b->ram.bytes)) {
        ops->log(instance, RV_LOG_ERROR, "size: give 1M to %lluM, all that the guest has",
                 (unsigned long long)(b->ram.bytes >> 20));
        return -EINVAL;
    }
    if (fresh && size)
        b->state->num_pages = (uint32_t)((b->ram.bytes - size) / BALLOON_PAGE);
    /* An earlier process left it. */
    if (b->state->num_pages > b->ram.bytes / BALLOON_PAGE)
        b->state->num_pages = 0;
    b->state->have &= (1u << BALLOON_STATS_TAGS) - 1;
    return balloon_control_open(b, ops->property_string(instance, "control"));
}

static int balloon_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                          struct virtio_device_config *config, void **device)
{
    const struct rv_vmm_ops *ops = plugin->ops;
    struct balloon *b = calloc(1, sizeof(*b));
    uint64_t features = VIRTIO_RING_FEATURES | VIRTIO_FEATURE(VIRTIO_BALLOON_F_STATS_VQ);
    int error;

    if (!b)
        return -ENOMEM;
    b->plugin = plugin;
    b->state = state;
    error = balloon_begin(b, !(flags & RV_CREATE_RESUME));
    if (error) {
        balloon_destroy(b);
        return error;
    }
    b->inflated = ops->counter(plugin->instance, "inflated", "bytes that the balloon has taken");
    b->deflated = ops->counter(plugin->instance, "deflated", "bytes that it has let go");
    b->reported = ops->counter(plugin->instance, "reported", "bytes that were reported as free");
    for (unsigned i = 0; i < 4; i++)
        b->limits[i] = (struct virtqueue_limits){.size = BALLOON_QUEUE_SIZE, .segs = BALLOON_SEGS};
    if (ops->property_bool(plugin->instance, "deflate-on-oom"))
        features |= VIRTIO_FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
    if (ops->property_bool(plugin->instance, "reporting"))
        features |= VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING);
    *config = (struct virtio_device_config){
        .features = features,
        .config_size = BALLOON_CONFIG_SIZE,
        .queues = 4,
        .limits = b->limits,
    };
    *device = b;
    return 0;
}

static const struct virtio_plugin_class balloon = {
    .virtio =
        {
            .id = VIRTIO_ID_BALLOON,
            .notify = balloon_notify,
            .reset = balloon_reset,
            .queue_reset = balloon_queue_reset,
            .config_read = balloon_config_read,
            .config_told = true,
            .config_write = balloon_config_write,
            .resubmit = balloon_one,
        },
    .create = balloon_create,
    .destroy = balloon_destroy,
    .command = balloon_command,
};

VIRTIO_PLUGIN(balloon, .name = "virtio-balloon",
              .description = "virtio memory balloon, with free page reporting",
              .properties = balloon_properties, .commands = balloon_commands, .state_version = 1,
              .state_size = sizeof(struct balloon_state));
