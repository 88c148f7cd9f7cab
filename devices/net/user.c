/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network of the vmm's own, by libslirp: the guest's connections become the vmm's
 * sockets, so that no privilege is needed. DHCP, DNS, the host at 10.0.2.2, IPv6.
 *
 * libslirp wants to be asked which descriptors to wait for before each wait. The loop
 * keeps its watches instead, so they are compared after each time that libslirp was
 * at work.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net/hostfwd.h"
#include "devices/net/net_backend.h"

#define USER_FRAMES   256u       /* that wait for the guest's buffers */
#define USER_BYTES    (1u << 20) /* of all of them */
#define USER_FDS      1024u      /* connections of the guest */
#define USER_MTU      1500u
#define NS_PER_MS     1000000ull
#define USER_WAIT_MAX 1000u /* ms between two looks of libslirp at its timers, at most */

struct user_frame {
    struct user_frame *next;
    size_t len;
    uint8_t bytes[];
};

struct user_fd {
    struct user *user;
    int fd;
    unsigned events; /* RV_FD_x that are watched */
    unsigned wanted; /* as libslirp has just said */
    int revents;     /* SLIRP_POLL_x that are ready */
    bool asked;      /* libslirp named it this time */
    struct rv_host_watch *watch;
};

struct user {
    struct net_backend backend; /* first */
    struct virtio_plugin *plugin;
    struct net_callbacks callbacks;
    Slirp *slirp;
    struct rv_host_timer *tick; /* libslirp's own timers, and work that is due */
    struct rv_host_timer *deliver;
    struct user_frame *first, **last;
    unsigned nr_frames;
    size_t frame_bytes;
    bool want;
    bool complained;
    struct user_fd *fds[USER_FDS];
    unsigned nr_fds;
    struct user_fd *ready; /* whose readiness libslirp is being told of */
    uint64_t *lost;
};

struct user_timer {
    struct user *user;
    struct rv_host_timer *timer;
    SlirpTimerCb fired;
    void *opaque;
};

static void user_settle(struct user *user);

/*
 * Frames to the guest
 */

static ssize_t user_send_packet(const void *bytes, size_t len, void *opaque)
{
    struct user *user = opaque;
    struct user_frame *frame;

    if (user->nr_frames == USER_FRAMES || user->frame_bytes + len > USER_BYTES) {
        ++*user->lost; /* as on a wire: TCP sends it again */
        return (ssize_t)len;
    }
    frame = malloc(sizeof(*frame) + len);
    if (!frame)
        return (ssize_t)len;
    *frame = (struct user_frame){.len = len};
    memcpy(frame->bytes, bytes, len);
    *user->last = frame;
    user->last = &frame->next;
    user->nr_frames++;
    user->frame_bytes += len;
    return (ssize_t)len;
}

static ssize_t user_receive(struct net_backend *b, unsigned pair, const struct iovec *iov,
                            unsigned count)
{
    static const struct virtio_net_hdr_mrg_rxbuf header;
    struct user *user = (struct user *)(void *)b;
    struct user_frame *frame = user->first;
    size_t len;

    (void)pair;
    if (!frame)
        return -EAGAIN;
    user->first = frame->next;
    if (!user->first)
        user->last = &user->first;
    user->nr_frames--;
    user->frame_bytes -= frame->len;
    len = iov_write(iov, count, 0, &header, sizeof(header));
    len += iov_write(iov, count, len, frame->bytes, frame->len);
    if (len != sizeof(header) + frame->len) {
        free(frame);
        return -EMSGSIZE;
    }
    free(frame);
    return (ssize_t)len;
}

static void user_deliver(void *opaque)
{
    struct user *user = opaque;

    if (user->first && user->want)
        user->callbacks.readable(user->callbacks.ctx, 0);
}

static void user_want(struct net_backend *b, unsigned pair, bool want)
{
    struct user *user = (struct user *)(void *)b;

    (void)pair;
    user->want = want;
    if (want && user->first)
        user->plugin->ops->timer_set(user->plugin->host, user->deliver, 0);
}

/*
 * Frames from the guest
 */

static int user_send(struct net_backend *b, unsigned pair, const struct iovec *iov, unsigned count)
{
    struct user *user = (struct user *)(void *)b;
    uint8_t bytes[NET_FRAME_MAX];
    size_t len;

    (void)pair;
    len = iov_read(iov, count, NET_HEADER_BYTES, bytes, sizeof(bytes));
    slirp_input(user->slirp, bytes, (int)len);
    /* After the batch: what it wants to wait for now, and what it has answered. */
    user->plugin->ops->timer_set(user->plugin->host, user->tick, 0);
    return 0;
}

/*
 * libslirp's callbacks
 */

