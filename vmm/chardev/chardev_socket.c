/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "socket:PATH": a Unix stream socket that is listened on. One connection at a time;
 * a second waits until the first has gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/chardev/chardev_stream.h"
#include "vmm/util/log.h"

#define SOCKET_WAITING 1 /* connections */

struct chardev_socket {
    struct chardev_stream stream; /* first */
    int listener;
    struct event *incoming;
    struct sockaddr_un address;
    ino_t inode; /* of the socket's file: is it still ours? */
    bool said;   /* that connections fail */
};

static struct chardev_socket *socket_of(struct chardev_stream *stream)
{
    return (struct chardev_socket *)(void *)stream;
}

static void socket_lost(struct chardev_stream *s)
{
    chardev_stream_disconnect(s);
    event_add(socket_of(s)->incoming, NULL);
}

/* The peer writes no more, or is not read: is it still there? */
static void socket_looked(struct chardev_stream *s)
{
    if (s->fd < 0)
        event_add(socket_of(s)->incoming, NULL);
    else if (chardev_stream_is_gone(s))
        socket_lost(s);
    else if (s->ended || s->stalled)
        chardev_stream_look(s);
}

static void socket_on_incoming(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_socket *socket = arg;
    int connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (connection < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return;
    event_del(socket->incoming);
    if (connection < 0) { /* too many descriptors: it waits, and we look again */
        if (!socket->said)
            log_error("console '%s': a connection fails: %s", socket->stream.name, strerror(errno));
        socket->said = true;
        chardev_stream_look(&socket->stream);
        return;
    }
    if (chardev_stream_connect(&socket->stream, connection, true))
        event_add(socket->incoming, NULL);
}

static void socket_free(struct chardev_stream *s)
{
    struct chardev_socket *socket = socket_of(s);
    struct stat st;

    if (socket->incoming)
        event_free(socket->incoming);
    if (socket->inode && lstat(socket->address.sun_path, &st) == 0 && st.st_ino == socket->inode)
        unlink(socket->address.sun_path);
    if (socket->listener >= 0)
        close(socket->listener);
}

static const struct chardev_stream_kind socket_kind = {socket_lost, socket_looked, socket_free};

/* What a vmm that was killed has left behind is removed; nothing else is. */
static int socket_remove_stale(const struct chardev_socket *s)
{
    const struct sockaddr *address = (const void *)&s->address;
    struct stat st;
    int probe, error;

    if (lstat(s->address.sun_path, &st))
        return 0;
    if (!S_ISSOCK(st.st_mode)) {
        log_error("console '%s': there is something else of this name: remove it, or give another",
                  s->stream.name);
        return -EEXIST;
    }
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    error = probe >= 0 && connect(probe, address, sizeof(s->address)) ? errno : 0;
    if (probe >= 0)
        close(probe);
    if (error != ECONNREFUSED) {
        log_error("console '%s': another program listens there", s->stream.name);
        return -EADDRINUSE;
    }
    unlink(s->address.sun_path);
    return 0;
}

static int socket_listen(struct chardev_socket *s)
{
    const struct sockaddr *address = (const void *)&s->address;
    struct stat st;
    mode_t mask;
    int error = socket_remove_stale(s);

    if (error)
        return error;
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mask = umask(0077); /* whoever may connect has the guest's console */
    error = s->listener < 0 || bind(s->listener, address, sizeof(s->address)) ? -errno : 0;
    umask(mask);
    if (!error && lstat(s->address.sun_path, &st) == 0)
        s->inode = st.st_ino;
    if (!error && listen(s->listener, SOCKET_WAITING))
        error = -errno;
    if (error)
        log_error("console '%s': %s", s->stream.name, strerror(-error));
    return error;
}

int chardev_socket_open(struct event_base *base, const char *path, struct chardev **chardev)
{
    struct chardev_socket *s;
    int error;

    if (!path || !*path || strlen(path) >= sizeof(s->address.sun_path)) {
        log_error("chardev 'socket': give a path of 1 to %zu characters: socket:PATH",
                  sizeof(s->address.sun_path) - 1);
        return -EINVAL;
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        log_error("console 'socket:%s': out of memory", path);
        return -ENOMEM;
    }
    s->listener = -1;
    s->address.sun_family = AF_UNIX;
    strcpy(s->address.sun_path, path);
    error = chardev_stream_init(&s->stream, base, &socket_kind, "socket", path);
    if (!error)
        error = socket_listen(s);
    if (!error) {
        s->incoming = event_new(base, s->listener, EV_READ | EV_PERSIST, socket_on_incoming, s);
        if (!s->incoming || event_add(s->incoming, NULL)) {
            log_error("console 'socket:%s': out of memory", path);
            error = -ENOMEM;
        }
    }
    if (error) {
        chardev_free(&s->stream.chardev);
        return error;
    }
    *chardev = &s->stream.chardev;
    return 0;
}
