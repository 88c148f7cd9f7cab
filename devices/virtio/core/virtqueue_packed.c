/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packed rings: virtio 1.2, 2.8. A position is an offset in the ring with the
 * wrap counter in bit 15, as in the event suppression structures.
 *
 * What a push stores, in this order, so that another process can go on after
 * any of them: ID and length of the used descriptor; the slot's mark (done, at
 * this position); the descriptor's flags, which publish it, or for the first of a
 * batch that it is held; the queue's position; the slot's mark (free). The flush
 * stores the flags of the one that is held, and then that none is.
 */
#include <errno.h>

#include "devices/virtio/core/virtqueue_internal.h"

#define DESC_LEN   8u
#define DESC_ID    12u
#define DESC_FLAGS 14u
#define DESC_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define DESC_USED  (1u << VRING_PACKED_DESC_F_USED)

#define EVENT_OFF_WRAP 0u
#define EVENT_FLAGS    2u
#define EVENT_SIZE     4u
#define EVENT_MASK     3u /* of the flags; the others are reserved */

#define WRAP (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static bool virtqueue_packed_wrap(uint16_t position)
{
    return position & WRAP;
}

static uint8_t *virtqueue_packed_desc(struct virtqueue *vq, uint16_t position)
{
    return vq->desc + (size_t)(position & ~WRAP) * VIRTQUEUE_DESC_SIZE;
}

/* `count` is at most the size of the ring. */
static uint16_t virtqueue_packed_forward(const struct virtqueue *vq, uint16_t position,
                                         uint32_t count)
{
    uint32_t offset = (position & ~WRAP) + count;

    if (offset >= vq->size)
        return (uint16_t)((offset - vq->size) | ((position & WRAP) ^ WRAP));
    return (uint16_t)(offset | (position & WRAP));
}

/* 2.8.1: AVAIL is the wrap counter of the driver, which is ours, and USED is not. */
static bool virtqueue_packed_is_avail(uint16_t flags, uint16_t position)
{
    bool wrap = virtqueue_packed_wrap(position);

    return !!(flags & DESC_AVAIL) == wrap && !!(flags & DESC_USED) != wrap;
}

/* 2.8.10.1. The size need not be a power of two. */
static int virtqueue_packed_map(struct virtqueue *vq)
{
    const struct virtq_state *state = vq->state;
    const struct virtio_env *env = vq->env;

    if (state->desc % 16 != 0 || state->driver % 4 != 0 || state->device % 4 != 0) {
        virtqueue_violation(vq, "a ring that is not aligned, descriptors at", state->desc);
        return -EINVAL;
    }
    vq->desc = env->span(env->opaque, state->desc, VIRTQUEUE_DESC_SIZE * state->size, true);
    vq->driver = env->span(env->opaque, state->driver, EVENT_SIZE, false);
    vq->device = env->span(env->opaque, state->device, EVENT_SIZE, true);
    if (!vq->desc || !vq->driver || !vq->device) {
        virtqueue_violation(vq, "a ring outside of RAM, descriptors at", state->desc);
        return -EINVAL;
    }
    vq->size = state->size;
    vq->unsignalled = 0;
    vq->free_count = 0;
    for (uint32_t i = vq->size; i-- > 0;)
        vq->free[vq->free_count++] = (uint16_t)i;
    return 0;
}

static void virtqueue_packed_publish_used(struct virtqueue *vq, uint16_t position, bool written)
{
    uint8_t *desc = virtqueue_packed_desc(vq, position);
    uint32_t flags = virtqueue_packed_wrap(position) ? DESC_AVAIL | DESC_USED : 0;

    /* Pairs with the driver's read barrier between the flags, and ID and length: 2.8.1. */
    virtqueue_store16_release(desc + DESC_FLAGS,
                              (uint16_t)(flags | (written ? VRING_DESC_F_WRITE : 0)));
    vq->env->dirty(vq->env->opaque, vq->state->desc + (uint64_t)(desc - vq->desc),
                   VIRTQUEUE_DESC_SIZE);
}

static void virtqueue_packed_dirty_event(struct virtqueue *vq)
{
    vq->env->dirty(vq->env->opaque, vq->state->device, EVENT_SIZE);
}

/* A chain in flight keeps its slots. False: they are not what a chain can have. */
static bool virtqueue_packed_claim(struct virtqueue *vq, uint16_t head, bool *taken)
{
    uint16_t i = head;

    for (uint32_t n = vq->slots[head].descs; n != 0; n--) {
        if (i >= vq->size || taken[i])
            return false;
        taken[i] = true;
        i = vq->slots[i].next;
    }
    return vq->slots[head].descs != 0;
}

