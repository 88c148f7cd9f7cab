/* SPDX-License-Identifier: BSD-2-Clause */
/* Network device: frames. Sections without a name are of virtio 1.2. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/net/virtio_net.h"

/* With one of these, a frame for the guest may be as long as an IP packet can be. */
#define NET_GUEST_SEGMENTS                                                               \
    (VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_USO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_USO6))

static struct virtqueue *net_queue(struct net_pair *pair, unsigned which)
{
    return virtio_device_queue(&pair->net->plugin->virtio, 2 * pair->index + which);
}

/*
 * To the guest
 */

static bool net_merges(const struct net_pair *pair)
{
    return virtio_device_features(&pair->net->plugin->virtio) &
           VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
}

/* The largest frame that is usual, header included: for that much, buffers are held. */
static size_t net_usual(const struct net_pair *pair)
{
    const struct net *net = pair->net;

    if (net->state->offloads & NET_GUEST_SEGMENTS)
        return RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX;
    return RV_NET_HEADER_BYTES + RV_NET_FRAME_MIN + 4 + (net->mtu ? net->mtu : 1500u);
}

void net_rx_hold(struct net_pair *pair, const struct virtq_chain *chain)
{
    if (pair->nr_held == NET_HELD_MAX) {
        virtqueue_push(net_queue(pair, 0), chain, 0);
        return;
    }
    pair->held[pair->nr_held++] = *chain;
    pair->held_bytes += chain->writable_bytes;
}

/* Pop until the buffers are enough for `want` bytes in one frame. False: they are not. */
static bool net_rx_gather(struct net_pair *pair, size_t want)
{
    struct virtqueue *vq = net_queue(pair, 0);
    unsigned most = net_merges(pair) ? NET_HELD_MAX : 1;
    struct virtq_chain chain;

    while (pair->held_bytes < want && pair->nr_held < most && virtqueue_pop(vq, &chain)) {
        if (chain.writable_bytes < RV_NET_HEADER_BYTES) {
            virtio_device_broken(&pair->net->plugin->virtio, vq->index,
                                 "a receive buffer without room for a header, of bytes",
                                 chain.writable_bytes);
            return false;
        }
        net_rx_hold(pair, &chain);
    }
    return (most == 1 && pair->nr_held ? pair->held[0].writable_bytes : pair->held_bytes) >= want;
}

/* The pieces of the buffers that a frame can go to, in order, and their bytes. */
static unsigned net_rx_pieces(const struct net_pair *pair, struct iovec *iov, size_t *bytes)
{
    unsigned chains = net_merges(pair) ? pair->nr_held : pair->nr_held > 0;
    unsigned count = 0;

    *bytes = 0;
    for (unsigned i = 0; i < chains; i++) {
        const struct virtq_chain *chain = &pair->held[i];

        if (chain->writable_count > NET_IOV_MAX - count)
            break;
        memcpy(&iov[count], chain->writable, chain->writable_count * sizeof(*iov));
        count += chain->writable_count;
        *bytes += chain->writable_bytes;
    }
    return count;
}

/* A frame of `len` bytes is in the buffers: give those that it took to the driver. */
static void net_rx_use(struct net_pair *pair, size_t len)
{
    struct virtqueue *vq = net_queue(pair, 0);
    struct net *net = pair->net;
    size_t parts[NET_HELD_MAX], bytes = 0;
    uint16_t used = 0;

    ++*net->count.received;
    *net->count.received_bytes += len - RV_NET_HEADER_BYTES;
    while (used < pair->nr_held && bytes < len)
        bytes += pair->held[used++].writable_bytes;
    /* 5.1.6.4: set in any case, as 1 if buffers are not merged. */
    used = htole16(used);
    iov_write(pair->held[0].writable, pair->held[0].writable_count,
              offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &used, sizeof(used));
    used = le16toh(used);
    for (unsigned i = 0; i < used; i++) {
        parts[i] = pair->held[i].writable_bytes < len ? pair->held[i].writable_bytes : len;
        pair->held_bytes -= pair->held[i].writable_bytes;
        len -= parts[i];
    }
    virtqueue_push_whole(vq, pair->held, parts, used);
    pair->nr_held -= used;
    memmove(pair->held, pair->held + used, pair->nr_held * sizeof(pair->held[0]));
}

