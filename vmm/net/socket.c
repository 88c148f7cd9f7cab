/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cable between two guests: a Unix stream socket. The first vmm listens at its path,
 * the second connects. Each frame is its length, 32 bits in network order, and its
 * bytes, as QEMU's -netdev stream and passt have it.
 *
 * Either end may go and come back. While there is none, the link is down.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/net/net_backend.h"
#include "vmm/sandbox/needs.h"
#include "vmm/util/listener.h"

#define CABLE_RETRY_NS  200000000u   /* until it is tried again to connect */
#define CABLE_FAILED_NS 10000000000u /* and when that gave a message */
#define CABLE_LENGTH    sizeof(uint32_t)
#define CABLE_BUFFER    (4 * (CABLE_LENGTH + RV_NET_FRAME_MAX))

struct cable {
    struct net_backend backend; /* first */
    const struct net_context *context;
    struct net_callbacks callbacks;
    struct sockaddr_un address;
    char what[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 16]; /* begins messages */
    struct listener *listener; /* NULL: the other end listens */
    int peer;                  /* -1: none */
    struct rv_watch *watch;
    struct rv_timer *timer; /* a retry, or what is to be told from the loop */
    bool want, full, up;
    bool broken;     /* the peer is to be dropped, from the loop */
    bool complained; /* of a frame that cannot be */

    uint8_t in[CABLE_BUFFER];
    size_t in_start, in_end;
    uint8_t out[CABLE_LENGTH + RV_NET_FRAME_MAX]; /* the rest of a frame that was sent in part */
    size_t out_start, out_end;
};

static void cable_look(struct cable *cable);

static void cable_watch(struct cable *cable)
{
    unsigned events = (cable->want ? RV_FD_READ : 0) |
                      (cable->full || cable->out_start < cable->out_end ? RV_FD_WRITE : 0);

    if (cable->watch)
        cable->context->ops->fd_change(cable->context->instance, cable->watch, events);
}

static void cable_soon(struct cable *cable, uint64_t ns)
{
    const struct rv_vmm_ops *ops = cable->context->ops;

    ops->timer_set(cable->context->instance, cable->timer,
                   ops->now_ns(cable->context->instance) + ns);
}

/* In a call of the device's: it is told from the loop. */
static void cable_break(struct cable *cable)
{
    cable->broken = true;
    cable_soon(cable, 0);
}

static void cable_link(struct cable *cable, bool up)
{
    if (cable->up == up)
        return;
    cable->up = up;
    cable->callbacks.link(cable->callbacks.opaque, up);
}

/*
 * Frames
 */

/* 0: all that was left of a frame is out. -EAGAIN. */
static int cable_flush(struct cable *cable)
{
    while (cable->out_start < cable->out_end) {
        ssize_t n = send(cable->peer, cable->out + cable->out_start,
                         cable->out_end - cable->out_start, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno != EAGAIN)
                cable_break(cable);
            return -EAGAIN;
        }
        cable->out_start += (size_t)n;
    }
    return 0;
}

static int cable_send(struct net_backend *b, unsigned pair, const struct iovec *iov, unsigned count)
{
    struct cable *cable = (struct cable *)(void *)b;
    struct iovec all[256];
    struct iovec *rest = all + 1;
    unsigned n = count;
    uint32_t length;
    struct msghdr message;
    ssize_t sent;
    size_t len;

    if (cable->peer < 0 || cable->broken || count > sizeof(all) / sizeof(all[0]) - 1)
        return 0; /* nobody is there: lost, as on a wire */
    if (cable_flush(cable)) {
        cable->full = true;
        cable_watch(cable);
        return -EAGAIN;
    }
    memcpy(rest, iov, count * sizeof(*iov));
    iov_advance(&rest, &n, RV_NET_HEADER_BYTES);
    len = iov_size(rest, n);
    length = htonl((uint32_t)len);
    *--rest = (struct iovec){&length, sizeof(length)};
    message = (struct msghdr){.msg_iov = rest, .msg_iovlen = n + 1};
    sent = sendmsg(cable->peer, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        cable_break(cable);
        return 0;
    }
    if (sent < 0) {
        cable->full = true;
        cable_watch(cable);
        return -EAGAIN;
    }
    if ((size_t)sent < len + sizeof(length)) {
        cable->out_start = 0;
        cable->out_end = iov_read(rest, n + 1, (size_t)sent, cable->out, sizeof(cable->out));
        cable_watch(cable);
    }
    return 0;
}

