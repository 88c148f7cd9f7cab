/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block device: virtio 1.2, 5.2. Data goes between the image and the guest's
 * memory without a copy; what is behind the image is the core's affair.
 *
 * A request is in an array by its chain's slot, so that none is ever allocated
 * and none is missing.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtio_plugin.h"

#define BLK_SECTOR      512u /* the unit of all that the driver says, whatever the block size */
#define BLK_QUEUES_MAX  16u
#define BLK_SEG_MAX     254u         /* with header and status: 256 descriptors */
#define BLK_SIZE_MAX    (256u << 10) /* of each: BLK_SEG_MAX of them are less than transfer_max */
#define BLK_RANGES_MAX  16u          /* segments of a DISCARD or WRITE_ZEROES */
#define BLK_RANGE_MAX   (1u << 21)   /* sectors in one: 1 GiB */
#define BLK_DRAIN_MS    5000         /* what a reset waits for requests in flight */
#define BLK_CONFIG_SIZE offsetof(struct virtio_blk_config, unused1)

/* In the state block: what the driver can change. */
struct blk_state {
    uint8_t writeback; /* config's `wce` */
    uint8_t pad[7];
};
_Static_assert(sizeof(struct blk_state) == 8, "state layout");

struct blk_request {
    struct rv_disk_request io; /* first */
    struct blk *blk;
    struct virtqueue *vq;
    struct virtq_chain chain;
    uint8_t *status;
    bool flushing; /* a write's own flush: the cache is write-through for the driver */
    unsigned range, ranges;
    struct virtio_blk_discard_write_zeroes range_list[BLK_RANGES_MAX];
};

struct blk_queue {
    struct blk_request *requests; /* one for each slot */
    unsigned in_flight;
    bool touched; /* something was pushed in this round */
    bool resetting;
};

struct blk_counters {
    uint64_t *reads, *writes, *read_bytes, *written_bytes, *flushes, *discards, *errors;
};

struct blk {
    struct virtio_plugin *plugin;
    struct rv_disk *disk;
    const struct rv_disk_info *info;
    struct rv_host_timer *timer;
    struct blk_state *state;
    struct blk_counters count;
    struct virtqueue_limits limits[BLK_QUEUES_MAX];
    struct blk_queue queues[BLK_QUEUES_MAX];
    unsigned nr_queues;
    unsigned in_flight;
    bool waited_for; /* virtio_plugin_quiesced() is due when nothing is in flight */
    bool resetting;
    char serial[VIRTIO_BLK_ID_BYTES]; /* padded with NUL; no NUL if it is that long */
};

/* What is offered. */
static uint64_t blk_features(const struct blk *blk)
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

/*
 * The end of a request
 */

static void blk_finish(struct blk_request *r, uint8_t status)
{
    struct blk_queue *q = &r->blk->queues[r->vq->index];

    if (status != VIRTIO_BLK_S_OK)
        ++*r->blk->count.errors;
    /* The status is the last byte, so all before it is said to be written as well. */
    *r->status = status;
    virtqueue_push(r->vq, &r->chain, r->chain.writable_bytes);
    q->touched = true;
}

static void blk_tell(struct blk *blk)
{
    for (unsigned i = 0; i < blk->nr_queues; i++) {
        if (blk->queues[i].touched)
            virtqueue_flush_notify(virtio_mmio_queue(&blk->plugin->mmio, i));
        blk->queues[i].touched = false;
    }
}

static uint8_t blk_status(int error)
{
    if (error == 0)
        return VIRTIO_BLK_S_OK;
    return error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static void blk_submit(struct blk_request *r)
{
    const struct virtio_plugin *plugin = r->blk->plugin;

    plugin->ops->disk_submit(plugin->host, r->blk->disk, &r->io);
}

/* 5.2.6.2: is a write to be stable when it completes? */
static bool blk_is_writethrough(const struct blk *blk)
{
    uint64_t features = virtio_mmio_features(&blk->plugin->mmio);

    if (!blk->info->write_cache)
        return false; /* it is, without our doing */
    if (features & VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE))
        return !blk->state->writeback;
    return !(features & VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH));
}

static bool blk_next_range(struct blk_request *r)
{
    const struct virtio_blk_discard_write_zeroes *range = &r->range_list[r->range];

    if (r->range == r->ranges)
        return false;
    r->io.offset = le64toh(range->sector) * BLK_SECTOR;
    r->io.length = (uint64_t)le32toh(range->num_sectors) * BLK_SECTOR;
    r->io.flags = r->io.op == RV_DISK_WRITE_ZEROES &&
                          le32toh(range->flags) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
                      ? RV_DISK_UNMAP
                      : 0;
    r->range++;
    return true;
}

