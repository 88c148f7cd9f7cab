/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: connections, from their beginning to their end. virtio 1.2, 5.10.6. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vsock/virtio_vsock.h"

static struct vsock_conn **vsock_bucket(struct vsock *v, uint32_t host_port, uint32_t guest_port)
{
    return &v->bucket[(host_port * 31 + guest_port) % VSOCK_BUCKETS];
}

struct vsock_conn *vsock_conn_find(struct vsock *v, uint32_t host_port, uint32_t guest_port)
{
    struct vsock_conn *c = *vsock_bucket(v, host_port, guest_port);

    while (c && (c->host_port != host_port || c->guest_port != guest_port))
        c = c->next_in_bucket;
    return c;
}

/*
 * What is due for the guest
 */

void vsock_conn_due(struct vsock_conn *c, unsigned what)
{
    struct vsock *v = c->vsock;

    c->due |= what;
    if (c->queued || !c->due)
        return;
    c->queued = true;
    c->next_due = NULL;
    *v->due_last = c;
    v->due_last = &c->next_due;
}

void vsock_conn_undue(struct vsock_conn *c)
{
    struct vsock *v = c->vsock;
    struct vsock_conn **link = &v->due_first;

    if (!c->queued)
        return;
    while (*link != c)
        link = &(*link)->next_due;
    *link = c->next_due;
    if (v->due_last == &c->next_due)
        v->due_last = link;
    c->queued = false;
}

/*
 * Watching the socket
 */

uint32_t vsock_conn_credit(const struct vsock_conn *c)
{
    uint32_t under_way = c->sent - c->peer_fwd;

    return under_way < c->peer_alloc ? c->peer_alloc - under_way : 0;
}

void vsock_conn_watch(struct vsock_conn *c)
{
    bool reads = c->state == VSOCK_HELLO || (c->state == VSOCK_OPEN && !c->no_more_in &&
                                             vsock_conn_credit(c) && !(c->due & VSOCK_DUE_DATA));
    unsigned events = (reads ? RV_FD_READ : 0) | (c->kept_len ? RV_FD_WRITE : 0);

    if (events != c->events)
        c->vsock->plugin->ops->fd_change(c->vsock->plugin->instance, c->watch, events);
    c->events = events;
}

/* The socket is ready. */
static void vsock_ready(void *opaque, unsigned events);

static void vsock_unname(struct vsock_conn *c)
{
    struct vsock_conn **link = vsock_bucket(c->vsock, c->host_port, c->guest_port);

    if (!c->named)
        return;
    while (*link != c)
        link = &(*link)->next_in_bucket;
    *link = c->next_in_bucket;
    c->named = false;
}

void vsock_conn_name(struct vsock_conn *c, uint32_t host_port, uint32_t guest_port)
{
    struct vsock_conn **bucket = vsock_bucket(c->vsock, host_port, guest_port);

    c->host_port = host_port;
    c->guest_port = guest_port;
    c->next_in_bucket = *bucket;
    c->named = true;
    *bucket = c;
}

void vsock_conn_until(struct vsock_conn *c, uint64_t ns)
{
    struct vsock *v = c->vsock;

    c->until = v->plugin->ops->now_ns(v->plugin->instance) + ns;
    if (c->until < v->deadline)
        v->deadline = c->until;
    vsock_wake(v, c->until);
}

struct vsock_conn *vsock_conn_new(struct vsock *v, int fd, enum vsock_conn_state state)
{
    struct vsock_conn *c = v->conn;

    if (v->nr_conns == v->most_conns || (state == VSOCK_HELLO && v->nr_hellos == VSOCK_HELLOS))
        return NULL;
    while (c->state != VSOCK_FREE)
        c++;
    *c = (struct vsock_conn){.vsock = v, .state = state, .fd = fd};
    c->watch = v->plugin->ops->fd_watch(v->plugin->instance, fd, 0, vsock_ready, c);
    if (!c->watch) {
        c->state = VSOCK_FREE;
        return NULL;
    }
    v->nr_conns++;
    if (state == VSOCK_HELLO) {
        v->nr_hellos++;
        vsock_conn_until(c, VSOCK_WAIT_NS);
    }
    vsock_conn_watch(c);
    return c;
}

void vsock_conn_end(struct vsock_conn *c)
{
    struct vsock *v = c->vsock;

    vsock_conn_undue(c);
    vsock_unname(c);
    if (c->state == VSOCK_HELLO)
        v->nr_hellos--;
    v->plugin->ops->fd_remove(v->plugin->instance, c->watch);
    close(c->fd);
    free(c->kept);
    c->state = VSOCK_FREE;
    v->nr_conns--;
}

void vsock_conns_end(struct vsock *v)
{
    for (unsigned i = 0; i < VSOCK_CONNS; i++)
        if (v->conn[i].state != VSOCK_FREE)
            vsock_conn_end(&v->conn[i]);
    v->nr_resets = 0;
}

