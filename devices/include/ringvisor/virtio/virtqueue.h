/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of a virtqueue: virtio 1.2, 2.6 to 2.8. Split and packed
 * rings look the same to a device:
 *
 *     do {
 *         virtqueue_notify_disable(vq);
 *         while (virtqueue_pop(vq, &chain)) {
 *             ... read chain.readable, write chain.writable ...
 *             virtqueue_push(vq, &chain, bytes_written);
 *         }
 *     } while (virtqueue_notify_enable(vq));
 *     virtqueue_flush_notify(vq);
 *
 * A chain may also be kept and pushed later, in any order. After a restart,
 * virtqueue_resubmit() gives what was popped and not pushed.
 *
 * The driver's memory is hostile: each field is loaded once and checked. What
 * breaks the rules stops the whole device until the driver resets it; then
 * pop gives nothing and push does nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <ringvisor/virtio/virtio_env.h>
#include <ringvisor/virtio/virtio_state.h>

#define VIRTQUEUE_SIZE_MAX 1024u

/*
 * One buffer of the driver, as host memory. The lists may be altered in place
 * (iov_advance). They live until the push, or until a reset of the queue is done.
 */
struct virtq_chain {
    struct iovec *readable;
    struct iovec *writable;
    unsigned readable_count;
    unsigned writable_count;
    size_t readable_bytes;
    size_t writable_bytes;

    /* The queue's. */
    uint32_t generation;
    uint16_t slot;
};

struct virtqueue_limits {
    uint16_t size; /* QueueNumMax: a power of two, at most VIRTQUEUE_SIZE_MAX */
    uint16_t segs; /* descriptors in a chain, indirect ones included; 0: as `size` */
    /*
     * The ring is another process's (vhost-user): it is checked and mapped, and after
     * that this library neither reads nor writes it. Nothing is popped or pushed, and
     * nothing is recorded as in flight. The device tells of used buffers by
     * virtio_device_used().
     */
    bool external;
};

/* Who owns the queues: the transport. */
struct virtqueue_owner {
    void *opaque;
    void (*interrupt)(void *opaque, unsigned queue); /* used buffer notification */
    void (*violation)(void *opaque, unsigned queue, const char *what, uint64_t value);
};

struct virtq_extent; /* guest addresses of a chain's writable part */
struct virtqueue_format;

struct virtqueue {
    const struct virtio_env *env;
    const struct virtqueue_owner *owner;
    const struct virtqueue_format *format;
    struct virtq_state *state;
    struct virtq_inflight *slots;
    unsigned index;
    unsigned segs;
    bool running; /* ready, DRIVER_OK, and not broken */
    bool held;    /* quiesced: nothing new is popped */
    bool event_idx;
    bool indirect;
    bool external;

    /* Host addresses of the three areas. Guest memory never moves. */
    uint8_t *desc;
    uint8_t *driver;
    uint8_t *device;
    uint32_t size;

    uint32_t generation;    /* of the queue's life: a chain of an earlier one is stale */
    uint16_t avail_seen;    /* split: the driver's index, as last loaded */
    uint16_t published;     /* split: the used index that the driver can see */
    uint32_t unsignalled;   /* packed: descriptors used since the last flush */
    uint16_t *free;         /* packed: stack of free slots */
    unsigned free_count;    /* packed */
    bool resubmitting;      /* some slots were in flight at attach */
    uint32_t resubmit_from; /* order of the next that may be resubmitted */

    struct iovec *iov; /* `segs` for each slot */
    struct virtq_extent *extents;
    uint16_t *extent_count; /* for each slot */
};

/*
 * For devices
 */

/* The next buffer. False: none, or the queue is not running, or held. */
bool virtqueue_pop(struct virtqueue *vq, struct virtq_chain *chain);

/*
 * The same, for a buffer that is needed now. False: the driver notifies of the next. After a pop that
 * fails it need not, whatever it was asked before: its index may be past that by now.
 */
bool virtqueue_pop_or_ask(struct virtqueue *vq, struct virtq_chain *chain);

/*
 * Would a push of this chain be one? Not after a reset of the queue has begun: its memory is the
 * driver's again, or soon, and the device should not write there any more.
 */
bool virtqueue_is_current(const struct virtqueue *vq, const struct virtq_chain *chain);

/*
 * Give a buffer back. `written`: bytes from the start of the writable part;
 * what the device wrote beyond that must not matter to anyone. A chain from
 * before a reset of the queue is dropped. The driver learns of it at the next
 * flush, or before.
 */
void virtqueue_push(struct virtqueue *vq, const struct virtq_chain *chain, size_t written);

/*
 * Several buffers that belong together, in the order in which they were popped, and all that was popped
 * before was pushed: a frame in merged buffers. If this process ends in between, the next one pushes the
 * rest when its device resumes. All that the device writes to them must be there by now.
 */
void virtqueue_push_whole(struct virtqueue *vq, const struct virtq_chain *chains,
                          const size_t *written, unsigned count);

/* Publish what was pushed, and interrupt the driver if it asked for that. */
void virtqueue_flush_notify(struct virtqueue *vq);

/* Ask the driver not to notify: a hint, so a notification may still come. */
void virtqueue_notify_disable(struct virtqueue *vq);

/*
 * Ask the driver to notify of the next buffer. True: one has come meanwhile, of
 * which it may not notify: pop again.
 */
bool virtqueue_notify_enable(struct virtqueue *vq);

/*
 * After a restart, before the first pop: the next buffer that was popped and not
 * pushed, oldest first. It is checked again. False: that was all.
 */
bool virtqueue_resubmit(struct virtqueue *vq, struct virtq_chain *chain);

/* Buffers popped and not pushed yet. Walks the slots: not for the hot path. */
unsigned virtqueue_inflight(const struct virtqueue *vq);

/* The used index of an external split ring, as the driver sees it now. */
uint16_t virtqueue_used_index(const struct virtqueue *vq);

/*
 * For the transport
 */

/* 0, -EINVAL (limits) or -ENOMEM. `slots`: virtqueue_slots(limits) of them. */
uint32_t virtqueue_slots(const struct virtqueue_limits *limits);
int virtqueue_init(struct virtqueue *vq, unsigned index, const struct virtqueue_limits *limits,
                   const struct virtio_env *env, const struct virtqueue_owner *owner,
                   struct virtq_state *state, struct virtq_inflight *slots);
void virtqueue_destroy(struct virtqueue *vq);

/* QueueReady: check the rings and map them. 0 or -EINVAL after a violation. */
int virtqueue_enable(struct virtqueue *vq, uint64_t features);

/* Go on with what another process left in `state` and `slots`. 0 or -EINVAL. */
int virtqueue_attach(struct virtqueue *vq, uint64_t features);

/* Everything back to what it is after a reset; chains in flight become stale. */
void virtqueue_reset(struct virtqueue *vq);
