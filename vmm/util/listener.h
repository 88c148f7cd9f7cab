/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A listening Unix stream socket, or a TCP port of this host alone, in the event loop.
 *
 * A Unix socket that a dead process left behind is replaced; a socket on which somebody listens and
 * anything that is no socket are left alone. Of several processes that start at once exactly one
 * gets the path. When the process has no descriptor left for a connection, the listener pauses:
 * the connection waits in the backlog and the loop does not spin.
 */
#pragma once

#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct listener;

struct listener_config {
    struct event_base *base;
    const char *path; /* 1 to 96 characters; copied. NULL: TCP on localhost, at `port` */
    uint16_t port;
    const char *what; /* begins each message and tells the path: "console 'socket:/tmp/s'"; lives as
                         long as the listener */
    mode_t mode;      /* of the socket's file (less the umask); 0: 0700 */
    int backlog;      /* connections that may wait; 0: 128 */
    bool quiet;       /* that another program listens there is no error: no message */
    /* `fd` is non-blocking, closes on exec and is the callee's. May call listener_pause() and
       listener_close(). */
    void (*accepted)(void *opaque, int fd);
    void *opaque;
    struct evhttp *http; /* gets the connections instead; close the listener before it is freed */
};

/*
 * 0; or, after a message: -EINVAL (the path's length), -EADDRINUSE (somebody listens there),
 * -EEXIST (the path is no socket), -ENOMEM, or another error of the host's.
 */
int listener_open(const struct listener_config *config, struct listener **listener);

/* Accept nothing until listener_resume(). Both may be called in any state. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);

/* Removes the socket's file if it is still this listener's. NULL is allowed. */
void listener_close(struct listener *listener);