/* The bytes of the frame that is whole in the buffer, its length not included; 0: none is. */
static size_t cable_next(struct cable *cable)
{
    size_t have = cable->in_end - cable->in_start;
    uint32_t length;

    if (have < sizeof(length))
        return 0;
    memcpy(&length, cable->in + cable->in_start, sizeof(length));
    length = ntohl(length);
    if (length < RV_NET_FRAME_MIN || length > RV_NET_FRAME_MAX) {
        if (!cable->complained)
            cable->context->ops->log(cable->context->instance, RV_LOG_WARN,
                                     "the peer at '%s' sent a frame of %u bytes, which cannot be: "
                                     "disconnected; further ones without a message",
                                     cable->address.sun_path, length);
        cable->complained = true;
        cable_break(cable);
        return 0;
    }
    return have - sizeof(length) >= length ? length : 0;
}

/* More bytes from the peer. False: there are none now. */
static bool cable_fill(struct cable *cable)
{
    ssize_t n;

    memmove(cable->in, cable->in + cable->in_start, cable->in_end - cable->in_start);
    cable->in_end -= cable->in_start;
    cable->in_start = 0;
    do
        n = recv(cable->peer, cable->in + cable->in_end, sizeof(cable->in) - cable->in_end,
                 MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        cable->in_end += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        cable_break(cable);
    return n > 0;
}

static ssize_t cable_receive(struct net_backend *b, unsigned pair, const struct iovec *iov,
                             unsigned count)
{
    static const struct virtio_net_hdr_mrg_rxbuf header;
    struct cable *cable = (struct cable *)(void *)b;
    size_t len = 0, done;

    while (cable->peer >= 0 && !cable->broken && (len = cable_next(cable)) == 0)
        if (cable->broken || !cable_fill(cable))
            return -EAGAIN;
    if (len == 0)
        return -EAGAIN;
    done = iov_write(iov, count, 0, &header, sizeof(header));
    done += iov_write(iov, count, done, cable->in + cable->in_start + CABLE_LENGTH, len);
    cable->in_start += CABLE_LENGTH + len;
    return done == sizeof(header) + len ? (ssize_t)done : -EMSGSIZE;
}

static void cable_want(struct net_backend *b, unsigned pair, bool want)
{
    struct cable *cable = (struct cable *)(void *)b;

    cable->want = want;
    cable_watch(cable);
    /* What is in the buffer makes no descriptor ready. */
    if (want && cable->in_start < cable->in_end)
        cable_soon(cable, 0);
}

static void cable_ready(void *opaque, unsigned events)
{
    struct cable *cable = opaque;

    if (events & RV_FD_WRITE && cable_flush(cable) == 0) {
        bool full = cable->full;

        cable->full = false;
        cable_watch(cable);
        if (full)
            cable->callbacks.writable(cable->callbacks.opaque, 0);
    }
    if (events & RV_FD_READ && cable->want)
        cable->callbacks.readable(cable->callbacks.opaque, 0);
    if (cable->broken)
        cable_look(cable);
}

/*
 * The peer
 */

static void cable_drop(struct cable *cable)
{
    if (cable->watch)
        cable->context->ops->fd_remove(cable->context->instance, cable->watch);
    if (cable->peer >= 0)
        close(cable->peer);
    cable->watch = NULL;
    cable->peer = -1;
    cable->broken = cable->full = false;
    cable->in_start = cable->in_end = cable->out_start = cable->out_end = 0;
}

static void cable_plug(struct cable *cable, int fd)
{
    cable->peer = fd;
    cable->watch = cable->context->ops->fd_watch(cable->context->instance, fd,
                                                 cable->want ? RV_FD_READ : 0, cable_ready, cable);
    if (!cable->watch)
        cable_drop(cable);
}

static void cable_accepted(void *opaque, int fd)
{
    struct cable *cable = opaque;

    if (cable->peer >= 0) {
        close(fd); /* a cable has two ends, and the listener pauses while the other is there */
        return;
    }
    cable_plug(cable, fd);
    if (cable->peer >= 0)
        listener_pause(cable->listener); /* a third waits until one has gone */
    cable_soon(cable, 0); /* the device is told by the timer, which waits while it stands still */
}

/* 0: connected; else -errno. */
static int cable_connect(struct cable *cable)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&cable->address, sizeof(cable->address)) < 0) {
        error = -errno;
        close(fd);
        return error;
    }
    cable_plug(cable, fd);
    return cable->peer >= 0 ? 0 : -ENOMEM;
}

