/* SPDX-License-Identifier: BSD-2-Clause */
#include <ringvisor/virtio/virtqueue.h>

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core/virtqueue_internal.h"

#define FEATURE(bit) (1ull << (bit))

bool virtqueue_violation(struct virtqueue *vq, const char *what, uint64_t value)
{
    vq->running = false;
    vq->owner->violation(vq->owner->opaque, vq->index, what, value);
    return false;
}

uint32_t virtqueue_slots(const struct virtqueue_limits *limits)
{
    return limits->external ? 0 : limits->size;
}

int virtqueue_init(struct virtqueue *vq, unsigned index, const struct virtqueue_limits *limits,
                   const struct virtio_env *env, const struct virtqueue_owner *owner,
                   struct virtq_state *state, struct virtq_inflight *slots)
{
    size_t segs = limits->segs ? limits->segs : limits->size;

    if (limits->size == 0 || limits->size > VIRTQUEUE_SIZE_MAX ||
        (limits->size & (limits->size - 1)) != 0)
        return -EINVAL;
    *vq = (struct virtqueue){
        .env = env,
        .owner = owner,
        .state = state,
        .slots = slots,
        .index = index,
        .segs = (unsigned)segs,
        .generation = 1,
        .external = limits->external,
    };
    if (vq->external)
        return 0;
    /* Pages that no chain reaches are never touched, so cost nothing. */
    vq->iov = calloc(limits->size * segs, sizeof(struct iovec));
    vq->extents = calloc(limits->size * segs, sizeof(struct virtq_extent));
    vq->extent_count = calloc(limits->size, sizeof(uint16_t));
    vq->free = calloc(limits->size, sizeof(uint16_t));
    if (!vq->iov || !vq->extents || !vq->extent_count || !vq->free) {
        virtqueue_destroy(vq);
        return -ENOMEM;
    }
    return 0;
}

void virtqueue_destroy(struct virtqueue *vq)
{
    free(vq->iov);
    free(vq->extents);
    free(vq->extent_count);
    free(vq->free);
    vq->iov = NULL;
    vq->extents = NULL;
    vq->extent_count = NULL;
    vq->free = NULL;
}

static uint32_t virtqueue_recorded(const struct virtqueue *vq)
{
    return vq->external ? 0 : vq->state->max;
}

static int virtqueue_map(struct virtqueue *vq, uint64_t features)
{
    vq->event_idx = features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
    vq->indirect = features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
    vq->format = features & FEATURE(VIRTIO_F_RING_PACKED) ? &virtqueue_packed : &virtqueue_split;
    return vq->format->map(vq);
}

int virtqueue_enable(struct virtqueue *vq, uint64_t features)
{
    /* A packed ring begins at its start with both wrap counters 1: 2.8.1. */
    bool packed = features & FEATURE(VIRTIO_F_RING_PACKED);
    uint16_t start = packed ? 1u << VRING_PACKED_EVENT_F_WRAP_CTR : 0;
    struct virtq_state *state = vq->state;

    state->taken = start;
    state->used = start;
    memset(vq->slots, 0, virtqueue_recorded(vq) * sizeof(*vq->slots));
    return virtqueue_map(vq, features);
}

int virtqueue_attach(struct virtqueue *vq, uint64_t features)
{
    struct virtq_state *state = vq->state;
    uint32_t order = virtqueue_order(vq);
    uint32_t oldest = 0;
    int error;

    if (state->size == 0 || state->size > state->max)
        return -EINVAL;
    error = virtqueue_map(vq, features);
    if (error || vq->external)
        return error;
    for (uint32_t i = 0; i < state->max; i++) {
        struct virtq_inflight *slot = &vq->slots[i];

        /* Popped, but the process ended before it took the chain off the ring. */
        if (virtqueue_mark(slot) == VIRTQ_SLOT_INFLIGHT && order - slot->order - 1 >= INT32_MAX)
            slot->mark = VIRTQ_SLOT_FREE;
        if (virtqueue_mark(slot) > VIRTQ_SLOT_DONE ||
            (i >= state->size && virtqueue_mark(slot) != VIRTQ_SLOT_FREE))
            return -EINVAL;
        if (virtqueue_mark(slot) != VIRTQ_SLOT_INFLIGHT)
            continue;
        vq->resubmitting = true;
        if (order - slot->order > oldest)
            oldest = order - slot->order;
    }
    vq->resubmit_from = order - oldest;
    if (!vq->resubmitting)
        state->whole = 0;
    return vq->format->attach(vq);
}

void virtqueue_reset(struct virtqueue *vq)
{
    struct virtq_state *state = vq->state;
    uint32_t max = state->max;

    vq->running = false;
    vq->resubmitting = false;
    vq->generation++;
    memset(vq->slots, 0, virtqueue_recorded(vq) * sizeof(*vq->slots));
    *state = (struct virtq_state){.max = max, .size = max, .vector = VIRTIO_NO_VECTOR};
}