/*
 * One frame into the buffers themselves, and what is too long for them aside: how long it
 * is shows only then. Its bytes, or as net_receive.
 */
static ssize_t net_rx_read(struct net_pair *pair)
{
    const struct net *net = pair->net;
    struct iovec iov[NET_IOV_MAX + 1];
    unsigned count = net_rx_pieces(pair, iov, &pair->frame_head);
    ssize_t len;

    iov[count] = (struct iovec){pair->rest, RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX};
    len = net->plugin->ops->net_receive(net->plugin->instance, net->backend, pair->index, iov,
                                        count + 1);
    if (len > (ssize_t)(RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX))
        return -EMSGSIZE;
    if (len > (ssize_t)pair->frame_head)
        pair->frame_len = (size_t)len;
    return len;
}

/*
 * The rest of a frame into more buffers. 0: it waits for them, and no other is taken
 * meanwhile. -EMSGSIZE: it can never fit.
 */
static ssize_t net_rx_finish(struct net_pair *pair)
{
    const struct virtqueue *vq = net_queue(pair, 0);
    struct iovec iov[NET_IOV_MAX];
    size_t len = pair->frame_len, room;
    bool enough = net_rx_gather(pair, len);
    unsigned count = net_rx_pieces(pair, iov, &room);

    if (!enough && net_merges(pair) && pair->nr_held < vq->size && pair->nr_held < NET_HELD_MAX)
        return 0;
    pair->frame_len = 0;
    if (room < len)
        return -EMSGSIZE;
    iov_write(iov, count, pair->frame_head, pair->rest, len - pair->frame_head);
    return (ssize_t)len;
}

/* Up to a bound of frames. False: there may be more. */
static bool net_rx_frames(struct net_pair *pair)
{
    for (unsigned n = 0; n < NET_BATCH; n++) {
        ssize_t len;

        if (pair->frame_len) {
            len = net_rx_finish(pair);
        } else {
            net_rx_gather(pair, net_usual(pair));
            if (!pair->nr_held)
                return true; /* no buffer at all: what comes waits where it is */
            len = net_rx_read(pair);
            if (pair->frame_len)
                len = net_rx_finish(pair);
        }
        if (len == -EMSGSIZE)
            ++*pair->net->count.dropped;
        else if (len <= 0)
            return true;
        else
            net_rx_use(pair, (size_t)len);
    }
    return false;
}

static void net_want(struct net_pair *pair, bool want)
{
    const struct net *net = pair->net;

    if (pair->wants != want)
        net->plugin->ops->net_want(net->plugin->instance, net->backend, pair->index, want);
    pair->wants = want;
}

/* The user has unplugged the card: what comes is lost, as a frame that waited. */
static void net_rx_discard(struct net_pair *pair)
{
    const struct net *net = pair->net;
    struct iovec iov = {pair->rest, RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX};
    unsigned n = 0;

    *net->count.dropped += pair->frame_len != 0;
    pair->frame_len = 0;
    for (; n < NET_BATCH; n++) {
        ssize_t len = net->plugin->ops->net_receive(net->plugin->instance, net->backend,
                                                    pair->index, &iov, 1);

        if (len <= 0 && len != -EMSGSIZE)
            break;
        ++*net->count.dropped;
    }
    net_want(pair, true);
    if (n == NET_BATCH)
        virtio_plugin_later(net->plugin, net_queue(pair, 0));
}

