/* SPDX-License-Identifier: BSD-2-Clause */
/* A network card, sockets, and a shared folder: what is at their other ends outlives no vmm. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/devices/virtio/attach/attach_cases.h"
#include "tests/unit/support/check.h"

/*
 * A network card
 */

#define FRAME  100u /* bytes, header included */
#define OUT(n) (8u + (n))
#define FRAMES 3u /* that come in, each into a buffer or into two small ones */
#define SMALL  80u

struct rv_net {
    struct rv_net_info info;
    struct rv_net_callbacks callbacks;
    void *opaque;
    bool want;
};

static struct attached *net_test;

static int wire_open(struct rv_instance *host, const struct rv_net_options *options,
                     struct rv_net **net)
{
    net_test->net = calloc(1, sizeof(**net));
    *net = net_test->net;
    **net = (struct rv_net){
        .info = {.size = sizeof(struct rv_net_info), .pairs = 1, .link = 1, .name = "wire"},
        .callbacks = *options->callbacks,
        .opaque = options->opaque,
    };
    return 0;
}

static const struct rv_net_info *wire_info(struct rv_instance *host, struct rv_net *net)
{
    return &net->info;
}

/* A frame says its number. */
static int wire_send(struct rv_instance *host, struct rv_net *net, uint32_t pair,
                     const struct iovec *iov, uint32_t count)
{
    uint8_t frame[FRAME];

    CHECK(iov_read(iov, count, 0, frame, sizeof(frame)) == FRAME);
    CHECK(frame[FRAME - 1] < ATTACH_FRAMES);
    net_test->out[frame[FRAME - 1]]++;
    return 0;
}

static int64_t wire_receive(struct rv_instance *host, struct rv_net *net, uint32_t pair,
                            const struct iovec *iov, uint32_t count)
{
    uint8_t frame[FRAME] = {0};

    if (net_test->waiting == FRAMES)
        return -EAGAIN;
    frame[FRAME - 1] = (uint8_t)net_test->waiting++;
    CHECK(iov_write(iov, count, 0, frame, sizeof(frame)) == FRAME);
    return FRAME;
}

static void wire_want(struct rv_instance *host, struct rv_net *net, uint32_t pair, bool want)
{
    net->want = want;
}

static void wire_set_offloads(struct rv_instance *host, struct rv_net *net, uint64_t features)
{
}

static int wire_set_pairs(struct rv_instance *host, struct rv_net *net, uint32_t pairs)
{
    return 0;
}

static void wire_close(struct rv_instance *host, struct rv_net *net)
{
    free(net);
}

static void net_prepare(struct attached *a)
{
    net_test = a;
    a->waiting = FRAMES;
    PLUGIN_HOST_NET(&a->host.ops, wire);
}

/* Into how many buffers a frame goes. */
static unsigned net_parts(const struct attached *a)
{
    return a->of == &attach_net_merged ? 2 : 1;
}

static void net_begin(struct attached *a)
{
    const uint32_t room = net_parts(a) == 1 ? 0x1000 : SMALL;

    memset(a->out, 0, sizeof(a->out));
    memset(a->in, 0, sizeof(a->in));
    for (unsigned i = 0; i < FRAMES * net_parts(a); i++) {
        const struct driver_seg in = {ATTACH_AT(i), room, true};

        /* Those that a lost frame was for are still the device's. */
        if (a->round == 0 || a->done[i].count)
            attach_give(a, 0, i, &in, 1);
    }
    for (unsigned i = 0; i < ATTACH_FRAMES; i++) {
        const struct driver_seg out = {ATTACH_AT(OUT(i)), FRAME, false};

        memset(attach_bytes(a, OUT(i)), 0, FRAME);
        ((uint8_t *)attach_bytes(a, OUT(i)))[FRAME - 1] = (uint8_t)i;
        attach_give(a, 1, OUT(i), &out, 1);
    }
}

static bool net_work(struct attached *a, bool kick)
{
    if (kick)
        a->waiting = 0;
    for (unsigned i = 0; i < 2 && kick; i++)
        attach_kick(a, i);
    for (unsigned i = 0; i < 4; i++) {
        if (a->net->want && a->waiting < FRAMES)
            a->net->callbacks.readable(a->net->opaque, 0);
        plugin_host_turn(&a->host, 1000000);
    }
    return true;
}

