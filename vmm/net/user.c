/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network of the vmm's own, by libslirp: the guest's connections become the vmm's
 * sockets, so that no privilege is needed. DHCP, DNS, the host at 10.0.2.2, IPv6.
 *
 * libslirp knows no offloads, but takes and gives IP packets of any size. So a segment
 * of the guest's goes to it as one packet, whose checksum is completed here, and so do
 * segments to the guest: user_segment.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/net/hostfwd.h"
#include "vmm/net/net_backend.h"
#include "vmm/net/net_checksum.h"
#include "vmm/net/net_frames.h"
#include "vmm/net/user_evict.h"
#include "vmm/net/user_fragment.h"
#include "vmm/net/user_guard.h"
#include "vmm/net/user_options.h"
#include "vmm/net/user_poll.h"
#include "vmm/net/user_segment.h"
#include "vmm/sandbox/needs.h"

#define USER_QUEUE_BYTES (2u << 20) /* frames for a guest that is behind */
#define USER_QUEUE_HIGH  (USER_QUEUE_BYTES / 4)
#define USER_MTU_USUAL   1500u
#define NS_PER_MS        1000000ull

#define USER_FEATURES                                                                   \
    (VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |       \
     VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6))
#define USER_LARGE \
    (VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6))

struct user {
    struct net_backend backend; /* first */
    const struct net_context *context;
    struct net_callbacks callbacks;
    Slirp *slirp;
    struct user_poll poll;
    struct user_guard guard;
    struct net_frames frames;      /* to the guest */
    struct user_fragment fragment; /* of the first of these */
    size_t mtu;                    /* of the guest's */
    uint64_t offloads;             /* VIRTIO_NET_F_GUEST_x in force */
    bool want;
    bool complained[USER_TOO_MANY_FRAGMENTS + 1];
    uint64_t *lost, *refused;
    uint8_t frame[RV_NET_FRAME_MAX]; /* from the guest */
};

struct user_timer {
    struct user *user;
    struct rv_timer *timer;
    SlirpTimerCb fired;
    void *opaque;
};

/*
 * Frames to the guest
 */

/* libslirp does not wait: what finds no room is lost, as on a wire. */
static ssize_t user_send_packet(const void *bytes, size_t len, void *opaque)
{
    struct user *user = opaque;

    if (len > RV_NET_FRAME_MAX || !net_frames_push(&user->frames, bytes, len))
        ++*user->lost;
    return (ssize_t)len;
}

/* The host's sockets are not read while the guest is behind: so their peers slow down. */
static void user_throttle(struct user *user)
{
    bool behind = user->frames.used > USER_QUEUE_HIGH;

    if (behind != user->poll.throttled)
        user_poll_kick(&user->poll);
    user->poll.throttled = behind;
}

static void user_popped(struct user *user)
{
    net_frames_pop(&user->frames);
    user_throttle(user);
}

/* The next part of a packet that is longer than the guest's MTU. */
static ssize_t user_receive_part(struct user *user, const uint8_t *frame, size_t frame_len,
                                 const struct iovec *iov, unsigned count)
{
    static const struct virtio_net_hdr_mrg_rxbuf header;
    uint8_t head[USER_FRAGMENT_HEAD];
    const uint8_t *part;
    size_t head_len, part_len, len;
    int error = user_fragment_next(&user->fragment, frame, frame_len, user->mtu, head, &head_len,
                                   &part, &part_len);

    if (error) {
        user_popped(user);
        return -EMSGSIZE;
    }
    len = iov_write(iov, count, 0, &header, sizeof(header));
    len += iov_write(iov, count, len, head, head_len);
    len += iov_write(iov, count, len, part, part_len);
    if (!user->fragment.done)
        user_popped(user);
    return len == sizeof(header) + head_len + part_len ? (ssize_t)len : -EMSGSIZE;
}