static void user_guest_error(const char *message, void *opaque)
{
    struct user *user = opaque;

    if (!user->complained)
        user->plugin->ops->log(user->plugin->host, RV_LOG_WARN,
                               "the guest's frames: %s; further ones without a message", message);
    user->complained = true;
}

static int64_t user_clock_ns(void *opaque)
{
    struct user *user = opaque;

    return (int64_t)user->plugin->ops->now_ns(user->plugin->host);
}

static void user_timer_fired(void *opaque)
{
    struct user_timer *timer = opaque;

    timer->fired(timer->opaque);
    user_settle(timer->user);
}

static void *user_timer_new(SlirpTimerCb fired, void *fired_opaque, void *opaque)
{
    struct user *user = opaque;
    struct user_timer *timer = calloc(1, sizeof(*timer));

    if (!timer)
        return NULL;
    *timer = (struct user_timer){.user = user, .fired = fired, .opaque = fired_opaque};
    timer->timer = user->plugin->ops->timer_new(user->plugin->host, user_timer_fired, timer);
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
        user->plugin->ops->timer_free(user->plugin->host, ((struct user_timer *)timer)->timer);
    free(timer);
}

static void user_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct user *user = opaque;

    if (timer)
        user->plugin->ops->timer_set(user->plugin->host, ((struct user_timer *)timer)->timer,
                                     (uint64_t)expire_ms * NS_PER_MS);
}

static void user_fd_forget(struct user *user, unsigned i)
{
    struct user_fd *f = user->fds[i];

    user->plugin->ops->fd_remove(user->plugin->host, f->watch);
    if (user->ready == f)
        user->ready = NULL;
    free(f);
    user->fds[i] = user->fds[--user->nr_fds];
}

static void user_register_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque; /* it is watched when libslirp waits for it */
}

/* It is about to be closed. */
static void user_unregister_fd(int fd, void *opaque)
{
    struct user *user = opaque;

    for (unsigned i = user->nr_fds; i-- > 0;)
        if (user->fds[i]->fd == fd)
            user_fd_forget(user, i);
}

static void user_kick(void *opaque)
{
    struct user *user = opaque;

    user->plugin->ops->timer_set(user->plugin->host, user->tick, 0);
}

/*
 * What to wait for
 */

static int user_get_revents(int index, void *opaque)
{
    struct user *user = opaque;
    const struct user_fd *f = user->ready;

    return f && (unsigned)index < user->nr_fds && user->fds[index] == f ? f->revents : 0;
}

static void user_fd_ready(void *opaque, unsigned events)
{
    struct user_fd *f = opaque;
    struct user *user = f->user;

    f->revents =
        (events & RV_FD_READ ? SLIRP_POLL_IN : 0) | (events & RV_FD_WRITE ? SLIRP_POLL_OUT : 0);
    user->ready = f;
    user_settle(user);
}

/* Its place in `fds`, where it is put if it is new; -1: there is no room. */
static int user_fd_find(struct user *user, int fd)
{
    struct user_fd *f;

    for (unsigned i = 0; i < user->nr_fds; i++)
        if (user->fds[i]->fd == fd)
            return (int)i;
    if (user->nr_fds == USER_FDS)
        return -1;
    f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    *f = (struct user_fd){.user = user, .fd = fd};
    f->watch = user->plugin->ops->fd_watch(user->plugin->host, fd, 0, user_fd_ready, f);
    if (!f->watch) {
        free(f);
        return -1;
    }
    user->fds[user->nr_fds++] = f;
    return (int)user->nr_fds - 1;
}

static int user_add_poll(int fd, int events, void *opaque)
{
    struct user *user = opaque;
    int index = user_fd_find(user, fd);

    if (index >= 0) {
        user->fds[index]->asked = true;
        user->fds[index]->wanted =
            (events & SLIRP_POLL_IN ? RV_FD_READ : 0) | (events & SLIRP_POLL_OUT ? RV_FD_WRITE : 0);
    }
    return index;
}

/*
 * Let libslirp work on what is ready, ask it what to wait for next, and change the watches
 * to that. It names a descriptor by its place in `fds`, so these stay while it works.
 */
static void user_settle(struct user *user)
{
    const struct rv_host_ops *ops = user->plugin->ops;
    uint32_t timeout = USER_WAIT_MAX;

    slirp_pollfds_poll(user->slirp, 0, user_get_revents, user);
    user->ready = NULL;
    for (unsigned i = 0; i < user->nr_fds; i++)
        user->fds[i]->asked = false;
    slirp_pollfds_fill(user->slirp, &timeout, user_add_poll, user);
    for (unsigned i = user->nr_fds; i-- > 0;) {
        struct user_fd *f = user->fds[i];
        unsigned wanted = f->asked ? f->wanted : 0;

        if (f->events != wanted)
            ops->fd_change(user->plugin->host, f->watch, wanted);
        f->events = wanted;
    }
    ops->timer_set(user->plugin->host, user->tick,
                   ops->now_ns(user->plugin->host) + timeout * NS_PER_MS);
    user_deliver(user);
}