/* The buffer that was used next after that one, or NULL. */
static const uint8_t *net_next(struct attached *a, unsigned *order, uint32_t *len)
{
    unsigned best = ATTACH_TOKENS;

    for (unsigned i = 0; i < FRAMES * net_parts(a); i++)
        if (a->done[i].count && a->done[i].order > *order &&
            (best == ATTACH_TOKENS || a->done[i].order < a->done[best].order))
            best = i;
    if (best == ATTACH_TOKENS)
        return NULL;
    attach_used_once(a, best, 0);
    *order = a->done[best].order;
    *len = a->done[best].len;
    return attach_bytes(a, best);
}

/* As a driver takes the buffers: the first one of a frame says how many there are. */
static void net_check_in(struct attached *a)
{
    unsigned order = 0;
    const uint8_t *at;
    uint32_t len = 0;

    while ((at = net_next(a, &order, &len))) {
        struct virtio_net_hdr_mrg_rxbuf header;
        uint32_t before = 0;

        memcpy(&header, at, sizeof(header));
        attach_must(a, header.num_buffers == net_parts(a), "a frame in a wrong number of buffers");
        for (unsigned i = 1; at && i < net_parts(a); i++) {
            before += len;
            at = net_next(a, &order, &len);
        }
        attach_must(a, at && before + len == FRAME, "a frame without its end");
        if (at)
            attach_must(a, at[len - 1] < FRAMES && ++a->in[at[len - 1]] == 1,
                        "a frame came twice, or is none");
    }
}

/* What was on its way may be lost, as on a wire. Nothing comes twice. */
static void net_check(struct attached *a)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < ATTACH_FRAMES; i++) {
        attach_used_once(a, OUT(i), 0);
        attach_must(a, a->out[i] <= 1, "a frame was sent twice");
        lost += !a->out[i];
    }
    net_check_in(a);
    for (unsigned i = 0; i < FRAMES && a->waiting == FRAMES; i++)
        lost += !a->in[i];
    attach_must(a, lost <= a->dead, "more than one frame is lost");
}

#define NET(what)                                                                                  \
    {                                                                                              \
        .name = what, .plugin = "virtio-net",                                                      \
        .properties = {{"backend", "tap"}, {"mac", "52:54:00:12:34:56"}},                          \
        .features = VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF), .queues = 2, .size = 32, .data = true, \
        .prepare = net_prepare, .begin = net_begin, .work = net_work, .check = net_check,          \
    }

const struct attach_case attach_net = NET("network card");
const struct attach_case attach_net_merged = NET("network card, two buffers a frame");

/*
 * Sockets
 */

#define VSOCK_TX     8u /* tokens */
#define VSOCK_EVENTS 10u
#define VSOCK_HEADER ((uint32_t)sizeof(struct virtio_vsock_hdr))

static void folder_prepare(struct attached *a)
{
    strcpy(a->folder, "/tmp/attach-XXXXXX");
    CHECK(mkdtemp(a->folder));
}

static void vsock_prepare(struct attached *a)
{
    static char path[80];

    folder_prepare(a);
    snprintf(path, sizeof(path), "%s/v", a->folder);
    a->properties[1].value = path;
}

/* Nobody listens at the port. */
static void vsock_begin(struct attached *a)
{
    for (unsigned i = 0; i < 4; i++) {
        const struct driver_seg rx = {ATTACH_AT(i), 0x1000, true};

        if (a->round == 0 || a->done[i].count)
            attach_give(a, 0, i, &rx, 1);
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct virtio_vsock_hdr request = {.src_cid = 3,
                                                 .dst_cid = 2,
                                                 .src_port = 100 + i,
                                                 .dst_port = 9,
                                                 .type = VIRTIO_VSOCK_TYPE_STREAM,
                                                 .op = VIRTIO_VSOCK_OP_REQUEST,
                                                 .buf_alloc = 0x10000};
        const struct driver_seg tx = {ATTACH_AT(VSOCK_TX + i), VSOCK_HEADER, false};
        const struct driver_seg event = {ATTACH_AT(VSOCK_EVENTS + i), 16, true};

        memcpy(attach_bytes(a, VSOCK_TX + i), &request, sizeof(request));
        attach_give(a, 1, VSOCK_TX + i, &tx, 1);
        if (a->round == 0)
            attach_give(a, 2, VSOCK_EVENTS + i, &event, 1);
    }
}

static bool vsock_work(struct attached *a, bool kick)
{
    for (unsigned i = 0; i < 3 && kick; i++)
        attach_kick(a, i);
    for (unsigned i = 0; i < 4; i++)
        plugin_host_turn(&a->host, 1000);
    return true;
}

static void vsock_died(struct attached *a)
{
    char name[80];

    snprintf(name, sizeof(name), "%s/v", a->folder);
    unlink(name); /* as a listener does with what a dead process left */
}

