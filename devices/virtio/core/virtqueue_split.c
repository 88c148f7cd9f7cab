/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Split rings: virtio 1.2, 2.7.
 *
 * What a push stores, in this order, so that another process can go on after
 * any of them: the used element; the slot's mark (done, at this used index); the
 * queue's used index; the slot's mark (free). The driver sees nothing of it
 * until the flush publishes the index, which may be done twice.
 */
#include <errno.h>

#include "devices/virtio/core/virtqueue_internal.h"

#define AVAIL_FLAGS 0u
#define AVAIL_IDX   2u
#define AVAIL_RING  4u
#define AVAIL_ELEM  2u
#define USED_FLAGS  0u
#define USED_IDX    2u
#define USED_RING   4u
#define USED_ELEM   8u

static uint8_t *virtqueue_split_used_event(struct virtqueue *vq)
{
    return vq->driver + AVAIL_RING + AVAIL_ELEM * vq->size;
}

static uint8_t *virtqueue_split_avail_event(struct virtqueue *vq)
{
    return vq->device + USED_RING + USED_ELEM * vq->size;
}

/* Table in 2.7: alignment and size of each part. */
static int virtqueue_split_map(struct virtqueue *vq)
{
    const struct virtq_state *state = vq->state;
    const struct virtio_env *env = vq->env;
    uint32_t size = state->size;

    if (size == 0 || (size & (size - 1)) != 0) {
        virtqueue_violation(vq, "a split ring that is not a power of two:", size);
        return -EINVAL;
    }
    if (state->desc % 16 != 0 || state->driver % 2 != 0 || state->device % 4 != 0) {
        virtqueue_violation(vq, "a ring that is not aligned, descriptors at", state->desc);
        return -EINVAL;
    }
    vq->desc = env->span(env->opaque, state->desc, VIRTQUEUE_DESC_SIZE * size, false);
    vq->driver = env->span(env->opaque, state->driver, AVAIL_RING + AVAIL_ELEM * size + 2, false);
    vq->device = env->span(env->opaque, state->device, USED_RING + USED_ELEM * size + 2, true);
    if (!vq->desc || !vq->driver || !vq->device) {
        virtqueue_violation(vq, "a ring outside of RAM, descriptors at", state->desc);
        return -EINVAL;
    }
    vq->size = size;
    vq->avail_seen = virtqueue_next_avail(vq);
    vq->published = (uint16_t)state->used;
    return 0;
}

static int virtqueue_split_attach(struct virtqueue *vq)
{
    struct virtq_state *state = vq->state;

    if (state->used > UINT16_MAX)
        return -EINVAL;
    for (uint32_t i = 0; i < vq->size; i++) {
        struct virtq_inflight *slot = &vq->slots[i];

        if (virtqueue_mark(slot) != VIRTQ_SLOT_DONE)
            continue;
        /* The last push: its index may not have been counted yet. */
        if (slot->mark >> 16 == state->used)
            state->used = (uint16_t)(state->used + 1);
        slot->mark = VIRTQ_SLOT_FREE;
    }
    vq->published = (uint16_t)state->used;
    /* Pairs with the driver's load of the index before that of the elements. */
    virtqueue_store16_release(vq->device + USED_IDX, vq->published);
    /* Also what was written before, and not told. */
    vq->env->dirty(vq->env->opaque, state->device, USED_RING + USED_ELEM * vq->size + 2);
    return 0;
}

static bool virtqueue_split_walk(struct virtqueue *vq, uint16_t head, struct virtq_chain *chain)
{
    struct virtqueue_walk walk;
    uint16_t i = head;

    virtqueue_walk_begin(&walk, vq, head);
    /* What is longer than the queue is a loop, which the limit of the walk ends. */
    for (;;) {
        struct virtqueue_desc desc =
            virtqueue_load_desc(vq->desc + (size_t)i * VIRTQUEUE_DESC_SIZE);

        if (desc.flags & VRING_DESC_F_INDIRECT) {
            /* It may come after others, and is the last: 2.7.5.3. */
            if (desc.flags & VRING_DESC_F_NEXT)
                return virtqueue_violation(vq, "both INDIRECT and NEXT in descriptor", i);
            if (!virtqueue_walk_split_table(&walk, desc.addr, desc.len))
                return false;
            break;
        }
        if (!virtqueue_walk_add(&walk, desc.addr, desc.len, desc.flags & VRING_DESC_F_WRITE))
            return false;
        if (!(desc.flags & VRING_DESC_F_NEXT))
            break;
        if (desc.next >= vq->size)
            return virtqueue_violation(vq, "a next descriptor past the queue:", desc.next);
        i = desc.next;
    }
    virtqueue_walk_end(&walk, head, chain);
    return true;
}

