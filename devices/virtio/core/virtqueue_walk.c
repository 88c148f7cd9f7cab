/* SPDX-License-Identifier: BSD-2-Clause */
/* From the driver's descriptors to lists of host memory, the same for both ring formats. */
#include "devices/virtio/core/virtqueue_internal.h"

/* A buffer is not longer than this: virtio 1.2, 2.7.5. */
#define VIRTQUEUE_BYTES_MAX (1ull << 32)

void virtqueue_walk_begin(struct virtqueue_walk *walk, struct virtqueue *vq, uint16_t slot)
{
    *walk = (struct virtqueue_walk){
        .vq = vq,
        .iov = vq->iov + (size_t)slot * vq->segs,
        .extents = vq->extents + (size_t)slot * vq->segs,
    };
}

bool virtqueue_walk_add(struct virtqueue_walk *walk, uint64_t addr, uint32_t len, bool write)
{
    struct virtqueue *vq = walk->vq;
    void *host;

    /* This also ends a loop of descriptors. */
    if (++walk->descriptors > vq->segs)
        return virtqueue_violation(vq, "a chain of more descriptors than", vq->segs);
    if (walk->writing && !write)
        return virtqueue_violation(vq, "a readable buffer after a writable one, at", addr);
    walk->writing = write;
    /* Nothing of the memory is used, so any address will do. */
    if (len == 0)
        return true;
    if (walk->readable_bytes + walk->writable_bytes + len > VIRTQUEUE_BYTES_MAX)
        return virtqueue_violation(vq, "a chain of more bytes than", VIRTQUEUE_BYTES_MAX);
    host = vq->env->span(vq->env->opaque, addr, len, write);
    if (!host)
        return virtqueue_violation(vq, "a buffer outside of RAM, at", addr);
    walk->iov[walk->readable + walk->writable] = (struct iovec){host, len};
    if (write) {
        walk->extents[walk->writable++] = (struct virtq_extent){addr, len};
        walk->writable_bytes += len;
    } else {
        walk->readable++;
        walk->readable_bytes += len;
    }
    return true;
}

/* The table as host memory, or NULL after a violation. */
static const uint8_t *virtqueue_walk_table(struct virtqueue *vq, uint64_t addr, uint32_t len)
{
    const uint8_t *table;

    if (!vq->indirect) {
        virtqueue_violation(vq, "an indirect descriptor without VIRTIO_F_INDIRECT_DESC, of", addr);
        return NULL;
    }
    if (len == 0 || len % VIRTQUEUE_DESC_SIZE != 0) {
        virtqueue_violation(vq, "an indirect table with a length of", len);
        return NULL;
    }
    table = vq->env->span(vq->env->opaque, addr, len, false);
    if (!table)
        virtqueue_violation(vq, "an indirect table outside of RAM, at", addr);
    return table;
}

/* 2.7.5.3: chained by `next`. The WRITE flag of who refers to the table means nothing. */
bool virtqueue_walk_split_table(struct virtqueue_walk *walk, uint64_t addr, uint32_t len)
{
    const uint8_t *table = virtqueue_walk_table(walk->vq, addr, len);
    struct virtqueue_desc desc = {.flags = VRING_DESC_F_NEXT};

    if (!table)
        return false;
    while (desc.flags & VRING_DESC_F_NEXT) {
        if (desc.next >= len / VIRTQUEUE_DESC_SIZE)
            return virtqueue_violation(walk->vq,
                                       "an indirect descriptor past its table:", desc.next);
        desc = virtqueue_load_desc(table + (size_t)desc.next * VIRTQUEUE_DESC_SIZE);
        if (desc.flags & VRING_DESC_F_INDIRECT)
            return virtqueue_violation(walk->vq, "an indirect table inside of that at", addr);
        if (!virtqueue_walk_add(walk, desc.addr, desc.len, desc.flags & VRING_DESC_F_WRITE))
            return false;
    }
    return true;
}

/* 2.8.7: all of the table in its order; flags other than WRITE are ignored. */
bool virtqueue_walk_packed_table(struct virtqueue_walk *walk, uint64_t addr, uint32_t len)
{
    const uint8_t *table = virtqueue_walk_table(walk->vq, addr, len);

    if (!table)
        return false;
    for (uint32_t at = 0; at < len; at += VIRTQUEUE_DESC_SIZE) {
        struct virtqueue_desc desc = virtqueue_load_desc(table + at);

        /* `next` has the place of the flags in this format. */
        if (!virtqueue_walk_add(walk, desc.addr, desc.len, desc.next & VRING_DESC_F_WRITE))
            return false;
    }
    return true;
}

void virtqueue_walk_end(const struct virtqueue_walk *walk, uint16_t slot, struct virtq_chain *chain)
{
    struct virtqueue *vq = walk->vq;

    vq->extent_count[slot] = (uint16_t)walk->writable;
    *chain = (struct virtq_chain){
        .readable = walk->iov,
        .writable = walk->iov + walk->readable,
        .readable_count = walk->readable,
        .writable_count = walk->writable,
        .readable_bytes = walk->readable_bytes,
        .writable_bytes = walk->writable_bytes,
        .generation = vq->generation,
        .slot = slot,
    };
}