/* Is there more to do for it? */
static bool blk_goes_on(struct blk_request *r)
{
    if (r->flushing)
        return false;
    if (r->ranges && blk_next_range(r)) {
        blk_submit(r);
        return true;
    }
    if (r->io.op == RV_DISK_READ || r->io.op == RV_DISK_FLUSH || !blk_is_writethrough(r->blk))
        return false;
    r->flushing = true;
    r->io.op = RV_DISK_FLUSH;
    r->io.flags = 0;
    blk_submit(r);
    return true;
}

static void blk_idle(struct blk *blk, struct blk_queue *q, struct virtqueue *vq)
{
    if (q->in_flight == 0 && q->resetting) {
        q->resetting = false;
        virtio_mmio_queue_reset_done(&blk->plugin->mmio, vq);
    }
    if (blk->in_flight)
        return;
    if (blk->resetting) {
        blk->resetting = false;
        virtio_mmio_reset_done(&blk->plugin->mmio);
    }
    if (blk->waited_for) {
        blk->waited_for = false;
        blk_tell(blk);
        virtio_plugin_quiesced(blk->plugin);
    }
}

static void blk_done(struct rv_disk_request *io, int error)
{
    struct blk_request *r = (struct blk_request *)(void *)io;
    struct blk *blk = r->blk;
    struct virtqueue *vq = r->vq;
    struct blk_queue *q = &blk->queues[vq->index];

    if (!error && blk_goes_on(r))
        return;
    blk_finish(r, blk_status(error));
    q->in_flight--;
    blk->in_flight--;
    blk_idle(blk, q, vq);
}

static void blk_round_end(void *opaque)
{
    blk_tell(opaque);
}

/*
 * Its beginning
 */

static void blk_begin(struct blk_request *r, uint32_t op)
{
    r->io.op = op;
    r->blk->in_flight++;
    r->blk->queues[r->vq->index].in_flight++;
    blk_submit(r);
}