static void user_tick(void *opaque)
{
    user_settle(opaque);
}

static void user_destroy(struct net_backend *b)
{
    struct user *user = (struct user *)(void *)b;
    const struct rv_host_ops *ops = user->plugin->ops;

    if (user->slirp)
        slirp_cleanup(user->slirp);
    while (user->nr_fds)
        user_fd_forget(user, user->nr_fds - 1);
    while (user->first) {
        struct user_frame *frame = user->first;

        user->first = frame->next;
        free(frame);
    }
    if (user->tick)
        ops->timer_free(user->plugin->host, user->tick);
    if (user->deliver)
        ops->timer_free(user->plugin->host, user->deliver);
    free(user);
}

static const struct net_backend_ops user_ops = {
    .send = user_send,
    .receive = user_receive,
    .want = user_want,
    .destroy = user_destroy,
};

/*
 * Opening it
 */

/* 0, or -EINVAL after a message. */
static int user_forward(struct user *user, const char *text)
{
    const struct rv_host_ops *ops = user->plugin->ops;

    while (text && *text) {
        struct hostfwd fwd;
        size_t len = hostfwd_parse(text, &fwd);

        if (len == 0) {
            ops->log(user->plugin->host, RV_LOG_ERROR,
                     "hostfwd '%s': give tcp:[ADDRESS]:PORT-[GUEST-ADDRESS]:PORT, such as "
                     "tcp:127.0.0.1:2222-:22, or udp:...",
                     text);
            return -EINVAL;
        }
        if (slirp_add_hostfwd(user->slirp, fwd.udp, fwd.host, fwd.host_port, fwd.guest,
                              fwd.guest_port) < 0) {
            ops->log(user->plugin->host, RV_LOG_ERROR,
                     "hostfwd '%.*s': cannot listen on port %d of the host: %s", (int)len, text,
                     fwd.host_port, strerror(errno));
            return -EINVAL;
        }
        text += len + (text[len] == ';');
    }
    return 0;
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
    .notify = user_kick,
};

/* The addresses are those of QEMU's user network: guests and their users know them. */
static Slirp *user_slirp_new(struct user *user)
{
    const struct rv_host_ops *ops = user->plugin->ops;
    struct rv_host *host = user->plugin->host;
    uint64_t mtu = ops->property_uint(host, "mtu");
    SlirpConfig config = {
        .version = 1,
        .restricted = ops->property_bool(host, "restrict"),
        .in_enabled = true,
        .in6_enabled = ops->property_bool(host, "ipv6"),
        .vprefix_len = 64,
        .vhostname = ops->property_string(host, "hostname"),
        .if_mtu = mtu ? mtu : USER_MTU,
        .if_mru = mtu ? mtu : USER_MTU,
    };

    inet_pton(AF_INET, "10.0.2.0", &config.vnetwork);
    inet_pton(AF_INET, "255.255.255.0", &config.vnetmask);
    inet_pton(AF_INET, "10.0.2.2", &config.vhost);
    inet_pton(AF_INET, "10.0.2.15", &config.vdhcp_start);
    inet_pton(AF_INET, "10.0.2.3", &config.vnameserver);
    inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &config.vhost6);
    inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
    return slirp_new(&config, &user_callbacks, user);
}

struct net_backend *net_user_open(struct virtio_plugin *plugin,
                                  const struct net_callbacks *callbacks, unsigned pairs)
{
    const struct rv_host_ops *ops = plugin->ops;
    struct user *user = calloc(1, sizeof(*user));

    if (!user)
        return NULL;
    (void)pairs; /* more than one works, and all of it comes by the first */
    user->backend = (struct net_backend){.ops = &user_ops, .pairs = 1};
    user->plugin = plugin;
    user->callbacks = *callbacks;
    user->last = &user->first;
    user->lost = ops->counter(plugin->host, "lost", "frames for which the guest had no room");
    user->tick = ops->timer_new(plugin->host, user_tick, user);
    user->deliver = ops->timer_new(plugin->host, user_deliver, user);
    if (user->tick && user->deliver)
        user->slirp = user_slirp_new(user);
    if (!user->slirp || user_forward(user, ops->property_string(plugin->host, "hostfwd"))) {
        user_destroy(&user->backend);
        return NULL;
    }
    ops->timer_set(plugin->host, user->tick, 0);
    return &user->backend;
}
