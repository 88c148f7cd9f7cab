/* SPDX-License-Identifier: BSD-2-Clause */
/* Block device: requests, virtio 1.2, 5.2.6. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devices/virtio/blk/virtio_blk.h"

/*
 * The end of a request
 */

static void blk_finish(struct blk_request *r, uint8_t status)
{
    struct blk_queue *q = &r->blk->queues[r->vq->index];

    if (status != VIRTIO_BLK_S_OK)
        ++*r->blk->count.errors;
    /* After a reset its memory is something else of the guest's. */
    if (!virtqueue_is_current(r->vq, &r->chain))
        return;
    /* The status is the last byte, so all before it is said to be written as well. */
    *r->status = status;
    virtqueue_push(r->vq, &r->chain, r->chain.writable_bytes);
    q->touched = true;
}

void blk_tell(struct blk *blk)
{
    for (unsigned i = 0; i < blk->nr_queues; i++) {
        if (blk->queues[i].touched)
            virtqueue_flush_notify(virtio_device_queue(&blk->plugin->virtio, i));
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

    plugin->ops->disk_submit(plugin->instance, r->blk->disk, &r->io);
}

/* 5.2.6.2: is a write to be stable when it completes? */
static bool blk_is_writethrough(const struct blk *blk)
{
    uint64_t features = virtio_device_features(&blk->plugin->virtio);

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
        virtio_device_queue_reset_done(&blk->plugin->virtio, vq);
    }
    if (blk->in_flight)
        return;
    if (blk->resetting) {
        blk->resetting = false;
        virtio_device_reset_done(&blk->plugin->virtio);
    }
    if (blk->waited_for) {
        blk->waited_for = false;
        blk_tell(blk);
        virtio_plugin_quiesced(blk->plugin);
    }
}

void blk_done(struct rv_disk_request *io, int error)
{
    struct blk_request *r = (struct blk_request *)(void *)io;
    struct blk *blk = r->blk;
    struct virtqueue *vq = r->vq;
    struct blk_queue *q = &blk->queues[vq->index];

    if (!error && blk_goes_on(r))
        return;
    r->in_flight = false;
    blk_finish(r, blk_status(error));
    q->in_flight--;
    blk->in_flight--;
    blk_idle(blk, q, vq);
}

/*
 * Its beginning
 */

static void blk_begin(struct blk_request *r, uint32_t op)
{
    r->io.op = op;
    r->in_flight = true;
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
void blk_start(struct blk *blk, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct blk_request *r = &blk->queues[vq->index].requests[chain->slot];
    struct virtio_blk_outhdr header;
    struct iovec *last;

    if (iov_read(chain->readable, chain->readable_count, 0, &header, sizeof(header)) !=
            sizeof(header) ||
        chain->writable_bytes == 0) {
        virtio_device_broken(&blk->plugin->virtio, vq->index,
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