static ssize_t user_receive(struct net_backend *b, unsigned pair, const struct iovec *iov,
                            unsigned count)
{
    struct virtio_net_hdr_mrg_rxbuf header = {0};
    struct user *user = (struct user *)(void *)b;
    size_t frame_len, len;
    uint8_t *frame = net_frames_peek(&user->frames, &frame_len);

    if (!frame)
        return -EAGAIN;
    if (user->offloads & VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) && !user->fragment.done)
        user_segment_header(frame, frame_len, user->mtu,
                            (user->offloads & USER_LARGE) == USER_LARGE, &header);
    if (header.hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE && frame_len > RV_NET_FRAME_MIN + user->mtu)
        return user_receive_part(user, frame, frame_len, iov, count);
    len = iov_write(iov, count, 0, &header, sizeof(header));
    len += iov_write(iov, count, len, frame, frame_len);
    user_popped(user);
    return len == sizeof(header) + frame_len ? (ssize_t)len : -EMSGSIZE;
}

/* In the loop, after libslirp has worked. */
static void user_deliver(void *opaque)
{
    struct user *user = opaque;

    user_throttle(user);
    if (user->frames.used != 0 && user->want)
        user->callbacks.readable(user->callbacks.opaque, 0);
}

static void user_want(struct net_backend *b, unsigned pair, bool want)
{
    struct user *user = (struct user *)(void *)b;

    user->want = want;
    if (want && user->frames.used != 0)
        user_poll_kick(&user->poll);
}

static void user_set_offloads(struct net_backend *b, uint64_t features)
{
    ((struct user *)(void *)b)->offloads = features;
}

/*
 * Frames from the guest
 */

static void user_complain(struct user *user, enum user_verdict verdict)
{
    static const char *const text[] = {
        [USER_MALFORMED] = "the guest sends frames that are no ARP, IPv4 or IPv6",
        [USER_TOO_MANY_SOCKETS] = "the guest has as many connections as the user network serves",
        [USER_TOO_MANY_FRAGMENTS] = "the guest sends more IP fragments than the user network takes",
    };

    ++*user->refused;
    if (!user->complained[verdict])
        user->context->ops->log(user->context->instance,
                                verdict == USER_MALFORMED ? RV_LOG_DEBUG : RV_LOG_WARN,
                                "%s: dropped, further ones without a message", text[verdict]);
    user->complained[verdict] = true;
}

/* All is done on a copy: the guest may change its own meanwhile. */
static int user_send(struct net_backend *b, unsigned pair, const struct iovec *iov, unsigned count)
{
    struct user *user = (struct user *)(void *)b;
    const struct rv_vmm_ops *ops = user->context->ops;
    struct virtio_net_hdr_mrg_rxbuf header;
    enum user_verdict verdict = USER_MALFORMED;
    size_t len;

    iov_read(iov, count, 0, &header, sizeof(header)); /* which the device has checked */
    len = iov_read(iov, count, sizeof(header), user->frame, sizeof(user->frame));
    if (header.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        size_t start = le16toh(header.hdr.csum_start), offset = le16toh(header.hdr.csum_offset);

        if ((user->offloads & USER_LARGE) == USER_LARGE)
            user_segment_syn(user->frame, len, start, offset);
        if (!net_checksum_complete(user->frame, len, start, offset))
            len = 0;
    }
    if (user_poll_full(&user->poll))
        user_evict(&user->poll);
    if (len >= RV_NET_FRAME_MIN)
        verdict = user_guard_check(&user->guard, user->frame, len, user->poll.open,
                                   ops->now_ns(user->context->instance));
    if (verdict != USER_PASS) {
        user_complain(user, verdict);
        return 0;
    }
    slirp_input(user->slirp, user->frame, (int)len);
    user_poll_kick(&user->poll); /* after the batch: what does it wait for now? */
    return 0;
}

/*
 * libslirp's callbacks
 */

static void user_guest_error(const char *message, void *opaque)
{
    struct user *user = opaque;

    user->context->ops->log(user->context->instance, RV_LOG_DEBUG, "the guest's frames: %s",
                            message);
}