void vsock_conn_ask(struct vsock_conn *c)
{
    c->vsock->nr_hellos--;
    c->state = VSOCK_ASKING;
    vsock_conn_until(c, VSOCK_WAIT_NS);
    vsock_conn_watch(c);
    vsock_conn_due(c, VSOCK_DUE_REQUEST);
}

void vsock_conn_close(struct vsock_conn *c)
{
    if (c->state != VSOCK_OPEN)
        return;
    c->state = VSOCK_CLOSING;
    c->no_more_in = true;
    c->due &= ~VSOCK_DUE_DATA;
    c->shutdown_flags = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;
    vsock_conn_until(c, VSOCK_LINGER_NS);
    vsock_conn_watch(c);
    vsock_conn_due(c, VSOCK_DUE_SHUTDOWN);
}

void vsock_conn_abort(struct vsock_conn *c)
{
    shutdown(c->fd, SHUT_RDWR);
    c->until = 0;
    c->due = 0;
    c->state = VSOCK_CLOSING;
    c->no_more_in = true;
    c->kept_len = 0;
    vsock_conn_watch(c);
    vsock_conn_due(c, VSOCK_DUE_RESET);
}

void vsock_conn_drain(struct vsock_conn *c)
{
    vsock_conn_undue(c);
    vsock_unname(c);
    c->due = 0;
    c->state = VSOCK_DRAINING;
    vsock_conn_until(c, VSOCK_DRAIN_NS);
    vsock_conn_watch(c);
}

/* A program that does not read: the connection is needed for others. */
static void vsock_drain_no_more(struct vsock_conn *c)
{
    struct vsock *v = c->vsock;

    if (*v->lost_bytes == 0)
        v->plugin->ops->log(v->plugin->instance, RV_LOG_WARN,
                            "a program on the host has not read for %llu s what the guest had sent "
                            "before it closed the connection, port %u: %u bytes are lost; further "
                            "ones without a message",
                            (unsigned long long)(VSOCK_DRAIN_NS / 1000000000u), c->host_port,
                            c->kept_len);
    *v->lost_bytes += c->kept_len;
    vsock_conn_end(c);
}

void vsock_conns_expire(struct vsock *v)
{
    const struct virtio_plugin *plugin = v->plugin;
    uint64_t now = plugin->ops->now_ns(plugin->instance);

    if (v->deadline > now)
        return;
    v->deadline = VSOCK_NEVER;
    for (unsigned i = 0; i < VSOCK_CONNS; i++) {
        struct vsock_conn *c = &v->conn[i];

        if (c->state == VSOCK_FREE || !c->until)
            continue;
        if (c->until > now)
            v->deadline = c->until < v->deadline ? c->until : v->deadline;
        else if (c->state == VSOCK_HELLO || c->due & VSOCK_DUE_REQUEST)
            vsock_conn_end(c); /* the guest knows nothing of it */
        else if (c->state == VSOCK_DRAINING)
            vsock_drain_no_more(c);
        else
            vsock_conn_abort(c);
    }
}

void vsock_conn_open(struct vsock_conn *c)
{
    c->state = VSOCK_OPEN;
    c->until = 0;
    ++*c->vsock->connections;
    vsock_conn_due(c, VSOCK_DUE_RESPONSE);
    vsock_conn_watch(c);
}

void vsock_conn_knock_later(struct vsock_conn *c)
{
    struct vsock *v = c->vsock;

    vsock_conn_until(c, VSOCK_WAIT_NS);
    if (v->knock_at == VSOCK_NEVER)
        v->knock_at = v->plugin->ops->now_ns(v->plugin->instance) + VSOCK_KNOCK_NS;
    vsock_wake(v, v->knock_at);
}

void vsock_conns_knock(struct vsock *v)
{
    uint64_t now = v->plugin->ops->now_ns(v->plugin->instance);
    const struct vsock_conn *full = NULL; /* of the same port, more need not try now */

    if (v->knock_at > now)
        return;
    v->knock_at = VSOCK_NEVER;
    for (unsigned i = 0; i < VSOCK_CONNS; i++) {
        struct vsock_conn *c = &v->conn[i];
        int error;

        if (c->state != VSOCK_KNOCKING)
            continue;
        error = full && full->host_port == c->host_port ? -EAGAIN
                                                        : vsock_connect(v, c->fd, c->host_port);
        if (error == -EAGAIN) {
            full = c;
            v->knock_at = now + VSOCK_KNOCK_NS;
        } else if (error) {
            ++*v->refused;
            vsock_conn_abort(c);
        } else {
            vsock_conn_open(c);
        }
    }
}

static void vsock_ready(void *opaque, unsigned events)
{
    struct vsock_conn *c = opaque;
    struct vsock *v = c->vsock;

    if (c->state == VSOCK_HELLO) {
        vsock_hello(c);
    } else {
        if (events & RV_FD_WRITE && c->kept_len)
            vsock_stream_flush(c);
        if (c->state == VSOCK_OPEN && events & RV_FD_READ && c->events & RV_FD_READ) {
            vsock_conn_due(c, VSOCK_DUE_DATA);
            vsock_conn_watch(c);
        }
    }
    vsock_pump(v);
}
