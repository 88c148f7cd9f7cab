/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network back ends of the vmm: user.c, tap.c, socket.c. What each operation means is in
 * ringvisor/net.h; vmm/device/device_net.c gives them to the devices.
 */
#pragma once

#include <ringvisor/device.h>
#include <ringvisor/net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <ringvisor/virtio/iov.h>
#include <ringvisor/virtio/virtio_device.h>

struct net_backend;
struct event_base;

/*
 * On whose behalf a back end works: messages, timers and descriptors are the instance's, and
 * so are the properties. Lives as long as the back end.
 */
struct net_context {
    const struct rv_vmm_ops *ops;
    struct rv_instance *instance;
    struct event_base *base; /* the loop */
};

/* Called from the loop, never from inside of an operation. */
struct net_callbacks {
    void *opaque;
    void (*readable)(void *opaque, unsigned pair);
    void (*writable)(void *opaque, unsigned pair);
    void (*link)(void *opaque, bool up); /* it is taken to be up at the beginning */
};

/* Absent: there is nothing to do. */
struct net_backend_ops {
    int (*send)(struct net_backend *b, unsigned pair, const struct iovec *iov, unsigned count);
    ssize_t (*receive)(struct net_backend *b, unsigned pair, const struct iovec *iov,
                       unsigned count);
    void (*want)(struct net_backend *b, unsigned pair, bool want);
    void (*set_offloads)(struct net_backend *b, uint64_t features);
    int (*set_pairs)(struct net_backend *b, unsigned pairs);
    void (*destroy)(struct net_backend *b);
};

/* The first member of each back end's own struct. */
struct net_backend {
    const struct net_backend_ops *ops;
    uint64_t features; /* of VIRTIO_NET_F_CSUM, _HOST_*, _GUEST_*: what it can do */
    unsigned pairs;    /* of queues, that it has */
    const char *name;
};

/*
 * By the user's word for it. 0; or, after a message: -EINVAL (a setting, or there is none of
 * that name), -ENOMEM, or another -errno. `pairs` is what the card wants.
 */
int net_backend_open(const char *name, const struct net_context *context,
                     const struct net_callbacks *callbacks, unsigned pairs,
                     struct net_backend **backend);

/* The same of each kind. NULL after a message. */
struct net_backend *net_tap_open(const struct net_context *context,
                                 const struct net_callbacks *callbacks, unsigned pairs);
struct net_backend *net_user_open(const struct net_context *context,
                                  const struct net_callbacks *callbacks, unsigned pairs);
struct net_backend *net_socket_open(const struct net_context *context,
                                    const struct net_callbacks *callbacks, unsigned pairs);
