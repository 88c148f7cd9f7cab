/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets between the host and the guest: virtio 1.2, 5.10. The host's side are Unix
 * sockets, as Firecracker has them: a program that connects to PATH says
 * "CONNECT <port>\n" and reads "OK <port>\n" when the guest has accepted; what the guest
 * connects to at CID 2, port N, is PATH_N.
 *
 * Bytes go between the guest's buffers and the socket. What the socket does not take at
 * once is kept, and is never more than the credit that the guest was given.
 */
#pragma once

#include <linux/virtio_vsock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define VSOCK_HOST_CID   2u
#define VSOCK_HEADER     sizeof(struct virtio_vsock_hdr)
#define VSOCK_CONNS      1024u
#define VSOCK_BUCKETS    256u
#define VSOCK_CREDIT     (256u << 10) /* bytes that the guest may have sent and we not passed on */
#define VSOCK_RESETS     1024u        /* for what is no connection, that wait for a buffer */
#define VSOCK_HELLOS     128u         /* programs of the host's that have not said to which port */
#define VSOCK_BATCH      128u         /* packets of a queue before others have their turn */
#define VSOCK_SEGS       64u
#define VSOCK_PACKET_MAX (64u << 10)  /* bytes in one packet to the guest */
#define VSOCK_LINE_MAX   32u          /* "CONNECT 4294967295\n" */
#define VSOCK_LINGER_NS  2000000000u  /* for the guest's answer to the last SHUTDOWN */
#define VSOCK_WAIT_NS    30000000000u /* for the host to say a port, and the guest to accept */
#define VSOCK_DRAIN_NS   60000000000u /* for the host to read more of what a closed one has kept */
#define VSOCK_KNOCK_NS   20000000u    /* until a listener with a full backlog is tried again */
#define VSOCK_NEVER      UINT64_MAX
#define VSOCK_FIRST_PORT (1u << 30) /* of the host's, for who connects to PATH */

enum vsock_conn_state {
    VSOCK_FREE,
    VSOCK_KNOCKING, /* the guest connects, and the backlog of the host's listener is full */
    VSOCK_HELLO,    /* the host's program has connected, and says to which port */
    VSOCK_ASKING,   /* REQUEST is sent or due */
    VSOCK_OPEN,
    VSOCK_CLOSING,  /* SHUTDOWN of both directions is sent or due; a RST ends it */
    VSOCK_DRAINING, /* over for the guest, but the host has not read all that it had sent */
};

/* What is to be sent to the guest about a connection, in this order. */
#define VSOCK_DUE_REQUEST  0x01u
#define VSOCK_DUE_RESPONSE 0x02u
#define VSOCK_DUE_UPDATE   0x04u
#define VSOCK_DUE_DATA     0x08u /* there may be some in the socket */
#define VSOCK_DUE_CREDIT   0x10u /* ask for some */
#define VSOCK_DUE_SHUTDOWN 0x20u
#define VSOCK_DUE_RESET    0x40u /* and then it is over */

struct vsock;

struct vsock_conn {
    struct vsock *vsock;
    enum vsock_conn_state state;
    uint32_t host_port, guest_port;
    int fd;
    struct rv_watch *watch;
    unsigned events; /* that are watched */
    unsigned due;
    bool queued; /* in the list of those with something due */
    bool named;  /* in its bucket: packets of these two ports are its */
    struct vsock_conn *next_due, *next_in_bucket;

    /* To the guest: 5.10.6.3. All of these wrap. */
    uint32_t sent, peer_alloc, peer_fwd;
    /* From the guest. */
    uint32_t received, forwarded, forwarded_told;
    uint8_t *kept; /* VSOCK_CREDIT bytes, a ring; NULL: never needed */
    uint32_t kept_start, kept_len;

    bool no_more_in;           /* the socket has ended, or the guest receives no more */
    bool no_more_out;          /* the guest sends no more */
    bool out_shut;             /* and the socket knows */
    uint32_t shutdown_flags;   /* of the SHUTDOWN that is due */
    uint64_t until;            /* when it is waited for no longer; 0: for ever */
    char line[VSOCK_LINE_MAX]; /* HELLO: what the host's program has said */
    uint32_t line_len;
};

/* A reset for what is no connection. */
struct vsock_reset {
    uint32_t host_port, guest_port;
    uint16_t type;
};