static int virtqueue_packed_attach(struct virtqueue *vq)
{
    struct virtq_state *state = vq->state;
    bool taken[VIRTQUEUE_SIZE_MAX] = {false};

    if (state->used > UINT16_MAX || (state->used & ~WRAP) >= vq->size ||
        (virtqueue_next_avail(vq) & ~WRAP) >= vq->size)
        return -EINVAL;
    for (uint32_t i = 0; i < vq->size; i++) {
        struct virtq_inflight *slot = &vq->slots[i];

        if (virtqueue_mark(slot) == VIRTQ_SLOT_INFLIGHT &&
            !virtqueue_packed_claim(vq, (uint16_t)i, taken))
            return -EINVAL;
        if (virtqueue_mark(slot) != VIRTQ_SLOT_DONE)
            continue;
        if (slot->mark >> 16 == state->used) {
            uint16_t used = (uint16_t)state->used;
            const uint8_t *desc = virtqueue_packed_desc(vq, used);
            bool flag = virtqueue_load16(desc + DESC_FLAGS) & DESC_USED;

            /*
             * The last push, not counted. If it was published the driver may
             * have put the descriptor to new use, and it is no longer ours.
             */
            if (slot->descs == 0 || slot->descs > vq->size)
                return -EINVAL;
            if (flag != virtqueue_packed_wrap(used))
                virtqueue_packed_publish_used(vq, used, slot->written != 0);
            state->used = virtqueue_packed_forward(vq, used, slot->descs);
        }
        slot->mark = VIRTQ_SLOT_FREE;
    }
    if (state->held) {
        uint16_t held = (uint16_t)state->held;

        if ((held & ~WRAP) >= vq->size)
            return -EINVAL;
        if (!(virtqueue_load16(virtqueue_packed_desc(vq, held) + DESC_FLAGS) & DESC_USED) ==
            virtqueue_packed_wrap(held))
            virtqueue_packed_publish_used(vq, held, state->held & VIRTQ_HELD_WRITTEN);
        state->held = 0;
    }
    vq->free_count = 0;
    for (uint32_t i = vq->size; i-- > 0;)
        if (!taken[i])
            vq->free[vq->free_count++] = (uint16_t)i;
    /* Also what was written before, and not told. */
    vq->env->dirty(vq->env->opaque, state->desc, (uint64_t)VIRTQUEUE_DESC_SIZE * vq->size);
    virtqueue_packed_dirty_event(vq);
    return 0;
}

/* The chain whose descriptors were copied to slots. */
static bool virtqueue_packed_walk(struct virtqueue *vq, uint16_t head, struct virtq_chain *chain)
{
    struct virtqueue_walk walk;
    uint16_t i = head;

    virtqueue_walk_begin(&walk, vq, head);
    for (uint32_t n = vq->slots[head].descs; n != 0; n--) {
        const struct virtq_inflight *slot = &vq->slots[i];

        if (slot->flags & VRING_DESC_F_INDIRECT) {
            /* Never part of a list: 2.8.19. */
            if (vq->slots[head].descs != 1)
                return virtqueue_violation(vq, "a list with an indirect descriptor, of",
                                           slot->addr);
            if (!virtqueue_walk_packed_table(&walk, slot->addr, slot->len))
                return false;
        } else if (!virtqueue_walk_add(&walk, slot->addr, slot->len,
                                       slot->flags & VRING_DESC_F_WRITE)) {
            return false;
        }
        i = slot->next;
    }
    virtqueue_walk_end(&walk, head, chain);
    return true;
}

static bool virtqueue_packed_pop(struct virtqueue *vq, struct virtq_chain *chain)
{
    uint16_t position = virtqueue_next_avail(vq);
    struct virtq_inflight *slot = NULL;
    unsigned count = 0;
    uint16_t head, flags;

    /*
     * Pairs with the driver's write barrier between all of the list and the
     * flags of its first descriptor: 2.8.21.1.
     */
    flags = virtqueue_load16_acquire(virtqueue_packed_desc(vq, position) + DESC_FLAGS);
    if (!virtqueue_packed_is_avail(flags, position))
        return false;
    if (vq->free_count == 0)
        return virtqueue_violation(vq, "more descriptors than the ring has:", vq->size);
    head = vq->free[vq->free_count - 1];
    for (;;) {
        struct virtqueue_desc desc =
            virtqueue_load_desc(virtqueue_packed_desc(vq, position)); /* but for the flags */

        slot = &vq->slots[vq->free[vq->free_count - 1 - count]];
        slot->addr = desc.addr;
        slot->len = desc.len;
        slot->flags = flags;
        vq->slots[head].id = desc.flags; /* that of the last counts: 2.8.6 */
        count++;
        position = virtqueue_packed_forward(vq, position, 1);
        if (!(flags & VRING_DESC_F_NEXT))
            break;
        if (count == vq->free_count)
            return virtqueue_violation(vq, "a list longer than the ring's free part:", count);
        slot->next = vq->free[vq->free_count - 1 - count];
        flags = virtqueue_load16(virtqueue_packed_desc(vq, position) + DESC_FLAGS);
        if (!virtqueue_packed_is_avail(flags, position))
            return virtqueue_violation(vq, "a list that goes on where none is available, flags",
                                       flags);
    }
    vq->slots[head].descs = (uint16_t)count;
    if (!virtqueue_packed_walk(vq, head, chain))
        return false;
    vq->free_count -= count;
    virtqueue_take(vq, head, position);
    return true;
}