/* 0; -EADDRINUSE: another has begun to listen; or another -errno after a message. */
static int cable_listen(struct cable *cable)
{
    const struct listener_config config = {
        .base = cable->context->base,
        .path = cable->address.sun_path,
        .what = cable->what,
        .backlog = 1,
        .quiet = true,
        .accepted = cable_accepted,
        .opaque = cable,
    };

    return listener_open(&config, &cable->listener);
}

/* Connect, or listen where nobody does. 0; -EAGAIN: try again; or another -errno after a message. */
static int cable_join(struct cable *cable)
{
    int error = cable_connect(cable);

    if (error == -ENOENT || error == -ECONNREFUSED) {
        error = cable_listen(cable);
        return error == -EADDRINUSE ? -EAGAIN : error;
    }
    if (error && error != -EAGAIN)
        cable->context->ops->log(cable->context->instance, RV_LOG_ERROR, "%s: %s", cable->what,
                                 strerror(-error));
    return error;
}

/* From the loop: whatever has to be done about the peer. */
static void cable_look(struct cable *cable)
{
    int error;

    if (cable->broken)
        cable_drop(cable);
    if (cable->peer < 0) {
        cable_link(cable, false);
        error = 0;
        if (cable->listener)
            listener_resume(cable->listener);
        else
            error = cable_join(cable);
        if (error)
            cable_soon(cable, error == -EAGAIN ? CABLE_RETRY_NS : CABLE_FAILED_NS);
    }
    if (cable->peer >= 0) {
        cable_link(cable, true);
        if (cable->want && cable->in_start < cable->in_end)
            cable->callbacks.readable(cable->callbacks.opaque, 0);
    }
}

static void cable_timer(void *opaque)
{
    cable_look(opaque);
}

static void cable_destroy(struct net_backend *b)
{
    struct cable *cable = (struct cable *)(void *)b;

    listener_close(cable->listener);
    cable_drop(cable);
    if (cable->timer)
        cable->context->ops->timer_free(cable->context->instance, cable->timer);
    free(cable);
}

static const struct net_backend_ops cable_ops = {
    .send = cable_send,
    .receive = cable_receive,
    .want = cable_want,
    .destroy = cable_destroy,
};

struct net_backend *net_socket_open(const struct net_context *context,
                                    const struct net_callbacks *callbacks, unsigned pairs)
{
    const struct rv_vmm_ops *ops = context->ops;
    const char *path = ops->property_string(context->instance, "path");
    struct cable *cable;
    char folder[sizeof(cable->address.sun_path)];
    int error;

    (void)pairs; /* one cable */
    if (!path || strlen(path) >= sizeof(cable->address.sun_path)) {
        ops->log(context->instance, RV_LOG_ERROR,
                 "socket: give path=PATH, of %zu characters at most",
                 sizeof(cable->address.sun_path) - 1);
        return NULL;
    }
    cable = calloc(1, sizeof(*cable));
    if (!cable)
        return NULL;
    cable->backend = (struct net_backend){.ops = &cable_ops, .pairs = 1};
    cable->context = context;
    cable->callbacks = *callbacks;
    cable->peer = -1;
    cable->up = true; /* as the device takes it to be */
    cable->address.sun_family = AF_UNIX;
    memcpy(cable->address.sun_path, path, strlen(path) + 1);
    memcpy(folder, path, strlen(path) + 1);
    snprintf(cable->what, sizeof(cable->what), "socket '%s'", path);
    cable->timer = ops->timer_new(context->instance, cable_timer, cable);
    error = !cable->timer ? -ENOMEM : cable_join(cable);
    if (error && error != -EAGAIN) {
        cable_destroy(&cable->backend);
        return NULL;
    }
    sandbox_need(SANDBOX_UNIX | SANDBOX_LISTEN); /* each end becomes the other one at need */
    sandbox_need_path(dirname(folder), SANDBOX_CHANGE);
    cable_soon(cable, 0); /* tells the link as it is */
    return &cable->backend;
}