/* Each connection is refused, or the guest is told that all of them are gone. */
static void vsock_check(struct attached *a)
{
    unsigned refused = 0, resets = 0;

    for (unsigned i = 0; i < 4; i++) {
        struct virtio_vsock_hdr h;

        if (!a->done[i].count)
            continue;
        memcpy(&h, attach_bytes(a, i), sizeof(h));
        attach_must(a, a->done[i].count == 1 && (a->done[i].len == VSOCK_HEADER || a->dead),
                    "a packet that is none");
        refused += a->done[i].len == VSOCK_HEADER && h.op == VIRTIO_VSOCK_OP_RST;
    }
    for (unsigned i = 0; i < 2; i++) {
        attach_used_once(a, VSOCK_TX + i, 0);
        resets += a->done[VSOCK_EVENTS + i].count;
    }
    attach_must(a, refused <= 2, "a connection is refused twice");
    if (a->dead)
        attach_must(a, resets >= 1 && resets <= 2,
                    "the guest is not told that connections are gone");
    else
        attach_must(a, refused == 2, "the connections are not refused");
}

const struct attach_case attach_vsock = {
    .name = "sockets",
    .plugin = "virtio-vsock",
    .properties = {{"cid", "3"}, {"path", ""}},
    .queues = 3,
    .size = 16,
    .data = true,
    .prepare = vsock_prepare,
    .begin = vsock_begin,
    .work = vsock_work,
    .died = vsock_died,
    .check = vsock_check,
};

/*
 * A shared folder
 */

#define FS_REQUESTS 3u
#define FS_REPLY    0x1000u /* behind the request */
#define FS_PATIENCE 5000u   /* ms for the threads */

static void fs_prepare(struct attached *a)
{
    char name[80];
    int fd;

    folder_prepare(a);
    snprintf(name, sizeof(name), "%s/a", a->folder);
    fd = open(name, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    close(fd);
    a->properties[0].value = a->folder;
}

static void fs_asks(struct attached *a, unsigned n, uint32_t opcode, const void *args, size_t size)
{
    const struct fuse_in_header header = {
        .len = (uint32_t)(sizeof(header) + size), .opcode = opcode, .unique = n + 1, .nodeid = 1};
    const struct driver_seg segs[] = {{ATTACH_AT(n), header.len, false},
                                      {ATTACH_AT(n) + FS_REPLY, 0x800, true}};

    memcpy(attach_bytes(a, n), &header, sizeof(header));
    memcpy((uint8_t *)attach_bytes(a, n) + sizeof(header), args, size);
    memset((uint8_t *)attach_bytes(a, n) + FS_REPLY, 0, sizeof(struct fuse_out_header));
    attach_give(a, 1, n, segs, 2);
}

static void fs_begin(struct attached *a)
{
    const struct fuse_init_in init = {.major = 7, .minor = 36};
    const struct fuse_getattr_in getattr = {0};

    fs_asks(a, 0, FUSE_INIT, &init, sizeof(init));
    fs_asks(a, 1, FUSE_GETATTR, &getattr, sizeof(getattr));
    fs_asks(a, 2, FUSE_LOOKUP, "a", 2);
}

static bool fs_work(struct attached *a, bool kick)
{
    struct virtqueue *vq = virtio_device_queue(plugin_host_virtio(&a->host), 1);

    if (kick)
        attach_kick(a, 1);
    for (unsigned ms = 0; ms < FS_PATIENCE; ms++) {
        plugin_host_turn(&a->host, 1000);
        if (!virtqueue_inflight(vq))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return false;
}

/* The next process has none of the plugin's own variables, in which it knows its shares. */
static void fs_died(struct attached *a)
{
    attach_load_again(a);
}

/* Of what was begun by a vmm that died nobody knows how far it came: an I/O error. */
static void fs_check(struct attached *a)
{
    for (unsigned i = 0; i < FS_REQUESTS; i++) {
        struct fuse_out_header out;

        attach_used_once(a, i, sizeof(out));
        memcpy(&out, (uint8_t *)attach_bytes(a, i) + FS_REPLY, sizeof(out));
        attach_must(a, out.unique == i + 1, "the reply to another request");
        attach_must(a, out.error == 0 || (a->dead && out.error == -EIO), "an error");
    }
}

const struct attach_case attach_fs = {
    .name = "folder",
    .plugin = "virtio-fs",
    .properties = {{"path", ""}, {"tag", "t"}},
    .queues = 2,
    .size = 16,
    .state_counts = true,
    .prepare = fs_prepare,
    .begin = fs_begin,
    .work = fs_work,
    .died = fs_died,
    .check = fs_check,
};
