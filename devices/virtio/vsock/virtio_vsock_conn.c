/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: connections and their packets. virtio 1.2, 5.10.6. */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vsock/virtio_vsock.h"

#define VSOCK_SHUT_RCV  VIRTIO_VSOCK_SHUTDOWN_RCV
#define VSOCK_SHUT_SEND VIRTIO_VSOCK_SHUTDOWN_SEND
#define VSOCK_SHUT_BOTH ((uint32_t)(VSOCK_SHUT_RCV | VSOCK_SHUT_SEND))

static struct vsock_conn **vsock_bucket(struct vsock *v, uint32_t host_port, uint32_t guest_port)
{
    return &v->bucket[(host_port * 31 + guest_port) % VSOCK_BUCKETS];
}

static struct vsock_conn *vsock_find(struct vsock *v, uint32_t host_port, uint32_t guest_port)
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

static void vsock_undue(struct vsock_conn *c)
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

static void vsock_reset(struct vsock *v, uint32_t host_port, uint32_t guest_port, uint16_t type)
{
    v->resets[(v->first_reset + v->nr_resets++) % VSOCK_RESETS] =
        (struct vsock_reset){host_port, guest_port, type};
}

/*
 * Watching the socket
 */

static uint32_t vsock_credit(const struct vsock_conn *c)
{
    uint32_t under_way = c->sent - c->peer_fwd;

    return under_way < c->peer_alloc ? c->peer_alloc - under_way : 0;
}

static void vsock_watch(struct vsock_conn *c)
{
    bool reads = c->state == VSOCK_HELLO || (c->state == VSOCK_OPEN && !c->no_more_in &&
                                             vsock_credit(c) && !(c->due & VSOCK_DUE_DATA));
    unsigned events = (reads ? RV_FD_READ : 0) | (c->kept_len ? RV_FD_WRITE : 0);

    if (events != c->events)
        c->vsock->plugin->ops->fd_change(c->vsock->plugin->instance, c->watch, events);
    c->events = events;
}

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

static void vsock_until(struct vsock_conn *c, uint64_t ns)
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
        vsock_until(c, VSOCK_WAIT_NS);
    }
    vsock_watch(c);
    return c;
}

void vsock_conn_end(struct vsock_conn *c)
{
    struct vsock *v = c->vsock;

    vsock_undue(c);
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
    vsock_until(c, VSOCK_WAIT_NS);
    vsock_watch(c);
    vsock_conn_due(c, VSOCK_DUE_REQUEST);
}

/* Nothing more either way: the guest is told, and answers with a reset. */
static void vsock_close(struct vsock_conn *c)
{
    if (c->state != VSOCK_OPEN)
        return;
    c->state = VSOCK_CLOSING;
    c->no_more_in = true;
    c->due &= ~VSOCK_DUE_DATA;
    c->shutdown_flags = VSOCK_SHUT_BOTH;
    vsock_until(c, VSOCK_LINGER_NS);
    vsock_watch(c);
    vsock_conn_due(c, VSOCK_DUE_SHUTDOWN);
}

/* The host's program learns of it now, the guest when it has a buffer. */
static void vsock_abort(struct vsock_conn *c)
{
    shutdown(c->fd, SHUT_RDWR);
    c->until = 0;
    c->due = 0;
    c->state = VSOCK_CLOSING;
    c->no_more_in = true;
    c->kept_len = 0;
    vsock_watch(c);
    vsock_conn_due(c, VSOCK_DUE_RESET);
}

/*
 * The guest resets what it has closed before: its driver does not wait long for a host
 * that reads slowly. What it was given credit for still arrives.
 */
static void vsock_drain(struct vsock_conn *c)
{
    vsock_undue(c);
    vsock_unname(c);
    c->due = 0;
    c->state = VSOCK_DRAINING;
    vsock_until(c, VSOCK_DRAIN_NS);
    vsock_watch(c);
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
            vsock_abort(c);
    }
}

/*
 * From the guest
 */