static int64_t user_clock_ns(void *opaque)
{
    struct user *user = opaque;

    return (int64_t)(user->context->ops->now_ns(user->context->instance) +
                     user->poll.clock_ahead_ms * NS_PER_MS);
}

static void user_timer_fired(void *opaque)
{
    struct user_timer *timer = opaque;

    timer->fired(timer->opaque);
    user_poll_kick(&timer->user->poll);
}

static void *user_timer_new(SlirpTimerCb fired, void *fired_opaque, void *opaque)
{
    struct user *user = opaque;
    struct user_timer *timer = calloc(1, sizeof(*timer));

    if (!timer)
        return NULL;
    *timer = (struct user_timer){.user = user, .fired = fired, .opaque = fired_opaque};
    timer->timer = user->context->ops->timer_new(user->context->instance, user_timer_fired, timer);
    if (!timer->timer) {
        free(timer);
        return NULL;
    }
    return timer;
}

static void user_timer_free(void *timer, void *opaque)
{
    struct user *user = opaque;

    if (timer)
        user->context->ops->timer_free(user->context->instance,
                                       ((struct user_timer *)timer)->timer);
    free(timer);
}

static void user_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct user *user = opaque;

    if (timer)
        user->context->ops->timer_set(user->context->instance, ((struct user_timer *)timer)->timer,
                                      (uint64_t)expire_ms * NS_PER_MS);
}

static void user_register_fd(int fd, void *opaque)
{
    user_poll_opened(&((struct user *)opaque)->poll, fd);
}

static void user_unregister_fd(int fd, void *opaque)
{
    user_poll_closed(&((struct user *)opaque)->poll, fd);
}

static void user_notify(void *opaque)
{
    user_poll_kick(&((struct user *)opaque)->poll);
}

static const SlirpCb user_callbacks = {
    .send_packet = user_send_packet,
    .guest_error = user_guest_error,
    .clock_get_ns = user_clock_ns,
    .timer_new = user_timer_new,
    .timer_free = user_timer_free,
    .timer_mod = user_timer_mod,
    .register_poll_fd = user_register_fd,
    .unregister_poll_fd = user_unregister_fd,
    .notify = user_notify,
};

/*
 * The instance
 */

static void user_destroy(struct net_backend *b)
{
    struct user *user = (struct user *)(void *)b;

    if (user->slirp)
        slirp_cleanup(user->slirp);
    user_poll_free(&user->poll);
    net_frames_free(&user->frames);
    free(user);
}

static const struct net_backend_ops user_ops = {
    .send = user_send,
    .receive = user_receive,
    .want = user_want,
    .set_offloads = user_set_offloads,
    .destroy = user_destroy,
};

/* 0, or -EINVAL after a message. */
static int user_forward(struct user *user, const char *text, bool ipv6)
{
    const struct rv_vmm_ops *ops = user->context->ops;

    while (text && *text) {
        struct hostfwd fwd;
        size_t len = hostfwd_parse(text, &fwd);

        if (len == 0) {
            ops->log(user->context->instance, RV_LOG_ERROR,
                     "hostfwd '%s': give tcp:[ADDRESS]:PORT-[GUEST-ADDRESS]:PORT, such as "
                     "tcp:127.0.0.1:2222-:22, or udp:...; an IPv6 address is in brackets, as in "
                     "tcp:[::1]:2222-:22, and a forward has addresses of one kind",
                     text);
            return -EINVAL;
        }
        if (fwd.host.any.sa_family == AF_INET6 && !ipv6) {
            ops->log(user->context->instance, RV_LOG_ERROR,
                     "hostfwd '%.*s': with ipv6=off there are no IPv6 addresses", (int)len, text);
            return -EINVAL;
        }
        if (slirp_add_hostxfwd(user->slirp, &fwd.host.any, fwd.len, &fwd.guest.any, fwd.len,
                               SLIRP_HOSTFWD_V6ONLY | (fwd.udp ? SLIRP_HOSTFWD_UDP : 0)) < 0) {
            ops->log(user->context->instance, RV_LOG_ERROR,
                     "hostfwd '%.*s': cannot listen on port %u of the host: %s", (int)len, text,
                     hostfwd_port(&fwd.host), strerror(errno));
            return -EINVAL;
        }
        text += len + (text[len] != '\0');
    }
    return 0;
}

