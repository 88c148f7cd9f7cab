/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that the guest can see of a virtio device, and its requests in flight, as
 * plain bytes: struct virtio_state, then one virtq_state for each queue, then
 * for each queue one virtq_inflight for each of its descriptors.
 *
 * A process may die between any two stores and another go on from here, so the
 * order of the stores counts; virtqueue_split.c and virtqueue_packed.c tell it.
 */
#pragma once

#include <stdint.h>

#define VIRTIO_STATE_MAGIC   0x30317176u /* "vq10" */
#define VIRTIO_STATE_VERSION 1u

#define VIRTIO_NO_VECTOR 0xffffu /* virtio 1.2, 4.1.5.1.2 */

struct virtio_state {
    uint32_t magic;               /* 0x00 0: a new block */
    uint16_t version;             /* 0x04 */
    uint16_t queues;              /* 0x06 */
    uint64_t device_features;     /* 0x08 offered */
    uint64_t driver_features;     /* 0x10 accepted */
    uint32_t device_features_sel; /* 0x18 */
    uint32_t driver_features_sel; /* 0x1c */
    uint32_t queue_sel;           /* 0x20 */
    uint32_t status;              /* 0x24 */
    uint32_t interrupt_status;    /* 0x28 */
    uint32_t config_generation;   /* 0x2c */
    uint32_t resetting;           /* 0x30 1: the driver asked, the device is not done */
    uint32_t config_vector;       /* 0x34 PCI: of configuration changes; or VIRTIO_NO_VECTOR */
    uint32_t pad[2];              /* 0x38 */
};
_Static_assert(sizeof(struct virtio_state) == 0x40, "state layout");

struct virtq_state {
    uint64_t desc;      /* 0x00 addresses of the three areas */
    uint64_t driver;    /* 0x08 */
    uint64_t device;    /* 0x10 */
    uint32_t max;       /* 0x18 QueueNumMax: virtq_inflight entries */
    uint32_t size;      /* 0x1c QueueNum */
    uint32_t ready;     /* 0x20 */
    uint32_t resetting; /* 0x24 1: the driver asked for a reset of this queue */
    /*
     * Bits 15:0 where the next available entry is: split, the free-running
     * index; packed, the position in the ring with the wrap counter in bit 15.
     * Bits 63:32 how many chains were ever popped. In one word, so that one
     * store takes a chain off the ring.
     */
    uint64_t taken;  /* 0x28 */
    uint32_t used;   /* 0x30 where the next used entry goes, as bits 15:0 of `taken` */
    uint32_t held;   /* 0x34 packed: VIRTQ_HELD_x and where the first unpublished one is; or 0 */
    uint32_t vector; /* 0x38 PCI: of used buffers; or VIRTIO_NO_VECTOR */
    uint32_t whole;  /* 0x3c `order` + 1 of the last chain of a push of several; 0: there is none */
};
_Static_assert(sizeof(struct virtq_state) == 0x40, "state layout");

#define VIRTQ_HELD         0x80000000u
#define VIRTQ_HELD_WRITTEN 0x40000000u /* the buffer was written to */

enum { VIRTQ_SLOT_FREE, VIRTQ_SLOT_INFLIGHT, VIRTQ_SLOT_DONE };

/*
 * A split ring's slot has the number of the chain's head descriptor. A packed
 * ring has one for each descriptor, in any order: its descriptors may be
 * overwritten by used ones while the chain is in flight, so here is their copy.
 */
struct virtq_inflight {
    uint32_t order;   /* 0x00 bits 63:32 of `taken` when it was popped */
    uint32_t mark;    /* 0x04 VIRTQ_SLOT_x; bits 31:16 once done: the value of `used` */
    uint64_t addr;    /* 0x08 packed: the descriptor */
    uint32_t len;     /* 0x10 packed */
    uint16_t flags;   /* 0x14 packed */
    uint16_t next;    /* 0x16 packed: the slot of the chain's next descriptor */
    uint16_t id;      /* 0x18 packed: the buffer's, in the chain's first slot */
    uint16_t descs;   /* 0x1a descriptors in the ring, in the chain's first slot */
    uint32_t written; /* 0x1c once done, or up to `whole`: the bytes */
};
_Static_assert(sizeof(struct virtq_inflight) == 0x20, "state layout");