/* The guest may send more: told when it may think that it can send no more than half of it. */
static void vsock_update(struct vsock_conn *c)
{
    if (c->received - c->forwarded_told >= VSOCK_CREDIT / 2 && c->forwarded != c->forwarded_told)
        vsock_conn_due(c, VSOCK_DUE_UPDATE);
}

/* All that was kept is out: what the guest has said to be the end is the socket's, too. */
static void vsock_out_is_empty(struct vsock_conn *c)
{
    if (c->no_more_out && !c->out_shut) {
        shutdown(c->fd, SHUT_WR);
        c->out_shut = true;
    }
    if (c->no_more_out && c->no_more_in && c->state == VSOCK_OPEN)
        vsock_abort(c);
}

/* May be the end of `c`. */
static void vsock_flush(struct vsock_conn *c)
{
    uint32_t before = c->kept_len;

    while (c->kept_len) {
        uint32_t piece = VSOCK_CREDIT - c->kept_start;
        ssize_t n;

        piece = piece < c->kept_len ? piece : c->kept_len;
        n = send(c->fd, c->kept + c->kept_start, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && c->state == VSOCK_DRAINING) {
            vsock_conn_end(c);
            return;
        }
        if (n < 0) {
            vsock_abort(c);
            return;
        }
        c->kept_start = (c->kept_start + (uint32_t)n) % VSOCK_CREDIT;
        c->kept_len -= (uint32_t)n;
        c->forwarded += (uint32_t)n;
    }
    if (c->state == VSOCK_DRAINING) {
        if (!c->kept_len)
            vsock_conn_end(c);
        else if (c->kept_len != before)
            vsock_until(c, VSOCK_DRAIN_NS);
        return;
    }
    vsock_update(c);
    vsock_watch(c);
    if (!c->kept_len)
        vsock_out_is_empty(c);
}

/* The socket is full: keep the rest. The credit sees to it that there is room. */
static bool vsock_keep(struct vsock_conn *c, const struct iovec *iov, unsigned count, size_t from,
                       uint32_t len)
{
    if (!c->kept)
        c->kept = malloc(VSOCK_CREDIT);
    if (!c->kept)
        return false;
    while (len) {
        uint32_t end = (c->kept_start + c->kept_len) % VSOCK_CREDIT;
        uint32_t piece = VSOCK_CREDIT - end < len ? VSOCK_CREDIT - end : len;

        if (iov_read(iov, count, from, c->kept + end, piece) != piece)
            return false;
        c->kept_len += piece;
        from += piece;
        len -= piece;
    }
    return true;
}

/* `iov` has just the payload. */
static void vsock_data(struct vsock_conn *c, struct iovec *iov, unsigned count, uint32_t len)
{
    ssize_t n = 0;

    if (c->no_more_out || len > VSOCK_CREDIT - (c->received - c->forwarded)) {
        vsock_abort(c); /* more than it was given credit for */
        return;
    }
    c->received += len;
    *c->vsock->sent_bytes += len;
    if (!c->kept_len && len) {
        const struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};

        n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            vsock_abort(c);
            return;
        }
        n = n < 0 ? 0 : n;
        c->forwarded += (uint32_t)n;
    }
    if ((uint32_t)n < len && !vsock_keep(c, iov, count, (size_t)n, len - (uint32_t)n)) {
        vsock_abort(c);
        return;
    }
    vsock_update(c);
    vsock_watch(c);
}

static void vsock_shutdown(struct vsock_conn *c, uint32_t flags)
{
    if (flags & VSOCK_SHUT_RCV) {
        c->no_more_in = true;
        c->due &= ~VSOCK_DUE_DATA;
        shutdown(c->fd, SHUT_RD);
    }
    if (flags & VSOCK_SHUT_SEND)
        c->no_more_out = true;
    if (!c->kept_len)
        vsock_out_is_empty(c);
    vsock_watch(c);
}

