/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a network device's frames go to and come from. A frame always begins with
 * a struct virtio_net_hdr_mrg_rxbuf (virtio 1.2, 5.1.6), whose num_buffers is the
 * device's affair, and then the Ethernet header.
 *
 * Everything is on the loop, and nothing blocks.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define NET_HEADER_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define NET_FRAME_MIN    14u      /* an Ethernet header */
#define NET_FRAME_MAX    0x10012u /* 64 KiB of IP, the Ethernet header and a VLAN tag */
#define NET_PAIRS_MAX    8u

/* Of virtio 1.3 and Linux 6.2, for headers that are older: segmentation of UDP. */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4   54
#define VIRTIO_NET_F_GUEST_USO6   55
#define VIRTIO_NET_F_HOST_USO     56
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct net_backend;

/* Called from the loop, never from inside a call of the back end. */
struct net_callbacks {
    void *ctx;
    void (*readable)(void *ctx, unsigned pair); /* receive() may give frames */
    void (*writable)(void *ctx, unsigned pair); /* after send() said -EAGAIN */
    void (*link)(void *ctx, bool up);           /* it is taken to be up at the beginning */
};

struct net_backend_ops {
    /*
     * One frame from the guest, header first. 0: taken, or dropped for good.
     * -EAGAIN: offer it again after writable().
     */
    int (*send)(struct net_backend *b, unsigned pair, const struct iovec *iov, unsigned count);

    /*
     * One frame for the guest, into the buffers, header first. Its bytes; -EAGAIN: none
     * now, and readable() will be called; -EMSGSIZE: it did not fit and is lost. There is
     * room for NET_FRAME_MAX.
     */
    ssize_t (*receive)(struct net_backend *b, unsigned pair, const struct iovec *iov,
                       unsigned count);

    /* false: the guest has no buffers, so readable() need not be called. At first: false. */
    void (*want)(struct net_backend *b, unsigned pair, bool want);

    /* The guest takes frames with these of VIRTIO_NET_F_GUEST_*. NULL: none can come. */
    void (*set_offloads)(struct net_backend *b, uint64_t features);

    /*
     * The first `pairs` are in use, and the others give and take nothing. At first: all.
     * 0 or -errno. NULL: there is only one.
     */
    int (*set_pairs)(struct net_backend *b, unsigned pairs);

    void (*destroy)(struct net_backend *b);
};

/* The first member of each back end's own. */
struct net_backend {
    const struct net_backend_ops *ops;
    uint64_t features; /* of VIRTIO_NET_F_CSUM, _HOST_*, _GUEST_*: what it can do */
    unsigned pairs;    /* of queues, that it has */
};

/* NULL after a message. They read the plugin's properties; `pairs` is what the user wants. */
struct net_backend *net_tap_open(struct virtio_plugin *plugin,
                                 const struct net_callbacks *callbacks, unsigned pairs);
struct net_backend *net_user_open(struct virtio_plugin *plugin,
                                  const struct net_callbacks *callbacks, unsigned pairs);
struct net_backend *net_socket_open(struct virtio_plugin *plugin,
                                    const struct net_callbacks *callbacks, unsigned pairs);