bool virtqueue_pop(struct virtqueue *vq, struct virtq_chain *chain)
{
    return vq->running && !vq->held && !vq->external && vq->format->pop(vq, chain);
}

bool virtqueue_pop_or_ask(struct virtqueue *vq, struct virtq_chain *chain)
{
    do {
        if (virtqueue_pop(vq, chain))
            return true;
    } while (virtqueue_notify_enable(vq));
    return false;
}

/* The oldest chain in flight that has not had its turn. False: there is none. */
static bool virtqueue_oldest(struct virtqueue *vq, uint16_t *found)
{
    uint32_t order = virtqueue_order(vq);
    uint32_t best = 0;

    /* The largest age that is not above the last one's. */
    for (uint32_t i = 0; i < vq->size; i++) {
        const struct virtq_inflight *slot = &vq->slots[i];
        uint32_t age = order - slot->order;

        if (virtqueue_mark(slot) != VIRTQ_SLOT_INFLIGHT || age > order - vq->resubmit_from)
            continue;
        if (age > best) {
            best = age;
            *found = (uint16_t)i;
        }
    }
    vq->resubmit_from = order - best + 1;
    return best != 0;
}

/* Was the process before in the middle of virtqueue_push_whole() with this one? */
static bool virtqueue_is_of_whole(const struct virtqueue *vq, uint16_t slot)
{
    uint32_t whole = vq->state->whole;

    return whole != 0 && whole - 1 - vq->slots[slot].order <= INT32_MAX;
}

bool virtqueue_resubmit(struct virtqueue *vq, struct virtq_chain *chain)
{
    uint16_t found = 0;

    while (vq->running && !vq->held && vq->resubmitting) {
        if (!virtqueue_oldest(vq, &found)) {
            vq->resubmitting = false;
            vq->state->whole = 0;
            break;
        }
        if (!vq->format->again(vq, found, chain))
            break;
        if (!virtqueue_is_of_whole(vq, found))
            return true;
        /* Its data are there, and the driver would miss it after the ones before. */
        virtqueue_push(vq, chain, vq->slots[found].written);
    }
    return false;
}

/* Tell who tracks writes, before the driver can learn of the data. */
static void virtqueue_dirty(struct virtqueue *vq, uint16_t slot, uint64_t written)
{
    const struct virtq_extent *extent = vq->extents + (size_t)slot * vq->segs;

    for (unsigned n = vq->extent_count[slot]; n != 0 && written != 0; n--, extent++) {
        uint64_t len = extent->len < written ? extent->len : written;

        vq->env->dirty(vq->env->opaque, extent->ipa, len);
        written -= len;
    }
}

bool virtqueue_is_current(const struct virtqueue *vq, const struct virtq_chain *chain)
{
    return vq->running && !vq->external && chain->generation == vq->generation;
}

void virtqueue_push(struct virtqueue *vq, const struct virtq_chain *chain, size_t written)
{
    if (!virtqueue_is_current(vq, chain))
        return;
    if (virtqueue_mark(&vq->slots[chain->slot]) != VIRTQ_SLOT_INFLIGHT) {
        vq->env->log(vq->env->opaque, "queue %u: a buffer was pushed twice: a bug of the device",
                     vq->index);
        return;
    }
    if (written > chain->writable_bytes)
        written = chain->writable_bytes;
    if (written > UINT32_MAX)
        written = UINT32_MAX;
    virtqueue_dirty(vq, chain->slot, written);
    vq->format->push(vq, chain->slot, (uint32_t)written);
}

void virtqueue_push_whole(struct virtqueue *vq, const struct virtq_chain *chains,
                          const size_t *written, unsigned count)
{
    bool several = count > 1 && virtqueue_is_current(vq, &chains[0]);

    if (several) {
        for (unsigned i = 0; i < count; i++)
            vq->slots[chains[i].slot].written = (uint32_t)written[i];
        __atomic_store_n(&vq->state->whole, vq->slots[chains[count - 1].slot].order + 1,
                         __ATOMIC_RELEASE);
    }
    for (unsigned i = 0; i < count; i++)
        virtqueue_push(vq, &chains[i], written[i]);
    if (several)
        __atomic_store_n(&vq->state->whole, 0, __ATOMIC_RELEASE);
}

void virtqueue_flush_notify(struct virtqueue *vq)
{
    if (vq->running && !vq->external && vq->format->publish(vq))
        vq->owner->interrupt(vq->owner->opaque, vq->index);
}

void virtqueue_notify_disable(struct virtqueue *vq)
{
    if (vq->running && !vq->external)
        vq->format->disable(vq);
}

bool virtqueue_notify_enable(struct virtqueue *vq)
{
    /* A queue that is held gives nothing whatever has come: its device is notified when it resumes. */
    return vq->running && !vq->held && !vq->external && vq->format->enable(vq);
}

unsigned virtqueue_inflight(const struct virtqueue *vq)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < virtqueue_recorded(vq); i++)
        count += virtqueue_mark(&vq->slots[i]) == VIRTQ_SLOT_INFLIGHT;
    return count;
}