struct vsock {
    struct virtio_plugin *plugin;
    uint64_t cid;
    struct sockaddr_un address;
    struct rv_listener *listener;
    struct rv_timer *timer; /* for all that follows: it only ever comes sooner */
    uint64_t wake;          /* when; VSOCK_NEVER: it is not set */
    uint64_t deadline;      /* the first `until` of a connection, or sooner */
    uint64_t knock_at;      /* when listeners with full backlogs are tried again */
    struct virtq_chain in;  /* a receive buffer that was popped and not needed yet */
    bool in_held;
    bool reset_due; /* the guest is to be told that all connections are gone */

    struct vsock_conn conn[VSOCK_CONNS];
    unsigned nr_conns, most_conns, nr_hellos;
    struct vsock_conn *bucket[VSOCK_BUCKETS];
    struct vsock_conn *due_first, **due_last;
    struct vsock_reset resets[VSOCK_RESETS];
    unsigned nr_resets, first_reset;
    uint32_t next_port;
    uint64_t *connections, *sent_bytes, *received_bytes, *refused, *lost_bytes; /* counters */
};

/* virtio_vsock_conn.c */
struct vsock_conn *vsock_conn_new(struct vsock *v, int fd, enum vsock_conn_state state);
void vsock_conn_end(struct vsock_conn *c);
void vsock_conns_end(struct vsock *v);
void vsock_conn_due(struct vsock_conn *c, unsigned what);
void vsock_conn_name(struct vsock_conn *c, uint32_t host_port, uint32_t guest_port);
void vsock_conn_ask(struct vsock_conn *c); /* the guest, whether it accepts */
void vsock_conns_expire(struct vsock *v);  /* those whose time is over */
void vsock_conns_knock(struct vsock *v);   /* those for which a listener had no room */

struct vsock_conn *vsock_conn_find(struct vsock *v, uint32_t host_port, uint32_t guest_port);
void vsock_conn_undue(struct vsock_conn *c); /* nothing is, or not now */
void vsock_conn_watch(struct vsock_conn *c); /* after a change: what of the socket is of interest */
uint32_t vsock_conn_credit(const struct vsock_conn *c); /* bytes that the guest takes now */
/* Both sides have accepted the one that the guest asked for; or the host's cannot yet. */
void vsock_conn_open(struct vsock_conn *c);
void vsock_conn_knock_later(struct vsock_conn *c);
/* It is waited for no longer than `ns` from now. */
void vsock_conn_until(struct vsock_conn *c, uint64_t ns);
/* Nothing more either way: the guest is told, and answers with a reset. */
void vsock_conn_close(struct vsock_conn *c);
/* The host's program learns of the end now, the guest when it has a buffer. */
void vsock_conn_abort(struct vsock_conn *c);
/*
 * The guest resets what it has closed before: its driver does not wait long for a host
 * that reads slowly. What it was given credit for still arrives.
 */
void vsock_conn_drain(struct vsock_conn *c);

/* virtio_vsock_stream.c */
/* The guest sends; `iov` has just the payload. And what it says of the end: VIRTIO_VSOCK_SHUTDOWN_*. */
void vsock_stream_send(struct vsock_conn *c, struct iovec *iov, unsigned count, uint32_t len);
void vsock_stream_shutdown(struct vsock_conn *c, uint32_t flags);
/* What the socket has, straight into the buffer, behind a header. The bytes; 0: nothing now. */
uint32_t vsock_stream_read(struct vsock_conn *c, const struct virtq_chain *chain);
/* The socket takes more of what was kept. May be the end of `c`. */
void vsock_stream_flush(struct vsock_conn *c);

/* virtio_vsock_packet.c */
/* A packet from the guest, which may need an answer: there has to be room in `resets`. */
void vsock_packet(struct vsock *v, struct virtq_chain *chain);

/* The next packet for the guest into the buffer. Its bytes; 0: there is none. */
size_t vsock_fill(struct vsock *v, const struct virtq_chain *chain);
bool vsock_has_packet(const struct vsock *v);

/* virtio_vsock_unix.c: 0, or -errno after a message. */
int vsock_listen(struct vsock *v);
void vsock_unlisten(struct vsock *v);
void vsock_hello(struct vsock_conn *c);  /* the host's program said something */
void vsock_answer(struct vsock_conn *c); /* "OK" */

/* 0; -EAGAIN: there are as many in the listener's backlog as it takes; or another -errno. */
int vsock_connect(const struct vsock *v, int fd, uint32_t port);

/* virtio_vsock.c */
void vsock_pump(struct vsock *v);              /* something is due for the guest */
void vsock_wake(struct vsock *v, uint64_t at); /* the timer, then or sooner */
bool vsock_has_driver(const struct vsock *v);