static bool virtqueue_split_pop(struct virtqueue *vq, struct virtq_chain *chain)
{
    uint16_t next = virtqueue_next_avail(vq);
    uint16_t head;

    if (next == vq->avail_seen) {
        /*
         * Pairs with the driver's write barrier between the descriptors and
         * the ring's entry, and the index: 2.7.13.3.1.
         */
        uint16_t seen = virtqueue_load16_acquire(vq->driver + AVAIL_IDX);

        if ((uint16_t)(seen - next) > vq->size)
            return virtqueue_violation(vq, "an available index that jumps to", seen);
        vq->avail_seen = seen;
        if (seen == next)
            return false;
    }
    head = virtqueue_load16(vq->driver + AVAIL_RING + AVAIL_ELEM * (next & (vq->size - 1)));
    if (head >= vq->size)
        return virtqueue_violation(vq, "an available head past the queue:", head);
    if (virtqueue_mark(&vq->slots[head]) != VIRTQ_SLOT_FREE)
        return virtqueue_violation(vq, "an available head that is in flight:", head);
    if (!virtqueue_split_walk(vq, head, chain))
        return false;
    virtqueue_take(vq, head, (uint16_t)(next + 1));
    return true;
}

static void virtqueue_split_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
    uint16_t used = (uint16_t)vq->state->used;
    uint8_t *elem = vq->device + USED_RING + USED_ELEM * (used & (vq->size - 1));
    struct virtq_inflight *slot = &vq->slots[head];

    virtqueue_store32(elem, head);
    virtqueue_store32(elem + 4, written);
    __atomic_store_n(&slot->mark, VIRTQ_SLOT_DONE | (uint32_t)used << 16, __ATOMIC_RELEASE);
    __atomic_store_n(&vq->state->used, (uint16_t)(used + 1), __ATOMIC_RELEASE);
    __atomic_store_n(&slot->mark, VIRTQ_SLOT_FREE, __ATOMIC_RELEASE);
}

/* More than the ring has entries, where a driver uses heads anew before it sees them used. */
static void virtqueue_split_dirty(struct virtqueue *vq, uint16_t from, uint16_t published)
{
    const struct virtio_env *env = vq->env;
    uint64_t ring = vq->state->device + USED_RING;
    uint32_t first = from & (vq->size - 1);
    uint32_t count = published < vq->size ? published : vq->size;
    uint32_t n = vq->size - first < count ? vq->size - first : count;

    env->dirty(env->opaque, ring + USED_ELEM * first, USED_ELEM * n);
    if (n < count)
        env->dirty(env->opaque, ring, USED_ELEM * (count - n));
    env->dirty(env->opaque, vq->state->device + USED_IDX, 2);
}

static bool virtqueue_split_publish(struct virtqueue *vq)
{
    uint16_t old = vq->published;
    uint16_t new = (uint16_t)vq->state->used;

    if (new == old)
        return false;
    /* Pairs with the driver's read barrier between the index and the elements: 2.7.14. */
    virtqueue_store16_release(vq->device + USED_IDX, new);
    vq->published = new;
    virtqueue_split_dirty(vq, old, (uint16_t)(new - old));
    /*
     * The index must be visible before we look whether the driver wants to hear
     * of it. Pairs with the driver's full barrier between its store of
     * used_event (or flags) and its last look at the index: either it sees the
     * new index or we see its wish, 2.7.7.2.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (vq->event_idx)
        return vring_need_event(virtqueue_load16(virtqueue_split_used_event(vq)), new, old);
    return !(virtqueue_load16(vq->driver + AVAIL_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* With an event index there is nothing to do: an old one does not come up again. */
static void virtqueue_split_disable(struct virtqueue *vq)
{
    if (vq->event_idx)
        return;
    virtqueue_store16(vq->device + USED_FLAGS, VRING_USED_F_NO_NOTIFY);
    vq->env->dirty(vq->env->opaque, vq->state->device + USED_FLAGS, 2);
}

static bool virtqueue_split_enable(struct virtqueue *vq)
{
    uint16_t next = virtqueue_next_avail(vq);
    uint8_t *at = vq->event_idx ? virtqueue_split_avail_event(vq) : vq->device + USED_FLAGS;

    virtqueue_store16(at, vq->event_idx ? next : 0);
    vq->env->dirty(vq->env->opaque, vq->state->device + (uint64_t)(at - vq->device), 2);
    /*
     * Pairs with the driver's full barrier between its store of the available
     * index and its load of avail_event (or flags), 2.7.13.4: either it notifies
     * or we see the new index here.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return virtqueue_load16(vq->driver + AVAIL_IDX) != next;
}

uint16_t virtqueue_used_index(const struct virtqueue *vq)
{
    return virtqueue_load16_acquire(vq->device + USED_IDX);
}

const struct virtqueue_format virtqueue_split = {
    .map = virtqueue_split_map,
    .attach = virtqueue_split_attach,
    .pop = virtqueue_split_pop,
    .again = virtqueue_split_walk, /* until it is used the driver leaves the table alone: 2.7.5 */
    .push = virtqueue_split_push,
    .publish = virtqueue_split_publish,
    .disable = virtqueue_split_disable,
    .enable = virtqueue_split_enable,
};
