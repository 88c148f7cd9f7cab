/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/gdb/gdb_address.h"
#include "vmm/gdb/gdb_session.h"
#include "vmm/gdb/gdb_target.h"
#include "vmm/util/listener.h"
#include "vmm/util/log.h"

/* A debugger that sends without end, or does not read, gets no more than these. */
#define PACKETS_PER_TURN 16u
#define INPUT_MAX        (64u << 10)
#define OUTPUT_MAX       (256u << 10)

#define GOODBYE_S 2 /* how long a debugger has to read the last reply */

struct gdb_server {
    struct gdb_target target;
    struct gdb_session session;
    struct listener *listener;
    struct bufferevent *connection; /* NULL: nobody is there */
    struct event *more;             /* there is input that was not dealt with in this turn */
    bool closing;                   /* when all has been sent */
    char *what;                     /* for messages */
};

static void drop(struct gdb_server *server)
{
    gdb_session_end(&server->session);
    event_del(server->more);
    bufferevent_free(server->connection);
    server->connection = NULL;
    server->closing = false;
}

/* The last reply is on its way: nothing more is read, and the connection ends when it is sent. */
static void close_soon(struct gdb_server *server)
{
    static const struct timeval limit = {.tv_sec = GOODBYE_S};

    event_del(server->more);
    bufferevent_disable(server->connection, EV_READ);
    if (!evbuffer_get_length(bufferevent_get_output(server->connection))) {
        drop(server);
        return;
    }
    server->closing = true;
    bufferevent_set_timeouts(server->connection, NULL, &limit);
}

static bool is_choked(struct gdb_server *server)
{
    return evbuffer_get_length(bufferevent_get_output(server->connection)) > OUTPUT_MAX;
}

/* A bounded number of packets; the rest has its turn after the guest's exits. */
static void take_input(struct gdb_server *server)
{
    static const struct timeval at_once = {0};
    struct evbuffer *input = bufferevent_get_input(server->connection);

    for (unsigned n = 0; n < PACKETS_PER_TURN && !server->session.over && !is_choked(server); n++) {
        struct evbuffer_iovec piece;

        if (evbuffer_peek(input, -1, NULL, &piece, 1) < 1 || !piece.iov_len)
            return;
        evbuffer_drain(input, gdb_session_input(&server->session, piece.iov_base, piece.iov_len));
    }
    if (server->session.over)
        close_soon(server);
    else if (!is_choked(server) && evbuffer_get_length(input))
        event_add(server->more, &at_once);
}

static void readable(struct bufferevent *connection, void *opaque)
{
    take_input(opaque);
}

static void more(evutil_socket_t fd, short what, void *opaque)
{
    take_input(opaque);
}

/* All has been sent. */
static void written(struct bufferevent *connection, void *opaque)
{
    struct gdb_server *server = opaque;

    if (server->closing)
        drop(server);
    else
        take_input(server);
}

static void ended(struct bufferevent *connection, short what, void *opaque)
{
    struct gdb_server *server = opaque;

    log_info("%s: the debugger is gone", server->what);
    drop(server);
}

static void send_bytes(void *opaque, const char *bytes, size_t size)
{
    struct gdb_server *server = opaque;

    bufferevent_write(server->connection, bytes, size);
}

static void stopped(void *opaque, const struct gdb_stop *stop)
{
    struct gdb_server *server = opaque;

    gdb_session_stopped(&server->session, stop);
}

static void accepted(void *opaque, int fd)
{
    struct gdb_server *server = opaque;
    struct vm *vm = server->target.vm;
    int on = 1;

    if (server->connection) {
        log_warn("%s: a second debugger is refused", server->what);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on a Unix socket */
    server->connection = bufferevent_socket_new(vm->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!server->connection) {
        log_error("%s: out of memory", server->what);
        close(fd);
        return;
    }
    log_info("%s: a debugger has come", server->what);
    gdb_session_init(&server->session, &gdb_target_ops, &server->target, &server->target.registers,
                     vm->config.nr_vcpus, send_bytes, server);
    bufferevent_setcb(server->connection, readable, written, ended, server);
    bufferevent_setwatermark(server->connection, EV_READ, 0, INPUT_MAX);
    bufferevent_enable(server->connection, EV_READ | EV_WRITE);
}

static int start(struct gdb_server *server, struct vm *vm, struct event_base *base,
                 const struct gdb_address *address, bool wait)
{
    const struct listener_config config = {
        .base = base,
        .path = address->path,
        .port = address->port,
        .what = server->what,
        .mode = 0600,
        .accepted = accepted,
        .opaque = server,
    };
    int error = gdb_target_init(&server->target, vm, stopped, server);

    if (error)
        return error;
    server->more = evtimer_new(base, more, server);
    if (!server->more) {
        log_error("%s: out of memory", server->what);
        return -ENOMEM;
    }
    error = listener_open(&config, &server->listener);
    if (!error && wait)
        error = gdb_target_stop(&server->target);
    return error;
}

int gdb_server_open(struct vm *vm, struct event_base *base, const char *where, bool wait,
                    struct gdb_server **server)
{
    struct gdb_address address;
    struct gdb_server *new;
    int error = gdb_address_parse(where, &address);

    if (error)
        return error;
    new = calloc(1, sizeof(*new));
    if (!new || asprintf(&new->what, "gdb '%s'", where) < 0) {
        log_error("gdb '%s': out of memory", where);
        free(new);
        return -ENOMEM;
    }
    error = start(new, vm, base, &address, wait);
    if (error) {
        gdb_server_close(new);
        return error;
    }
    signal(SIGPIPE, SIG_IGN); /* a debugger may go at any time */
    *server = new;
    return 0;
}

void gdb_server_close(struct gdb_server *server)
{
    if (!server)
        return;
    if (server->connection) {
        struct evbuffer *output = bufferevent_get_output(server->connection);

        gdb_session_exited(&server->session);
        /* The loop does not turn any more. What the socket does not take at once is lost. */
        evbuffer_unfreeze(output, 1);
        evbuffer_write(output, bufferevent_getfd(server->connection));
        drop(server);
    }
    listener_close(server->listener);
    if (server->more)
        event_free(server->more);
    gdb_target_free(&server->target);
    free(server->what);
    free(server);
}
