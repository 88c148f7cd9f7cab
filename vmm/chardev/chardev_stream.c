/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/chardev_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/util/log.h"

#define STREAM_CHUNK   4096u
#define STREAM_LOOK_MS 100

static const struct timeval stream_now;

static struct chardev_stream *stream_of(struct chardev *chardev)
{
    return (struct chardev_stream *)(void *)chardev;
}

static void stream_tell(struct chardev_stream *s)
{
    event_add(s->tell, &stream_now);
}

/* In the loop, where the client may be called. */
static void stream_on_tell(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stream *s = arg;
    const struct chardev_client *client = s->chardev.client;
    bool connected = s->fd >= 0;

    if (!client)
        return;
    if (s->announced != connected) {
        s->announced = connected;
        if (client->connected)
            client->connected(s->chardev.opaque, connected);
    }
    if (s->out_short && s->fd < 0 && s->chardev.client) { /* what waited is discarded now */
        s->out_short = false;
        if (client->writable)
            client->writable(s->chardev.opaque);
    }
}

static void stream_on_look(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stream *s = arg;

    s->kind->looked(s);
}

void chardev_stream_look(struct chardev_stream *s)
{
    static const struct timeval later = {.tv_usec = STREAM_LOOK_MS * 1000};

    event_add(s->look, &later);
}

/*
 * Output
 */

static size_t stream_write(struct chardev *chardev, const uint8_t *data, size_t len)
{
    struct chardev_stream *s = stream_of(chardev);
    size_t taken = 0;

    while (s->fd >= 0 && taken < len) {
        ssize_t n = write(s->fd, data + taken, len - taken);

        if (n > 0) {
            taken += (size_t)n;
            s->out_full = false;
        } else if (n == 0 || errno == EAGAIN) {
            s->out_short = true;
            event_add(s->out_ready, NULL);
            return taken;
        } else if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
            if (!s->out_full)
                log_error("console '%s': %s: output is discarded until there is room", s->name,
                          strerror(errno));
            s->out_full = true;
            return len;
        } else if (errno != EINTR) {
            if (errno != EPIPE && errno != ECONNRESET && errno != EIO)
                log_error("console '%s': %s", s->name, strerror(errno));
            s->kind->lost(s);
        }
    }
    return len;
}

static void stream_on_out(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stream *s = arg;

    if (!s->out_short || !s->chardev.client)
        return;
    s->out_short = false;
    if (s->chardev.client->writable)
        s->chardev.client->writable(s->chardev.opaque);
}

/*
 * Input
 */

static size_t stream_room(const struct chardev_stream *s)
{
    return s->chardev.client ? s->chardev.client->can_receive(s->chardev.opaque) : 0;
}

static void stream_on_in(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stream *s = arg;
    uint8_t data[STREAM_CHUNK];
    size_t room = stream_room(s);
    ssize_t n;

    if (room == 0) { /* until chardev_accept; that the other end goes is not seen meanwhile */
        event_del(s->in_ready);
        s->stalled = true;
        chardev_stream_look(s);
        return;
    }
    n = read(fd, data, room < sizeof(data) ? room : sizeof(data));
    if (n > 0) {
        s->chardev.client->receive(s->chardev.opaque, data, (size_t)n);
    } else if (n == 0) {
        /* It may still read: `nc -N`, or a shell that has come to the end of its script. */
        s->ended = true;
        event_del(s->in_ready);
        s->kind->looked(s);
    } else if (errno != EAGAIN && errno != EINTR) {
        if (errno != EIO && errno != ECONNRESET)
            log_error("console '%s': %s", s->name, strerror(errno));
        s->kind->lost(s);
    }
}

static void stream_accept(struct chardev *chardev)
{
    struct chardev_stream *s = stream_of(chardev);

    if (!s->in_ready || !s->chardev.client || s->ended)
        return;
    s->stalled = false;
    event_add(s->in_ready, NULL);
}

bool chardev_stream_is_gone(const struct chardev_stream *s)
{
    struct pollfd poll_fd = {.fd = s->fd};
    int unread = 0;

    if (poll(&poll_fd, 1, 0) <= 0 || !(poll_fd.revents & (POLLHUP | POLLERR)))
        return false;
    /* What it has said before it went is still the guest's. */
    return s->ended || ioctl(s->fd, FIONREAD, &unread) || unread == 0;
}

/*
 * Coming and going
 */

static void stream_event_free(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

int chardev_stream_connect(struct chardev_stream *s, int fd, bool reads)
{
    s->fd = fd;
    s->reads = reads;
    s->ended = s->stalled = false;
    s->out_ready = event_new(s->base, fd, EV_WRITE, stream_on_out, s);
    s->in_ready = reads ? event_new(s->base, fd, EV_READ | EV_PERSIST, stream_on_in, s) : NULL;
    if (!s->out_ready || (reads && !s->in_ready)) {
        log_error("console '%s': out of memory", s->name);
        chardev_stream_disconnect(s);
        return -ENOMEM;
    }
    stream_accept(&s->chardev);
    stream_tell(s);
    return 0;
}

void chardev_stream_disconnect(struct chardev_stream *s)
{
    stream_event_free(&s->in_ready);
    stream_event_free(&s->out_ready);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (s->tell)
        stream_tell(s);
}

static void stream_attached(struct chardev *chardev)
{
    struct chardev_stream *s = stream_of(chardev);

    if (!chardev->client) {
        if (s->in_ready)
            event_del(s->in_ready);
        s->out_short = false;
        return;
    }
    s->announced = true;
    stream_accept(chardev);
    stream_tell(s);
}

static void stream_free(struct chardev *chardev)
{
    struct chardev_stream *s = stream_of(chardev);

    s->kind->free(s);
    stream_event_free(&s->tell);
    stream_event_free(&s->look);
    chardev_stream_disconnect(s);
    free(s->name);
    free(s);
}

static const struct chardev_ops stream_ops = {
    .attached = stream_attached,
    .write = stream_write,
    .accept = stream_accept,
    .free = stream_free,
};

int chardev_stream_init(struct chardev_stream *s, struct event_base *base,
                        const struct chardev_stream_kind *kind, const char *type, const char *path)
{
    s->chardev.ops = &stream_ops;
    s->kind = kind;
    s->base = base;
    s->fd = -1;
    s->announced = true;
    s->tell = event_new(base, -1, 0, stream_on_tell, s);
    s->look = event_new(base, -1, 0, stream_on_look, s);
    if (asprintf(&s->name, "%s%s%s", type, path ? ":" : "", path ? path : "") < 0)
        s->name = NULL;
    if (!s->tell || !s->look || !s->name) {
        log_error("console '%s': out of memory", type);
        return -ENOMEM;
    }
    return 0;
}