/* READ or WRITE of `iov`, `bytes` in all. */
static void blk_transfer(struct blk_request *r, uint32_t op, uint64_t sector, struct iovec *iov,
                         unsigned count, size_t bytes)
{
    struct blk *blk = r->blk;

    /* What lies outside of the disk is refused there; this is so that nothing wraps. */
    if (bytes % BLK_SECTOR || sector > UINT64_MAX / BLK_SECTOR) {
        blk_finish(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    r->io.offset = sector * BLK_SECTOR;
    r->io.iov = iov;
    r->io.iov_count = count;
    if (op == RV_DISK_READ) {
        ++*blk->count.reads;
        *blk->count.read_bytes += bytes;
    } else {
        ++*blk->count.writes;
        *blk->count.written_bytes += bytes;
    }
    blk_begin(r, op);
}

/* 5.2.6.2: the status that they get together, before any of them is done. */
static uint8_t blk_check_ranges(const struct blk_request *r, uint32_t op)
{
    const struct rv_disk_info *info = r->blk->info;
    uint32_t allowed = op == RV_DISK_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
    uint64_t sectors = info->capacity / BLK_SECTOR;

    for (unsigned i = 0; i < r->ranges; i++) {
        if (le32toh(r->range_list[i].flags) & ~allowed)
            return VIRTIO_BLK_S_UNSUPP;
    }
    if (info->read_only)
        return VIRTIO_BLK_S_IOERR;
    for (unsigned i = 0; i < r->ranges; i++) {
        uint64_t first = le64toh(r->range_list[i].sector);
        uint32_t count = le32toh(r->range_list[i].num_sectors);

        if (count > BLK_RANGE_MAX || first > sectors || count > sectors - first)
            return VIRTIO_BLK_S_IOERR;
    }
    return VIRTIO_BLK_S_OK;
}

static void blk_ranges(struct blk_request *r, uint32_t op)
{
    const struct virtq_chain *chain = &r->chain;
    size_t bytes = iov_size(chain->readable, chain->readable_count);
    uint8_t status;

    if (bytes == 0 || bytes % sizeof(r->range_list[0]) || bytes > sizeof(r->range_list)) {
        blk_finish(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    iov_read(chain->readable, chain->readable_count, 0, r->range_list, bytes);
    r->ranges = (unsigned)(bytes / sizeof(r->range_list[0]));
    status = blk_check_ranges(r, op);
    if (status != VIRTIO_BLK_S_OK) {
        blk_finish(r, status);
        return;
    }
    ++*r->blk->count.discards;
    r->io.op = op;
    blk_next_range(r);
    blk_begin(r, op);
}

static void blk_execute(struct blk_request *r, const struct virtio_blk_outhdr *header)
{
    struct virtq_chain *chain = &r->chain;
    struct blk *blk = r->blk;

    switch (le32toh(header->type)) {
    case VIRTIO_BLK_T_IN:
        blk_transfer(r, RV_DISK_READ, le64toh(header->sector), chain->writable,
                     chain->writable_count, chain->writable_bytes - 1);
        return;
    case VIRTIO_BLK_T_OUT:
        blk_transfer(r, RV_DISK_WRITE, le64toh(header->sector), chain->readable,
                     chain->readable_count, chain->readable_bytes - sizeof(*header));
        return;
    case VIRTIO_BLK_T_FLUSH:
        ++*blk->count.flushes;
        blk_begin(r, RV_DISK_FLUSH);
        return;
    case VIRTIO_BLK_T_GET_ID:
        iov_write(chain->writable, chain->writable_count, 0, blk->serial, sizeof(blk->serial));
        blk_finish(r, VIRTIO_BLK_S_OK);
        return;
    case VIRTIO_BLK_T_DISCARD:
        if (!(blk_features(blk) & VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD)))
            break;
        blk_ranges(r, RV_DISK_DISCARD);
        return;
    case VIRTIO_BLK_T_WRITE_ZEROES:
        if (!(blk_features(blk) & VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES)))
            break;
        blk_ranges(r, RV_DISK_WRITE_ZEROES);
        return;
    }
    blk_finish(r, VIRTIO_BLK_S_UNSUPP);
}

/* 2.6.4: how the driver lays the header, the data and the status out is its own affair. */
static void blk_start(struct blk *blk, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct blk_request *r = &blk->queues[vq->index].requests[chain->slot];
    struct virtio_blk_outhdr header;
    struct iovec *last;

    if (iov_read(chain->readable, chain->readable_count, 0, &header, sizeof(header)) !=
            sizeof(header) ||
        chain->writable_bytes == 0) {
        virtio_mmio_broken(&blk->plugin->mmio, vq->index,
                           "a request without a header or a status byte, of bytes",
                           chain->readable_bytes + chain->writable_bytes);
        return;
    }
    r->chain = *chain;
    r->vq = vq;
    r->flushing = false;
    r->range = r->ranges = 0;
    r->io.flags = 0;
    last = &chain->writable[chain->writable_count - 1];
    r->status = (uint8_t *)last->iov_base + last->iov_len - 1;
    iov_trim(r->chain.writable, &r->chain.writable_count, 1);
    iov_advance(&r->chain.readable, &r->chain.readable_count, sizeof(header));
    blk_execute(r, &header);
}

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

    blk->waited_for = false; /* resumed before all was done */
    do {
        virtqueue_notify_disable(vq);
        while (started < most && virtqueue_pop(vq, &chain)) {
            blk_start(blk, vq, &chain);
            started++;
        }
    } while (started < most && virtqueue_notify_enable(vq));
    if (started)
        plugin->ops->disk_kick(plugin->host, blk->disk);
    blk_tell(blk);
    if (started == most)
        plugin->ops->timer_set(plugin->host, blk->timer, 0);
}

static void blk_go_on(void *opaque)
{
    struct blk *blk = opaque;

    for (unsigned i = 0; i < blk->nr_queues; i++)
        blk_notify(blk, virtio_mmio_queue(&blk->plugin->mmio, i));
}

static void blk_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    blk_start(device, vq, chain);
}

/*
 * Resets, and standing still
 */

/* Linux frees the buffers at once after it has written 0 to Status. */
static bool blk_drain(struct blk *blk)
{
    const struct virtio_plugin *plugin = blk->plugin;

    return blk->in_flight == 0 ||
           plugin->ops->disk_drain(plugin->host, blk->disk, BLK_DRAIN_MS) == 0;
}

static bool blk_reset(void *device)
{
    struct blk *blk = device;

    blk->waited_for = false;
    if (blk_drain(blk)) {
        blk->resetting = false;
        blk->state->writeback = 1;
        return true;
    }
    blk->plugin->ops->log(blk->plugin->host, RV_LOG_WARN,
                          "requests are in flight for more than %d s: the guest's reset waits",
                          BLK_DRAIN_MS / 1000);
    blk->resetting = true;
    blk->state->writeback = 1;
    return false;
}

static bool blk_queue_reset(void *device, struct virtqueue *vq)
{
    struct blk *blk = device;

    if (blk_drain(blk))
        return true;
    blk->queues[vq->index].resetting = true;
    return blk->queues[vq->index].in_flight == 0;
}

static int blk_quiesce(void *device)
{
    struct blk *blk = device;

    blk->plugin->ops->timer_cancel(blk->plugin->host, blk->timer);
    blk->waited_for = blk->in_flight != 0;
    return blk->waited_for ? -EINPROGRESS : 0;
}

/*
 * Configuration space
 */

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

    if (virtio_mmio_features(&blk->plugin->mmio) & VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) &&
        offset <= at && at < offset + len)
        blk->state->writeback = ((const uint8_t *)data)[at - offset] & 1;
}

/*
 * The instance
 */

