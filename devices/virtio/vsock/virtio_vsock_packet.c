/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: the packets of connections. virtio 1.2, 5.10.6. */
#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vsock/virtio_vsock.h"

static void vsock_reset(struct vsock *v, uint32_t host_port, uint32_t guest_port, uint16_t type)
{
    v->resets[(v->first_reset + v->nr_resets++) % VSOCK_RESETS] =
        (struct vsock_reset){host_port, guest_port, type};
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
        vsock_conn_open(c);
        return;
    }
    vsock_conn_knock_later(c);
}

static void vsock_operate(struct vsock_conn *c, const struct virtio_vsock_hdr *h,
                          struct virtq_chain *chain, uint32_t len)
{
    uint16_t op = le16toh(h->op);
    uint32_t fwd = le32toh(h->fwd_cnt);

    if (op == VIRTIO_VSOCK_OP_RST) {
        if (c->state == VSOCK_OPEN && c->no_more_out && c->kept_len)
            vsock_conn_drain(c);
        else
            vsock_conn_end(c);
        return;
    }
    if (c->state == VSOCK_CLOSING)
        return; /* until the reset */
    /* It cannot have forwarded more than it was sent. */
    if (fwd - c->peer_fwd > c->sent - c->peer_fwd) {
        vsock_conn_abort(c);
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
        vsock_conn_abort(c);
        return;
    } else {
        switch (op) {
        case VIRTIO_VSOCK_OP_RW:
            iov_advance(&chain->readable, &chain->readable_count, VSOCK_HEADER);
            vsock_stream_send(c, chain->readable, chain->readable_count, len);
            return;
        case VIRTIO_VSOCK_OP_SHUTDOWN: vsock_stream_shutdown(c, le32toh(h->flags)); return;
        case VIRTIO_VSOCK_OP_CREDIT_UPDATE: break;
        case VIRTIO_VSOCK_OP_CREDIT_REQUEST: vsock_conn_due(c, VSOCK_DUE_UPDATE); break;
        default: vsock_conn_abort(c); return; /* a second REQUEST, RESPONSE, or none of them */
        }
    }
    vsock_conn_watch(c);
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
    c = vsock_conn_find(v, le32toh(h.dst_port), le32toh(h.src_port));
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
            *len = vsock_stream_read(c, chain);
            if (!*len)
                continue;
        } else {
            c->due &= ~order[i].due;
            if (order[i].due == VSOCK_DUE_CREDIT && (vsock_conn_credit(c) || c->no_more_in))
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
        vsock_conn_abort(c);
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

        vsock_conn_undue(c);
        filled = vsock_conn_fill(c, chain, &len);
        if (c->state != VSOCK_FREE) {
            vsock_conn_due(c, 0);
            vsock_conn_watch(c);
        }
        if (filled)
            return VSOCK_HEADER + len;
    }
    return 0;
}