static void vsock_connected(struct vsock_conn *c)
{
    c->state = VSOCK_OPEN;
    c->until = 0;
    ++*c->vsock->connections;
    vsock_conn_due(c, VSOCK_DUE_RESPONSE);
    vsock_watch(c);
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
            vsock_abort(c);
        } else {
            vsock_connected(c);
        }
    }
}

/* The guest connects to a port of the host's. */
static void vsock_request(struct vsock *v, const struct virtio_vsock_hdr *h)
{
    uint32_t port = le32toh(h->dst_port), guest_port = le32toh(h->src_port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct vsock_conn *c = fd < 0 ? NULL : vsock_conn_new(v, fd, VSOCK_KNOCKING);
    int error = c ? vsock_connect(v, fd, port) : -EMFILE;

    if (error && error != -EAGAIN) {
        if (c)
            vsock_conn_end(c);
        else if (fd >= 0)
            close(fd);
        ++*v->refused;
        vsock_reset(v, port, guest_port, VIRTIO_VSOCK_TYPE_STREAM);
        return;
    }
    vsock_conn_name(c, port, guest_port);
    c->peer_alloc = le32toh(h->buf_alloc);
    c->peer_fwd = le32toh(h->fwd_cnt);
    if (!error) {
        vsock_connected(c);
        return;
    }
    vsock_until(c, VSOCK_WAIT_NS);
    if (v->knock_at == VSOCK_NEVER)
        v->knock_at = v->plugin->ops->now_ns(v->plugin->instance) + VSOCK_KNOCK_NS;
    vsock_wake(v, v->knock_at);
}

static void vsock_operate(struct vsock_conn *c, const struct virtio_vsock_hdr *h,
                          struct virtq_chain *chain, uint32_t len)
{
    uint16_t op = le16toh(h->op);
    uint32_t fwd = le32toh(h->fwd_cnt);

    if (op == VIRTIO_VSOCK_OP_RST) {
        if (c->state == VSOCK_OPEN && c->no_more_out && c->kept_len)
            vsock_drain(c);
        else
            vsock_conn_end(c);
        return;
    }
    if (c->state == VSOCK_CLOSING)
        return; /* until the reset */
    /* It cannot have forwarded more than it was sent. */
    if (fwd - c->peer_fwd > c->sent - c->peer_fwd) {
        vsock_abort(c);
        return;
    }
    c->peer_alloc = le32toh(h->buf_alloc);
    c->peer_fwd = fwd;
    if (c->state == VSOCK_ASKING && op == VIRTIO_VSOCK_OP_RESPONSE) {
        c->state = VSOCK_OPEN;
        c->until = 0;
        ++*c->vsock->connections;
        vsock_answer(c);
    } else if (c->state != VSOCK_OPEN) {
        vsock_abort(c);
        return;
    } else {
        switch (op) {
        case VIRTIO_VSOCK_OP_RW:
            iov_advance(&chain->readable, &chain->readable_count, VSOCK_HEADER);
            vsock_data(c, chain->readable, chain->readable_count, len);
            return;
        case VIRTIO_VSOCK_OP_SHUTDOWN: vsock_shutdown(c, le32toh(h->flags)); return;
        case VIRTIO_VSOCK_OP_CREDIT_UPDATE: break;
        case VIRTIO_VSOCK_OP_CREDIT_REQUEST: vsock_conn_due(c, VSOCK_DUE_UPDATE); break;
        default: vsock_abort(c); return; /* a second REQUEST, RESPONSE, or none of them */
        }
    }
    vsock_watch(c);
}

void vsock_packet(struct vsock *v, struct virtq_chain *chain)
{
    struct virtio_vsock_hdr h;
    struct vsock_conn *c;
    uint16_t op, type;
    uint32_t len;

    if (iov_read(chain->readable, chain->readable_count, 0, &h, sizeof(h)) != sizeof(h))
        return; /* nobody to answer */
    len = le32toh(h.len);
    op = le16toh(h.op);
    type = le16toh(h.type);
    if (le64toh(h.src_cid) != v->cid || le64toh(h.dst_cid) != VSOCK_HOST_CID)
        return;
    c = vsock_find(v, le32toh(h.dst_port), le32toh(h.src_port));
    if (type != VIRTIO_VSOCK_TYPE_STREAM || len > chain->readable_bytes - sizeof(h) ||
        (len && op != VIRTIO_VSOCK_OP_RW)) {
        if (op != VIRTIO_VSOCK_OP_RST)
            vsock_reset(v, le32toh(h.dst_port), le32toh(h.src_port), type);
        if (c && type == VIRTIO_VSOCK_TYPE_STREAM)
            vsock_conn_end(c);
        return;
    }
    /* The payload is what the header says, whatever else is in the buffers. */
    iov_trim(chain->readable, &chain->readable_count, chain->readable_bytes - sizeof(h) - len);
    if (c)
        vsock_operate(c, &h, chain, len);
    else if (op == VIRTIO_VSOCK_OP_REQUEST)
        vsock_request(v, &h);
    else if (op != VIRTIO_VSOCK_OP_RST)
        vsock_reset(v, le32toh(h.dst_port), le32toh(h.src_port), type);
}

/*
 * To the guest
 */

static void vsock_header(const struct vsock *v, struct virtio_vsock_hdr *h, uint32_t host_port,
                         uint32_t guest_port, uint16_t op)
{
    *h = (struct virtio_vsock_hdr){
        .src_cid = htole64(VSOCK_HOST_CID),
        .dst_cid = htole64(v->cid),
        .src_port = htole32(host_port),
        .dst_port = htole32(guest_port),
        .type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
        .op = htole16(op),
    };
}

/* The socket has ended: one direction, or both. */
static void vsock_eof(struct vsock_conn *c)
{
    struct pollfd fd = {.fd = c->fd};

    c->no_more_in = true;
    if (poll(&fd, 1, 0) == 1 && fd.revents & (POLLHUP | POLLERR)) {
        vsock_close(c);
    } else {
        c->shutdown_flags = VSOCK_SHUT_SEND;
        vsock_conn_due(c, VSOCK_DUE_SHUTDOWN);
    }
}

/* What the socket has, straight into the buffer. The bytes; 0: nothing now. */
static uint32_t vsock_read(struct vsock_conn *c, const struct virtq_chain *chain)
{
    struct iovec list[VSOCK_SEGS], *iov = list;
    unsigned count = chain->writable_count;
    uint32_t room = vsock_credit(c);
    struct msghdr message = {0};
    size_t bytes;
    ssize_t n;

    c->due &= ~VSOCK_DUE_DATA;
    if (c->no_more_in || c->state != VSOCK_OPEN)
        return 0;
    memcpy(list, chain->writable, count * sizeof(*list));
    iov_advance(&iov, &count, VSOCK_HEADER);
    bytes = iov_size(iov, count);
    room = room < VSOCK_PACKET_MAX ? room : VSOCK_PACKET_MAX;
    if (bytes > room)
        iov_trim(iov, &count, bytes - room);
    if (count == 0)
        return 0; /* no credit: an update of the guest's makes it go on */
    message.msg_iov = iov;
    message.msg_iovlen = count;
    n = recvmsg(c->fd, &message, MSG_DONTWAIT);
    if (n > 0) {
        c->sent += (uint32_t)n;
        *c->vsock->received_bytes += (uint64_t)n;
        c->due |= VSOCK_DUE_DATA; /* perhaps more */
        if (!vsock_credit(c))
            c->due |= VSOCK_DUE_CREDIT;
        return (uint32_t)n;
    }
    if (n == 0 || errno != EAGAIN)
        vsock_eof(c);
    return 0;
}

/* The most urgent of what is due, or 0. */
static uint16_t vsock_next_op(struct vsock_conn *c, const struct virtq_chain *chain, uint32_t *len)
{
    static const struct {
        unsigned due;
        uint16_t op;
    } order[] = {
        {VSOCK_DUE_REQUEST, VIRTIO_VSOCK_OP_REQUEST},
        {VSOCK_DUE_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE},
        {VSOCK_DUE_UPDATE, VIRTIO_VSOCK_OP_CREDIT_UPDATE},
        {VSOCK_DUE_DATA, VIRTIO_VSOCK_OP_RW},
        {VSOCK_DUE_CREDIT, VIRTIO_VSOCK_OP_CREDIT_REQUEST},
        {VSOCK_DUE_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN},
        {VSOCK_DUE_RESET, VIRTIO_VSOCK_OP_RST},
    };

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (!(c->due & order[i].due))
            continue;
        if (order[i].due == VSOCK_DUE_DATA) {
            *len = vsock_read(c, chain);
            if (!*len)
                continue;
        } else {
            c->due &= ~order[i].due;
            if (order[i].due == VSOCK_DUE_CREDIT && (vsock_credit(c) || c->no_more_in))
                continue; /* it came without being asked for */
        }
        return order[i].op;
    }
    return VIRTIO_VSOCK_OP_INVALID;
}