void net_receive(struct net_pair *pair)
{
    struct virtqueue *vq = net_queue(pair, 0);
    bool all;

    if (!vq->running || vq->held || pair->index >= pair->net->state->pairs) {
        net_want(pair, false);
        return;
    }
    if (pair->net->state->unplugged) {
        net_rx_discard(pair);
        return;
    }
    do {
        virtqueue_notify_disable(vq);
        all = net_rx_frames(pair);
    } while (all && (pair->frame_len || !pair->nr_held) && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    net_want(pair, vq->running && !pair->frame_len && pair->nr_held);
    if (!all)
        virtio_plugin_later(pair->net->plugin, vq);
}

/*
 * From the guest
 */

/* 5.1.6.2: could this be what the driver may ask for, and is it inside of the frame? */
static bool net_header_is_sound(const struct net *net, const struct virtio_net_hdr *h, size_t len)
{
    uint64_t features = virtio_device_features(&net->plugin->virtio);
    uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

    if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        size_t end = (size_t)le16toh(h->csum_start) + le16toh(h->csum_offset) + 2;

        if (!(features & VIRTIO_FEATURE(VIRTIO_NET_F_CSUM)) || end > len)
            return false;
    }
    if (type == VIRTIO_NET_HDR_GSO_NONE)
        return h->gso_type == VIRTIO_NET_HDR_GSO_NONE;
    if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h->gso_size == 0 || le16toh(h->hdr_len) > len)
        return false;
    if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(features & VIRTIO_FEATURE(VIRTIO_NET_F_HOST_ECN)))
        return false;
    if (type == VIRTIO_NET_HDR_GSO_TCPV4)
        return features & VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4);
    if (type == VIRTIO_NET_HDR_GSO_UDP_L4)
        return h->gso_type == type && features & VIRTIO_FEATURE(VIRTIO_NET_F_HOST_USO);
    return type == VIRTIO_NET_HDR_GSO_TCPV6 && features & VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6);
}

/* 0, or -EAGAIN: the back end will take it later. */
static int net_tx_one(struct net *net, unsigned pair, const struct virtq_chain *chain)
{
    struct virtio_net_hdr_mrg_rxbuf header;
    struct iovec iov[NET_SEGS_MAX + 1], *rest = iov + 1;
    unsigned count = chain->readable_count;
    size_t len = chain->readable_bytes - RV_NET_HEADER_BYTES;
    int error;

    /* The copy is what is checked and sent. The driver's may change meanwhile. */
    if (chain->readable_bytes < RV_NET_HEADER_BYTES + RV_NET_FRAME_MIN || len > RV_NET_FRAME_MAX ||
        iov_read(chain->readable, count, 0, &header, sizeof(header)) != sizeof(header) ||
        !net_header_is_sound(net, &header.hdr, len) || net->state->unplugged) {
        ++*net->count.dropped;
        return 0;
    }
    memcpy(rest, chain->readable, count * sizeof(*iov));
    iov_advance(&rest, &count, sizeof(header));
    rest--;
    header.num_buffers = 0;
    *rest = (struct iovec){&header, sizeof(header)};
    error = net->plugin->ops->net_send(net->plugin->instance, net->backend, pair, rest, count + 1);
    if (!error) {
        ++*net->count.sent;
        *net->count.sent_bytes += len;
    }
    return error;
}

void net_send(struct net_pair *pair)
{
    struct virtqueue *vq = net_queue(pair, 1);
    unsigned n = 0;
    bool full = false;

    if (!vq->running || vq->held)
        return;
    do {
        virtqueue_notify_disable(vq);
        while (n < NET_BATCH && !full && (pair->out_held || virtqueue_pop(vq, &pair->out))) {
            full = net_tx_one(pair->net, pair->index, &pair->out) == -EAGAIN;
            pair->out_held = full;
            if (!full)
                virtqueue_push(vq, &pair->out, 0);
            n++;
        }
    } while (n < NET_BATCH && !full && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    if (n == NET_BATCH && !full)
        virtio_plugin_later(pair->net->plugin, vq);
    /* What answers at once, as the host's own kernel does, need not wait for the loop. */
    if (n && pair->wants)
        net_receive(pair);
}

void net_pair_forget(struct net_pair *pair)
{
    pair->nr_held = 0;
    pair->held_bytes = 0;
    pair->frame_len = 0;
    pair->out_held = false;
}
