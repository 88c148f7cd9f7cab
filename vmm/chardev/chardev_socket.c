/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "socket:PATH": a Unix stream socket that is listened on. One connection at a time;
 * a second waits until the first has gone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/chardev/chardev_stream.h"
#include "vmm/util/listener.h"
#include "vmm/util/log.h"

#define SOCKET_WAITING 1 /* connections */

struct chardev_socket {
    struct chardev_stream stream; /* first */
    struct listener *listener;
    char *what; /* for the listener's messages */
};

static struct chardev_socket *socket_of(struct chardev_stream *stream)
{
    return (struct chardev_socket *)(void *)stream;
}

static void socket_lost(struct chardev_stream *s)
{
    chardev_stream_disconnect(s);
    listener_resume(socket_of(s)->listener);
}

/* The peer writes no more, or is not read: is it still there? */
static void socket_looked(struct chardev_stream *s)
{
    if (s->fd < 0)
        return;
    if (chardev_stream_is_gone(s))
        socket_lost(s);
    else if (s->ended || s->stalled)
        chardev_stream_look(s);
}

static void socket_accepted(void *opaque, int fd)
{
    struct chardev_socket *socket = opaque;

    listener_pause(socket->listener);
    if (chardev_stream_connect(&socket->stream, fd, true))
        listener_resume(socket->listener);
}

static void socket_free(struct chardev_stream *s)
{
    listener_close(socket_of(s)->listener);
    free(socket_of(s)->what);
}

static const struct chardev_stream_kind socket_kind = {
    .lost = socket_lost,
    .looked = socket_looked,
    .free = socket_free,
};

static int socket_listen(struct chardev_socket *s, const char *path)
{
    struct listener_config config = {
        .base = s->stream.base,
        .path = path,
        .backlog = SOCKET_WAITING,
        .accepted = socket_accepted,
        .opaque = s,
    };

    if (asprintf(&s->what, "console '%s'", s->stream.name) < 0) {
        s->what = NULL;
        log_error("console '%s': out of memory", s->stream.name);
        return -ENOMEM;
    }
    config.what = s->what;
    return listener_open(&config, &s->listener);
}

int chardev_socket_open(struct event_base *base, const char *path, struct chardev **chardev)
{
    struct chardev_socket *s;
    int error;

    if (!path || !*path) {
        log_error("chardev 'socket': give a path: socket:PATH");
        return -EINVAL;
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        log_error("console 'socket:%s': out of memory", path);
        return -ENOMEM;
    }
    error = chardev_stream_init(&s->stream, base, &socket_kind, "socket", path);
    if (!error)
        error = socket_listen(s, path);
    if (error) {
        chardev_free(&s->stream.chardev);
        return error;
    }
    *chardev = &s->stream.chardev;
    return 0;
}