static bool vsock_conn_fill(struct vsock_conn *c, const struct virtq_chain *chain, uint32_t *len)
{
    uint16_t op = vsock_next_op(c, chain, len);
    struct virtio_vsock_hdr h;

    if (op == VIRTIO_VSOCK_OP_INVALID)
        return false;
    vsock_header(c->vsock, &h, c->host_port, c->guest_port, op);
    h.len = htole32(*len);
    h.flags = htole32(op == VIRTIO_VSOCK_OP_SHUTDOWN ? c->shutdown_flags : 0);
    h.buf_alloc = htole32(VSOCK_CREDIT);
    h.fwd_cnt = htole32(c->forwarded);
    c->forwarded_told = c->forwarded;
    iov_write(chain->writable, chain->writable_count, 0, &h, sizeof(h));
    if (op == VIRTIO_VSOCK_OP_RST) {
        vsock_conn_end(c);
        return true;
    }
    /* The socket's end is told, and there is nothing to come from the guest. */
    if (op == VIRTIO_VSOCK_OP_SHUTDOWN && c->no_more_out && !c->kept_len && c->state == VSOCK_OPEN)
        vsock_abort(c);
    return true;
}

bool vsock_has_packet(const struct vsock *v)
{
    return v->nr_resets || v->due_first;
}

