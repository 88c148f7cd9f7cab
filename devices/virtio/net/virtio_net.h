/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network device: virtio 1.2, 5.1. Frames go between the guest's buffers and a back end of
 * the vmm's without a copy of the device's own, wherever the back end can.
 *
 * Queue 2n receives and queue 2n + 1 sends; the control queue is behind them.
 */
#pragma once

#include <ringvisor/net.h>
#include <ringvisor/virtio/virtio_plugin.h>

#define NET_SEGS_MAX 64u  /* descriptors in a chain */
#define NET_HELD_MAX 64u  /* receive buffers that are popped and not used yet */
#define NET_IOV_MAX  256u /* pieces of the buffers that one frame may go to */
#define NET_BATCH    128u /* frames of a queue before others have their turn */

/* What the driver may switch: 5.1.6.5.6. */
#define NET_GUEST_OFFLOADS                                                               \
    (VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ECN) |  \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_USO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_USO6))

/* In the state block: what the driver can change, and what must not change under it. */
struct net_state {
    uint8_t mac[6];
    uint8_t first_mac[6]; /* what it is after a reset */
    uint8_t link_down;    /* so says the back end */
    uint8_t unplugged;    /* so says the user */
    uint16_t pairs;       /* that the driver uses */
    uint64_t offloads;    /* VIRTIO_NET_F_GUEST_* in force */
};
_Static_assert(sizeof(struct net_state) == 24, "state layout");

struct net_counters {
    uint64_t *sent, *received, *sent_bytes, *received_bytes, *dropped;
};

struct net_pair {
    struct net *net;
    unsigned index;

    /* Receive buffers that were popped, oldest first: a frame may take several. */
    struct virtq_chain held[NET_HELD_MAX];
    unsigned nr_held;
    size_t held_bytes;
    uint8_t *rest;     /* of a frame that was longer than the held buffers */
    size_t frame_head; /* of its bytes, those that are in the buffers */
    size_t frame_len;  /* 0: none waits */

    struct virtq_chain out; /* the back end did not take it yet */
    bool out_held;
    bool wants; /* what the back end was told */
};

struct net {
    struct virtio_plugin *plugin;
    struct rv_net *backend; /* of the vmm's */
    const struct rv_net_info *info;
    struct net_state *state;
    struct net_counters count;
    struct virtqueue_limits limits[2 * RV_NET_PAIRS_MAX + 1];
    struct net_pair pair[RV_NET_PAIRS_MAX];
    unsigned nr_pairs;
    uint16_t mtu;      /* 0: not announced */
    bool link_is_back; /* with this process; the driver is told when the device goes on */
};

/* virtio_net_queue.c */
void net_receive(struct net_pair *pair);
void net_send(struct net_pair *pair);
void net_pair_forget(struct net_pair *pair); /* a reset of its queues: chains are stale */
void net_rx_hold(struct net_pair *pair, const struct virtq_chain *chain); /* resubmitted */

/* virtio_net_control.c */
void net_control(struct net *net, struct virtqueue *vq);
void net_control_one(void *device, struct virtqueue *vq, const struct virtq_chain *chain);