static void virtqueue_packed_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
    struct virtq_inflight *slot = &vq->slots[head];
    uint16_t used = (uint16_t)vq->state->used;
    uint8_t *desc = virtqueue_packed_desc(vq, used);
    uint16_t i = head;

    virtqueue_store32(desc + DESC_LEN, written);
    virtqueue_store16(desc + DESC_ID, slot->id);
    slot->written = written;
    __atomic_store_n(&slot->mark, VIRTQ_SLOT_DONE | (uint32_t)used << 16, __ATOMIC_RELEASE);
    /*
     * The driver looks at one after the other, so the first hides the rest of a batch:
     * a frame in several buffers must not be seen in part.
     */
    if (vq->state->held)
        virtqueue_packed_publish_used(vq, used, written != 0);
    else
        __atomic_store_n(&vq->state->held,
                         VIRTQ_HELD | (written != 0 ? VIRTQ_HELD_WRITTEN : 0) | used,
                         __ATOMIC_RELEASE);
    __atomic_store_n(&vq->state->used, virtqueue_packed_forward(vq, used, slot->descs),
                     __ATOMIC_RELEASE);
    __atomic_store_n(&slot->mark, VIRTQ_SLOT_FREE, __ATOMIC_RELEASE);

    vq->unsignalled += slot->descs;
    for (unsigned n = slot->descs; n != 0; n--) {
        vq->free[vq->free_count++] = i;
        i = vq->slots[i].next;
    }
}

static bool virtqueue_packed_publish(struct virtqueue *vq)
{
    uint32_t passed = vq->unsignalled;
    uint16_t used = (uint16_t)vq->state->used;
    uint16_t event, mode;
    uint32_t distance;

    if (passed == 0)
        return false;
    vq->unsignalled = 0;
    virtqueue_packed_publish_used(vq, (uint16_t)vq->state->held,
                                  vq->state->held & VIRTQ_HELD_WRITTEN);
    __atomic_store_n(&vq->state->held, 0, __ATOMIC_RELEASE);
    /*
     * Pairs with the driver's full barrier between its store of the event
     * suppression structure and its last look at the used flags: either it
     * sees the used descriptor or we see its wish, 2.8.22.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    /* The driver stores the offset before flags that make it count. */
    mode = virtqueue_load16_acquire(vq->driver + EVENT_FLAGS) & EVENT_MASK;
    if (mode == VRING_PACKED_EVENT_FLAG_DISABLE)
        return false;
    if (mode != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
        return true;
    event = virtqueue_load16(vq->driver + EVENT_OFF_WRAP);
    /* How far behind the next used descriptor that of the event lies; a wrapped sum if ahead. */
    distance = (uint32_t)(used & ~WRAP) - (event & ~WRAP);
    if (virtqueue_packed_wrap(used) != virtqueue_packed_wrap(event))
        distance += vq->size;
    return distance - 1 < passed;
}

static void virtqueue_packed_disable(struct virtqueue *vq)
{
    virtqueue_store16(vq->device + EVENT_FLAGS, VRING_PACKED_EVENT_FLAG_DISABLE);
    virtqueue_packed_dirty_event(vq);
}

static bool virtqueue_packed_enable(struct virtqueue *vq)
{
    uint16_t position = virtqueue_next_avail(vq);
    uint16_t mode = VRING_PACKED_EVENT_FLAG_ENABLE;

    if (vq->event_idx) {
        virtqueue_store16(vq->device + EVENT_OFF_WRAP, position);
        mode = VRING_PACKED_EVENT_FLAG_DESC;
    }
    /* Pairs with the driver's load of flags and offset: new flags, new offset. */
    virtqueue_store16_release(vq->device + EVENT_FLAGS, mode);
    virtqueue_packed_dirty_event(vq);
    /*
     * Pairs with the driver's full barrier between its store of the first flags
     * and its load of our structure, 2.8.21.2: either it notifies or we see the
     * descriptor here.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return virtqueue_packed_is_avail(
        virtqueue_load16(virtqueue_packed_desc(vq, position) + DESC_FLAGS), position);
}

const struct virtqueue_format virtqueue_packed = {
    .map = virtqueue_packed_map,
    .attach = virtqueue_packed_attach,
    .pop = virtqueue_packed_pop,
    .again = virtqueue_packed_walk,
    .push = virtqueue_packed_push,
    .publish = virtqueue_packed_publish,
    .disable = virtqueue_packed_disable,
    .enable = virtqueue_packed_enable,
};
