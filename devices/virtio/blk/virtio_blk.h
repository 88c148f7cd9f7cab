/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block device: virtio 1.2, 5.2. Data goes between the image and the guest's
 * memory without a copy; what is behind the image is the vmm's affair.
 *
 * A request is in an array by its chain's slot, so that none is ever allocated
 * and none is missing.
 */
#pragma once

#include <linux/virtio_blk.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define BLK_SECTOR      512u /* the unit of all that the driver says, whatever the block size */
#define BLK_QUEUES_MAX  16u
#define BLK_SEG_MAX     254u         /* with header and status: 256 descriptors */
#define BLK_SIZE_MAX    (256u << 10) /* of each: BLK_SEG_MAX of them are less than transfer_max */
#define BLK_RANGES_MAX  16u          /* segments of a DISCARD or WRITE_ZEROES */
#define BLK_RANGE_MAX   (1u << 21)   /* sectors in one: 1 GiB */
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
    bool in_flight; /* the vmm has `io` */
    bool flushing;  /* a write's own flush: the cache is write-through for the driver */
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

/* What is offered to the driver. */
uint64_t blk_features(const struct blk *blk);

/* Start the request of a chain. One that needs no I/O is over at once, but not told: blk_tell(). */
void blk_start(struct blk *blk, struct virtqueue *vq, const struct virtq_chain *chain);

/* rv_disk_request.done of each request. */
void blk_done(struct rv_disk_request *io, int error);

/* Interrupt the guest for all that is over, where it wants that. */
void blk_tell(struct blk *blk);
