/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the virtqueue share: nothing for devices. */
#pragma once

#include <endian.h>
#include <linux/virtio_ring.h>

#include <ringvisor/virtio/virtqueue.h>

#define VIRTQUEUE_DESC_SIZE 16u

struct virtq_extent {
    uint64_t ipa;
    uint64_t len;
};

/* One ring format. Called only while the queue is running, but for the first two. */
struct virtqueue_format {
    int (*map)(struct virtqueue *vq);    /* 0 or -EINVAL after a violation */
    int (*attach)(struct virtqueue *vq); /* make `state` and `slots` whole: 0 or -EINVAL */
    bool (*pop)(struct virtqueue *vq, struct virtq_chain *chain);
    bool (*again)(struct virtqueue *vq, uint16_t slot, struct virtq_chain *chain);
    void (*push)(struct virtqueue *vq, uint16_t slot, uint32_t written);
    bool (*publish)(struct virtqueue *vq); /* true: the driver wants an interrupt */
    void (*disable)(struct virtqueue *vq);
    bool (*enable)(struct virtqueue *vq); /* true: there is another buffer */
};

extern const struct virtqueue_format virtqueue_split;
extern const struct virtqueue_format virtqueue_packed;

/* The driver broke a rule. False, for its callers to return. */
bool virtqueue_violation(struct virtqueue *vq, const char *what, uint64_t value);

/*
 * A chain in the making: what the driver's descriptors say becomes host memory.
 */
struct virtqueue_walk {
    struct virtqueue *vq;
    struct iovec *iov;
    struct virtq_extent *extents;
    unsigned descriptors;
    unsigned readable;
    unsigned writable;
    uint64_t readable_bytes;
    uint64_t writable_bytes;
    bool writing; /* a writable descriptor was seen: no readable one may follow */
};

struct virtqueue_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags; /* split; in packed, `next` is the buffer ID and `flags` the flags */
    uint16_t next;
};

void virtqueue_walk_begin(struct virtqueue_walk *walk, struct virtqueue *vq, uint16_t slot);
/* The three are false after a violation. */
bool virtqueue_walk_add(struct virtqueue_walk *walk, uint64_t addr, uint32_t len, bool write);
bool virtqueue_walk_split_table(struct virtqueue_walk *walk, uint64_t addr, uint32_t len);
bool virtqueue_walk_packed_table(struct virtqueue_walk *walk, uint64_t addr, uint32_t len);
void virtqueue_walk_end(const struct virtqueue_walk *walk, uint16_t slot,
                        struct virtq_chain *chain);

/* `state->taken` */
static inline uint16_t virtqueue_next_avail(const struct virtqueue *vq)
{
    return (uint16_t)vq->state->taken;
}

static inline uint32_t virtqueue_order(const struct virtqueue *vq)
{
    return (uint32_t)(vq->state->taken >> 32);
}

/*
 * Take the chain in `slot` off the ring. Should this process end before the
 * second store, the slot's order tells that it was not taken.
 */
static inline void virtqueue_take(struct virtqueue *vq, uint16_t slot, uint16_t next_avail)
{
    uint32_t order = virtqueue_order(vq);

    vq->slots[slot].order = order;
    __atomic_store_n(&vq->slots[slot].mark, VIRTQ_SLOT_INFLIGHT, __ATOMIC_RELEASE);
    __atomic_store_n(&vq->state->taken, (uint64_t)(order + 1) << 32 | next_avail, __ATOMIC_RELEASE);
}

static inline uint16_t virtqueue_mark(const struct virtq_inflight *slot)
{
    return (uint16_t)slot->mark;
}

/*
 * Fields of the rings. The areas are aligned; both sides use them at the same
 * time, so each access is one that cannot be torn or repeated.
 */
static inline uint16_t virtqueue_load16(const uint8_t *at)
{
    return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED));
}

static inline uint16_t virtqueue_load16_acquire(const uint8_t *at)
{
    return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

static inline void virtqueue_store16(uint8_t *at, uint16_t value)
{
    __atomic_store_n((uint16_t *)(void *)at, htole16(value), __ATOMIC_RELAXED);
}

static inline void virtqueue_store16_release(uint8_t *at, uint16_t value)
{
    __atomic_store_n((uint16_t *)(void *)at, htole16(value), __ATOMIC_RELEASE);
}

static inline void virtqueue_store32(uint8_t *at, uint32_t value)
{
    __atomic_store_n((uint32_t *)(void *)at, htole32(value), __ATOMIC_RELAXED);
}

/* A descriptor, each field loaded once. An indirect table need not be aligned: 2.7.5.3. */
static inline struct virtqueue_desc virtqueue_load_desc(const uint8_t *at)
{
    const struct __attribute__((packed)) {
        uint64_t addr;
        uint32_t len;
        uint16_t flags;
        uint16_t next;
    } volatile *desc = (const volatile void *)at;

    return (struct virtqueue_desc){
        .addr = le64toh(desc->addr),
        .len = le32toh(desc->len),
        .flags = le16toh(desc->flags),
        .next = le16toh(desc->next),
    };
}
