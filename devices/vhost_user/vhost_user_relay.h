/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings between the guest's and a back end that keeps no record of requests in flight.
 * Which those are cannot be seen in a ring after the death of a back end that does them
 * in any order. So the transport pops the guest's buffers and records them, as for any
 * device, and they go to the back end in a ring of ours, in a piece of memory that is
 * given to it beside RAM. Data is not copied. After a death what is in flight is put
 * into a new ring, oldest first.
 *
 * A buffer's number in that ring is its slot, and its descriptor an indirect one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "devices/vhost_user/vhost_user_engine.h"
#include <ringvisor/virtio/virtio_plugin.h>

/* Where the back end finds it: far above any guest's RAM. */
#define VHOST_USER_RELAY_BASE (1ull << 46)

struct vhost_user_relay_slot {
    bool busy;
    uint64_t order;
    struct virtq_chain chain;
};

struct vhost_user_relay_queue {
    uint64_t offset; /* in the memory */
    uint16_t avail, used;
    bool live; /* the back end may be at it */
    struct vhost_user_relay_slot *slots;
};

struct vhost_user_relay {
    int fd; /* of the memory; -1: there is no relay */
    uint8_t *memory;
    uint64_t bytes;
    unsigned nr_queues;
    uint16_t size;
    uint64_t order;
    const struct vhost_user_setup *setup;
    const struct virtio_plugin *plugin;
    struct vhost_user_relay_queue queues[VHOST_USER_QUEUES_MAX];
};

/* Regions of RAM are in `setup` already; one is added. 0 or -errno. */
int vhost_user_relay_init(struct vhost_user_relay *relay, struct vhost_user_setup *setup);
void vhost_user_relay_destroy(struct vhost_user_relay *relay);

/* A buffer of the guest's that is in flight from now on. */
void vhost_user_relay_put(struct vhost_user_relay *relay, unsigned queue,
                          const struct virtq_chain *chain);

/*
 * The next buffer that the back end has used. 1; 0: none; -EBADMSG: nonsense, with what
 * it is in `*written`.
 */
int vhost_user_relay_get(struct vhost_user_relay *relay, unsigned queue, struct virtq_chain *chain,
                         uint32_t *written);

/* A new ring, with all that is in flight, at `ring`; the back end is done with it. */
void vhost_user_relay_begin(struct vhost_user_relay *relay, unsigned queue,
                            struct vhost_user_ring *ring);
void vhost_user_relay_end(struct vhost_user_relay *relay, unsigned queue);

/* Is anything in flight? */
bool vhost_user_relay_busy(const struct vhost_user_relay *relay, unsigned queue);

/* The guest has everything back. */
void vhost_user_relay_drop(struct vhost_user_relay *relay, unsigned queue);