/* 0, or -EINVAL after a message. */
static int user_start(struct user *user)
{
    const struct rv_vmm_ops *ops = user->context->ops;
    struct rv_instance *instance = user->context->instance;
    uint64_t mtu = ops->property_uint(instance, "mtu");
    struct user_network network;
    char error[160];
    SlirpConfig config = {
        .version = 1,
        .restricted = ops->property_bool(instance, "restrict"),
        .in_enabled = true,
        .in6_enabled = ops->property_bool(instance, "ipv6"),
        .vprefix_len = 64,
        .vhostname = ops->property_string(instance, "hostname"),
        .if_mtu = mtu > USER_MTU ? mtu : USER_MTU,
        .if_mru = mtu > USER_MTU ? mtu : USER_MTU,
    };

    if (user_options_network(ops->property_string(instance, "net"),
                             ops->property_string(instance, "dns"), &network, error,
                             sizeof(error))) {
        ops->log(instance, RV_LOG_ERROR, "%s", error);
        return -EINVAL;
    }
    user->mtu = mtu ? mtu : USER_MTU_USUAL;
    user->guard.host = network.host;
    config.vnetwork = network.net;
    config.vnetmask = network.mask;
    config.vhost = network.host;
    config.vdhcp_start = network.dhcp;
    config.vnameserver = network.dns;
    inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &config.vhost6);
    inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
    user->slirp = slirp_new(&config, &user_callbacks, user);
    if (!user->slirp) {
        ops->log(instance, RV_LOG_ERROR, "libslirp does not start");
        return -EINVAL;
    }
    if (user_forward(user, ops->property_string(instance, "hostfwd"), config.in6_enabled))
        return -EINVAL;
    user_poll_start(&user->poll, user->slirp);
    sandbox_need(SANDBOX_INET);
    sandbox_need_path("/etc/resolv.conf", SANDBOX_READ); /* libslirp looks for a change */
    return 0;
}

struct net_backend *net_user_open(const struct net_context *context,
                                  const struct net_callbacks *callbacks, unsigned pairs)
{
    const struct rv_vmm_ops *ops = context->ops;
    struct user *user = calloc(1, sizeof(*user));
    int error;

    (void)pairs; /* it has one */
    if (!user)
        return NULL;
    user->backend = (struct net_backend){.ops = &user_ops, .features = USER_FEATURES, .pairs = 1};
    user->context = context;
    user->callbacks = *callbacks;
    user->lost = ops->counter(context->instance, "lost", "frames for which the guest had no room");
    user->refused =
        ops->counter(context->instance, "refused", "frames that the user network refused");
    user->poll = (struct user_poll){.instance = context->instance,
                                    .ops = ops,
                                    .epoll = -1,
                                    .worked = user_deliver,
                                    .opaque = user};
    user_guard_init(&user->guard, ops->now_ns(context->instance));
    user->poll.open_max = user->guard.sockets_max;
    signal(SIGPIPE, SIG_IGN); /* libslirp writes to sockets that the peer may have closed */
    error = net_frames_init(&user->frames, USER_QUEUE_BYTES);
    if (!error)
        error = user_poll_init(&user->poll);
    if (error)
        ops->log(context->instance, RV_LOG_ERROR, "the user network: %s", strerror(-error));
    else
        error = user_start(user);
    if (error) {
        user_destroy(&user->backend);
        return NULL;
    }
    return &user->backend;
}