size_t vsock_fill(struct vsock *v, const struct virtq_chain *chain)
{
    if (v->nr_resets) {
        const struct vsock_reset *r = &v->resets[v->first_reset];
        struct virtio_vsock_hdr h;

        vsock_header(v, &h, r->host_port, r->guest_port, VIRTIO_VSOCK_OP_RST);
        h.type = htole16(r->type);
        iov_write(chain->writable, chain->writable_count, 0, &h, sizeof(h));
        v->first_reset = (v->first_reset + 1) % VSOCK_RESETS;
        v->nr_resets--;
        return sizeof(h);
    }
    /* Each connection has one packet, and then others have their turn. */
    while (v->due_first) {
        struct vsock_conn *c = v->due_first;
        uint32_t len = 0;
        bool filled;

        vsock_undue(c);
        filled = vsock_conn_fill(c, chain, &len);
        if (c->state != VSOCK_FREE) {
            vsock_conn_due(c, 0);
            vsock_watch(c);
        }
        if (filled)
            return VSOCK_HEADER + len;
    }
    return 0;
}

/* The socket is ready. */
static void vsock_ready(void *opaque, unsigned events)
{
    struct vsock_conn *c = opaque;
    struct vsock *v = c->vsock;

    if (c->state == VSOCK_HELLO) {
        vsock_hello(c);
    } else {
        if (events & RV_FD_WRITE && c->kept_len)
            vsock_flush(c);
        if (c->state == VSOCK_OPEN && events & RV_FD_READ && c->events & RV_FD_READ) {
            vsock_conn_due(c, VSOCK_DUE_DATA);
            vsock_watch(c);
        }
    }
    vsock_pump(v);
}
