/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets between host and guest: the bytes between a connection's socket and the guest's buffers,
 * and the end of each direction. virtio 1.2, 5.10.6.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "devices/virtio/vsock/virtio_vsock.h"

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
        vsock_conn_abort(c);
}

void vsock_stream_flush(struct vsock_conn *c)
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
            vsock_conn_abort(c);
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
            vsock_conn_until(c, VSOCK_DRAIN_NS);
        return;
    }
    vsock_update(c);
    vsock_conn_watch(c);
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

void vsock_stream_send(struct vsock_conn *c, struct iovec *iov, unsigned count, uint32_t len)
{
    ssize_t n = 0;

    if (c->no_more_out || len > VSOCK_CREDIT - (c->received - c->forwarded)) {
        vsock_conn_abort(c); /* more than it was given credit for */
        return;
    }
    c->received += len;
    *c->vsock->sent_bytes += len;
    if (!c->kept_len && len) {
        const struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};

        n = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            vsock_conn_abort(c);
            return;
        }
        n = n < 0 ? 0 : n;
        c->forwarded += (uint32_t)n;
    }
    if ((uint32_t)n < len && !vsock_keep(c, iov, count, (size_t)n, len - (uint32_t)n)) {
        vsock_conn_abort(c);
        return;
    }
    vsock_update(c);
    vsock_conn_watch(c);
}

void vsock_stream_shutdown(struct vsock_conn *c, uint32_t flags)
{
    if (flags & VIRTIO_VSOCK_SHUTDOWN_RCV) {
        c->no_more_in = true;
        c->due &= ~VSOCK_DUE_DATA;
        shutdown(c->fd, SHUT_RD);
    }
    if (flags & VIRTIO_VSOCK_SHUTDOWN_SEND)
        c->no_more_out = true;
    if (!c->kept_len)
        vsock_out_is_empty(c);
    vsock_conn_watch(c);
}

/* The socket has ended: one direction, or both. */
static void vsock_eof(struct vsock_conn *c)
{
    struct pollfd fd = {.fd = c->fd};

    c->no_more_in = true;
    if (poll(&fd, 1, 0) == 1 && fd.revents & (POLLHUP | POLLERR)) {
        vsock_conn_close(c);
    } else {
        c->shutdown_flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
        vsock_conn_due(c, VSOCK_DUE_SHUTDOWN);
    }
}

uint32_t vsock_stream_read(struct vsock_conn *c, const struct virtq_chain *chain)
{
    struct iovec list[VSOCK_SEGS], *iov = list;
    unsigned count = chain->writable_count;
    uint32_t room = vsock_conn_credit(c);
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
        if (!vsock_conn_credit(c))
            c->due |= VSOCK_DUE_CREDIT;
        return (uint32_t)n;
    }
    if (n == 0 || errno != EAGAIN)
        vsock_eof(c);
    return 0;
}