static const char *const blk_caches[] = {"writeback", "none", "writethrough", "unsafe", NULL};
static const char *const blk_aios[] = {"auto", "io_uring", "threads", NULL};

static const struct rv_property blk_properties[] = {
    {.name = "path",
     .type = RV_PROPERTY_PATH,
     .required = true,
     .help = "image: a file, a block device, nbd://... or nbd+unix://..."},
    {.name = "ro", .type = RV_PROPERTY_BOOL, .value = "off", .help = "the guest cannot write"},
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
    {.name = "helper",
     .type = RV_PROPERTY_PATH,
     .help = "program that serves other formats than raw (default qemu-storage-daemon)"},
    {0},
};

static int blk_open(struct blk *blk)
{
    const struct virtio_plugin *plugin = blk->plugin;
    const struct rv_host_ops *ops = plugin->ops;
    struct rv_host *host = plugin->host;
    struct rv_disk_options options = {
        .size = sizeof(options),
        .path = ops->property_string(host, "path"),
        .format = ops->property_string(host, "format"),
        .cache = blk_caches[ops->property_enum(host, "cache")],
        .aio = blk_aios[ops->property_enum(host, "aio")],
        .helper = ops->property_string(host, "helper"),
        .read_only = ops->property_bool(host, "ro"),
        .no_discard = !ops->property_bool(host, "discard"),
        .no_lock = !ops->property_bool(host, "lock"),
        .round_end = blk_round_end,
        .opaque = blk,
    };
    int error = ops->disk_open(host, &options, &blk->disk);

    if (!error)
        blk->info = ops->disk_info(host, blk->disk);
    return error;
}

static int blk_read_properties(struct blk *blk)
{
    const struct rv_host_ops *ops = blk->plugin->ops;
    struct rv_host *host = blk->plugin->host;
    const char *serial = ops->property_string(host, "serial");
    uint64_t size = ops->property_uint(host, "queue-size");

    if (size & (size - 1)) {
        ops->log(host, RV_LOG_ERROR, "queue-size %llu: give a power of two",
                 (unsigned long long)size);
        return -EINVAL;
    }
    if (serial && strlen(serial) > sizeof(blk->serial)) {
        ops->log(host, RV_LOG_ERROR, "serial '%s': give %zu characters at most", serial,
                 sizeof(blk->serial));
        return -EINVAL;
    }
    if (serial)
        memcpy(blk->serial, serial, strlen(serial));
    blk->nr_queues = (unsigned)ops->property_uint(host, "queues");
    for (unsigned i = 0; i < blk->nr_queues; i++)
        blk->limits[i] = (struct virtqueue_limits){.size = (uint16_t)size, .segs = BLK_SEG_MAX + 2};
    return 0;
}

static int blk_allocate(struct blk *blk)
{
    const struct rv_host_ops *ops = blk->plugin->ops;

    for (unsigned i = 0; i < blk->nr_queues; i++) {
        struct blk_queue *q = &blk->queues[i];

        q->requests = calloc(blk->limits[i].size, sizeof(*q->requests));
        if (!q->requests)
            return -ENOMEM;
        for (unsigned n = 0; n < blk->limits[i].size; n++) {
            q->requests[n].blk = blk;
            q->requests[n].io.done = blk_done;
        }
    }
    blk->timer = ops->timer_new(blk->plugin->host, blk_go_on, blk);
    return blk->timer ? 0 : -ENOMEM;
}

static void blk_count(struct blk *blk)
{
    const struct rv_host_ops *ops = blk->plugin->ops;
    struct rv_host *host = blk->plugin->host;

    blk->count = (struct blk_counters){
        .reads = ops->counter(host, "reads", "read requests"),
        .writes = ops->counter(host, "writes", "write requests"),
        .read_bytes = ops->counter(host, "read-bytes", "bytes that were asked for"),
        .written_bytes = ops->counter(host, "written-bytes", "bytes that were given to write"),
        .flushes = ops->counter(host, "flushes", "flush requests"),
        .discards = ops->counter(host, "discards", "requests to discard or zero"),
        .errors = ops->counter(host, "errors", "requests that failed"),
    };
}

static void blk_destroy(void *device)
{
    struct blk *blk = device;
    const struct rv_host_ops *ops = blk->plugin->ops;

    if (blk->disk)
        ops->disk_close(blk->plugin->host, blk->disk);
    if (blk->timer)
        ops->timer_free(blk->plugin->host, blk->timer);
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
            .config_write = blk_config_write,
            .resubmit = blk_resubmit,
        },
    .create = blk_create,
    .destroy = blk_destroy,
    .quiesce = blk_quiesce,
};

VIRTIO_PLUGIN(blk, .name = "virtio-blk", .description = "virtio block device: a disk image",
              .properties = blk_properties, .state_version = 1,
              .state_size = sizeof(struct blk_state));
