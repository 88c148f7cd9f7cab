/* SPDX-License-Identifier: BSD-2-Clause */
/* The network device and a driver in both ring formats, on a back end in memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/plugin_host.h"
#include "tests/unit/support/virtio_driver.h"

#define QUEUES       5u /* of two pairs */
#define BUFFER(q, n) (DRIVER_DATA + 0x60000ull * (q) + 0x2000ull * (n))
#define HEADER       ((uint32_t)RV_NET_HEADER_BYTES)

/* The back end: frames that wait for the guest, and the last that came from it. */
struct rv_net {
    struct rv_net_info info;
    struct rv_net_callbacks callbacks;
    void *opaque;
    struct {
        uint8_t bytes[0x10100];
        size_t len;
    } in[8];
    unsigned nr_in;
    uint8_t out[0x10100];
    size_t out_len;
    unsigned sent;
    bool full;
    bool want[RV_NET_PAIRS_MAX];
    uint64_t offloads;
    unsigned pairs; /* in use */
    int pairs_error;
};

static struct rv_net *wire;
static uint64_t wire_features;

static int wire_send(struct rv_instance *host, struct rv_net *w, uint32_t pair,
                     const struct iovec *iov, uint32_t count)
{
    if (w->full)
        return -EAGAIN;
    w->out_len = iov_read(iov, count, 0, w->out, sizeof(w->out));
    w->sent++;
    return 0;
}

static int64_t wire_receive(struct rv_instance *host, struct rv_net *w, uint32_t pair,
                            const struct iovec *iov, uint32_t count)
{
    size_t len, done;

    if (w->nr_in == 0)
        return -EAGAIN;
    len = w->in[0].len;
    done = iov_write(iov, count, 0, w->in[0].bytes, len);
    memmove(&w->in[0], &w->in[1], sizeof(w->in[0]) * --w->nr_in);
    return done == len ? (int64_t)len : -EMSGSIZE;
}

static void wire_want(struct rv_instance *host, struct rv_net *w, uint32_t pair, bool want)
{
    w->want[pair] = want;
}

static void wire_set_offloads(struct rv_instance *host, struct rv_net *w, uint64_t features)
{
    w->offloads = features;
}

static int wire_set_pairs(struct rv_instance *host, struct rv_net *w, uint32_t pairs)
{
    if (!w->pairs_error)
        w->pairs = pairs;
    return w->pairs_error;
}

static void wire_close(struct rv_instance *host, struct rv_net *w)
{
    assert_ptr_equal(w, wire);
    free(wire);
    wire = NULL;
}

static const struct rv_net_info *wire_info(struct rv_instance *host, struct rv_net *w)
{
    return &w->info;
}

static int wire_open(struct rv_instance *host, const struct rv_net_options *options,
                     struct rv_net **net)
{
    assert_int_equal(options->size, sizeof(*options));
    assert_int_equal(options->callbacks->size, sizeof(*options->callbacks));
    wire = calloc(1, sizeof(*wire));
    wire->callbacks = *options->callbacks;
    wire->opaque = options->opaque;
    wire->info = (struct rv_net_info){.size = sizeof(wire->info),
                                      .pairs = options->pairs < 2 ? options->pairs : 2,
                                      .features = wire_features,
                                      .link = 1,
                                      .name = "wire"};
    *net = wire;
    return 0;
}

static void wire_init(struct rv_vmm_ops *ops)
{
    ops->net_open = wire_open;
    ops->net_info = wire_info;
    ops->net_send = wire_send;
    ops->net_receive = wire_receive;
    ops->net_want = wire_want;
    ops->net_set_offloads = wire_set_offloads;
    ops->net_set_pairs = wire_set_pairs;
    ops->net_close = wire_close;
}

/*
 * The driver
 */

#define F(name) VIRTIO_FEATURE(VIRTIO_NET_F_##name)
#define PACKED  VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)
#define OFFLOADS                                                                           \
    (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN) | F(GUEST_CSUM) | F(GUEST_TSO4) | \
     F(GUEST_TSO6) | F(GUEST_ECN) | F(GUEST_USO4) | F(GUEST_USO6) | F(HOST_USO))

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[QUEUES];
};

static const struct plugin_host_property usual[] = {
    {"backend", "tap"}, {"mac", "52:54:00:12:34:56"}, {0}};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    driver_world_init(&f->world);
    plugin_host_init(&f->host, f->world.ram, DRIVER_RAM_BASE, DRIVER_RAM_SIZE);
    wire_init(&f->host.ops);
    f->host.properties = usual;
    wire_features = OFFLOADS;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    plugin_host_stop(&f->host);
    plugin_host_free(&f->host);
    driver_world_destroy(&f->world);
    assert_null(wire);
    free(f);
    return 0;
}

static void negotiate(struct fixture *f, uint64_t features)
{
    unsigned queues = features & F(MQ) ? 5 : features & F(CTRL_VQ) ? 3 : 2;

    features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    assert_true(driver_negotiate(plugin_host_mmio(&f->host), features));
    for (unsigned i = 0; i < queues; i++) {
        driver_queue_init(&f->q[i], &f->world, i, 64, features);
        assert_true(driver_queue_enable(plugin_host_mmio(&f->host), &f->q[i]));
    }
    driver_ok(plugin_host_mmio(&f->host));
}

static void start(struct fixture *f, uint64_t features)
{
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    negotiate(f, features);
}

static void kick(struct fixture *f, unsigned q)
{
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x050, 4, q, NULL), 0);
}

static void *buffer(struct fixture *f, unsigned q, unsigned n)
{
    return driver_at(&f->world, BUFFER(q, n));
}

static void add(struct fixture *f, unsigned q, unsigned n, uint32_t len, bool write)
{
    struct driver_seg seg = {BUFFER(q, n), len, write};

    assert_true(driver_add(&f->q[q], &seg, 1, false, (void *)(uintptr_t)(n + 1)));
}

static void give_buffers(struct fixture *f, unsigned q, unsigned count, uint32_t len)
{
    for (unsigned n = 0; n < count; n++)
        add(f, q, n, len, true);
    kick(f, q);
}

/* A frame of `len` bytes without its header comes. */
static void comes(struct fixture *f, size_t len)
{
    for (size_t i = 0; i < HEADER + len; i++)
        wire->in[wire->nr_in].bytes[i] = i < HEADER ? 0 : (uint8_t)(i * 7);
    wire->in[wire->nr_in++].len = HEADER + len;
    wire->callbacks.readable(wire->opaque, 0);
}

/* Sends a frame whose header is `h`. */
static void send(struct fixture *f, const struct virtio_net_hdr *h, uint32_t len)
{
    uint8_t *bytes = buffer(f, 1, 0);
    uint32_t got;

    memset(bytes, 0x5a, HEADER + len);
    memset(bytes, 0, HEADER);
    if (h)
        memcpy(bytes, h, sizeof(*h));
    add(f, 1, 0, HEADER + len, false);
    kick(f, 1);
    assert_non_null(driver_get(&f->q[1], &got));
    assert_int_equal(got, 0);
}

/*
 * Tests
 */

static void frames_go_both_ways_in_both_ring_formats(void **state)
{
    struct fixture *f = *state;

    for (unsigned packed = 0; packed <= 1; packed++) {
        uint32_t len = 0;

        start(f, F(MAC) | (packed ? PACKED : 0));
        send(f, NULL, 60);
        assert_int_equal(wire->sent, 1);
        assert_int_equal(wire->out_len, HEADER + 60);
        assert_int_equal(wire->out[HEADER + 59], 0x5a);
        give_buffers(f, 0, 4, 1530);
        comes(f, 100);
        assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
        assert_int_equal(len, HEADER + 100);
        assert_int_equal(((uint8_t *)buffer(f, 0, 0))[HEADER + 50], (uint8_t)((HEADER + 50) * 7));
        assert_int_equal(((uint8_t *)buffer(f, 0, 0))[10], 1); /* num_buffers */
        assert_int_equal(plugin_host_counter(&f->host, "received"), 1);
        plugin_host_stop(&f->host);
    }
}

static void a_large_frame_takes_as_many_merged_buffers_as_it_needs(void **state)
{
    struct fixture *f = *state;
    const struct virtio_net_hdr_mrg_rxbuf *header = buffer(f, 0, 0);
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(GUEST_CSUM) | F(GUEST_TSO4));
    assert_int_equal(wire->offloads, F(GUEST_CSUM) | F(GUEST_TSO4));
    give_buffers(f, 0, 48, 1536);
    assert_true(wire->want[0]);
    comes(f, 5000);
    assert_int_equal(header->num_buffers, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), i + 1);
        assert_int_equal(len, i < 3 ? 1536 : HEADER + 5000 - 3 * 1536);
    }
    assert_null(driver_get(&f->q[0], &len));
    assert_int_equal(((uint8_t *)buffer(f, 0, 2))[77], (uint8_t)((2 * 1536 + 77) * 7));
}

/* A frame of 64 KiB, and room for less than that: it comes when there is room. */
static void a_frame_waits_for_buffers_and_is_not_lost(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(GUEST_CSUM) | F(GUEST_TSO4));
    give_buffers(f, 0, 4, 1536);
    comes(f, 8000);
    assert_null(driver_get(&f->q[0], &len));
    assert_false(wire->want[0]); /* it would only pile up */
    for (unsigned n = 4; n < 6; n++)
        add(f, 0, n, 1536, true);
    kick(f, 0);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), i + 1);
    assert_int_equal(len, HEADER + 8000 - 5 * 1536);
    assert_int_equal(((uint8_t *)buffer(f, 0, 5))[3], (uint8_t)((5 * 1536 + 3) * 7));
}

/* Without segmentation only the MTU is a bound, and the driver may set its own. */
static void a_frame_longer_than_usual_takes_more_buffers(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF));
    give_buffers(f, 0, 3, 1536);
    comes(f, 5000);
    assert_null(driver_get(&f->q[0], &len)); /* the fourth is missing */
    assert_false(wire->want[0]);
    add(f, 0, 3, 1536, true);
    kick(f, 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), i + 1);
        assert_int_equal(len, i < 3 ? 1536 : HEADER + 5000 - 3 * 1536);
        for (unsigned at = i ? 0 : HEADER; at < len; at++)
            assert_int_equal(((uint8_t *)buffer(f, 0, i))[at], (uint8_t)((i * 1536 + at) * 7));
    }
    assert_int_equal(((struct virtio_net_hdr_mrg_rxbuf *)buffer(f, 0, 0))->num_buffers, 4);
    assert_int_equal(plugin_host_counter(&f->host, "dropped"), 0);
}

/* Its beginning was in buffers that are the driver's again. */
static void a_frame_that_waits_is_gone_after_a_reset(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF));
    give_buffers(f, 0, 2, 1536);
    comes(f, 5000);
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL);
    negotiate(f, F(MRG_RXBUF));
    give_buffers(f, 0, 8, 1536);
    assert_null(driver_get(&f->q[0], &len));
    comes(f, 100);
    assert_non_null(driver_get(&f->q[0], &len));
    assert_int_equal(len, HEADER + 100);
}

static void frames_that_can_never_fit_are_dropped_and_counted(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, 0); /* no merging */
    give_buffers(f, 0, 2, 600);
    comes(f, 1000);
    assert_null(driver_get(&f->q[0], &len));
    assert_int_equal(plugin_host_counter(&f->host, "dropped"), 1);
    comes(f, 500);
    assert_non_null(driver_get(&f->q[0], &len));
    assert_int_equal(len, HEADER + 500);
}

static void without_buffers_nothing_is_asked_for(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    kick(f, 0);
    assert_false(wire->want[0]);
    wire->nr_in = 0;
    give_buffers(f, 0, 1, 1530);
    assert_true(wire->want[0]);
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0,
                                      NULL); /* the driver resets the device */
    wire->callbacks.readable(wire->opaque, 0);
    assert_false(wire->want[0]);
}

static void headers_that_lie_are_dropped(void **state)
{
    enum { CSUM = VIRTIO_NET_HDR_F_NEEDS_CSUM, TCP4 = VIRTIO_NET_HDR_GSO_TCPV4 };
    static const struct {
        struct virtio_net_hdr h;
        uint32_t len;
        bool sent;
    } cases[] = {
        {{.flags = CSUM, .csum_start = 34, .csum_offset = 16}, 60, true},
        {{.flags = CSUM, .csum_start = 34, .csum_offset = 24}, 60, true},
        {{.flags = CSUM, .csum_start = 34, .csum_offset = 25},
         60,
         false}, /* its last byte is out */
        {{.flags = CSUM, .csum_start = 65535, .csum_offset = 65535}, 60, false},
        {{.flags = CSUM,
          .gso_type = TCP4,
          .gso_size = 1448,
          .hdr_len = 54,
          .csum_start = 34,
          .csum_offset = 16},
         5000,
         true},
        {{.gso_type = TCP4, .gso_size = 1448, .hdr_len = 54}, 5000, false}, /* no checksum */
        {{.flags = CSUM, .gso_type = TCP4, .hdr_len = 54, .csum_start = 34, .csum_offset = 16},
         5000,
         false}, /* segments of nothing */
        {{.flags = CSUM,
          .gso_type = TCP4,
          .gso_size = 1,
          .hdr_len = 5001,
          .csum_start = 34,
          .csum_offset = 16},
         5000,
         false},
        {{.flags = CSUM,
          .gso_type = VIRTIO_NET_HDR_GSO_UDP,
          .gso_size = 1448,
          .csum_start = 34,
          .csum_offset = 6},
         5000,
         false}, /* not offered */
        {{.flags = CSUM, .gso_type = 0x77, .gso_size = 1448, .csum_start = 34, .csum_offset = 6},
         5000,
         false},
        {{.gso_type = VIRTIO_NET_HDR_GSO_ECN}, 60, false},
        {{.flags = CSUM,
          .gso_type = TCP4 | VIRTIO_NET_HDR_GSO_ECN,
          .gso_size = 1448,
          .hdr_len = 54,
          .csum_start = 34,
          .csum_offset = 16},
         5000,
         true},
    };
    struct fixture *f = *state;
    unsigned sent = 0;

    start(f, F(CSUM) | F(HOST_TSO4) | F(HOST_ECN));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        send(f, &cases[i].h, cases[i].len);
        sent += cases[i].sent;
        if (wire->sent != sent)
            fail_msg("case %zu", i);
    }
    assert_int_equal(plugin_host_counter(&f->host, "dropped"),
                     sizeof(cases) / sizeof(cases[0]) - sent);
}

static void segmentation_of_udp_needs_its_feature(void **state)
{
    static const struct virtio_net_hdr udp = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                              .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
                                              .gso_size = 1400,
                                              .hdr_len = 42,
                                              .csum_start = 34,
                                              .csum_offset = 6};
    struct virtio_net_hdr ecn = udp;
    struct fixture *f = *state;

    start(f, F(CSUM));
    send(f, &udp, 5000);
    assert_int_equal(wire->sent, 0);
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL);
    negotiate(f, F(CSUM) | F(HOST_USO) | F(HOST_ECN) | F(HOST_TSO4));
    send(f, &udp, 5000);
    assert_int_equal(wire->sent, 1);
    ecn.gso_type |= VIRTIO_NET_HDR_GSO_ECN; /* of TCP only */
    send(f, &ecn, 5000);
    assert_int_equal(wire->sent, 1);
}

/* What was not negotiated may not be asked for either. */
static void offloads_need_their_features(void **state)
{
    static const struct virtio_net_hdr csum = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
    struct fixture *f = *state;

    start(f, 0);
    send(f, &csum, 60);
    assert_int_equal(wire->sent, 0);
}

static void frames_of_impossible_lengths_are_dropped(void **state)
{
    struct fixture *f = *state;
    struct driver_seg segs[16];
    uint32_t len;

    start(f, F(CSUM));
    for (uint32_t size = 1; size < HEADER + RV_NET_FRAME_MIN; size++) {
        add(f, 1, 0, size, false);
        kick(f, 1);
        assert_non_null(driver_get(&f->q[1], &len));
    }
    assert_int_equal(wire->sent, 0);
    for (unsigned i = 0; i < 16; i++)
        segs[i] = (struct driver_seg){BUFFER(1, i), 0x1200, false};
    assert_true(driver_add(&f->q[1], segs, 16, false, f));
    kick(f, 1);
    assert_non_null(driver_get(&f->q[1], &len));
    assert_int_equal(wire->sent, 0);
    assert_int_equal(plugin_host_counter(&f->host, "dropped"), HEADER + RV_NET_FRAME_MIN);
    send(f, NULL, RV_NET_FRAME_MIN);
    assert_int_equal(wire->sent, 1);
}

static void a_full_back_end_keeps_the_frame_and_the_order(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, 0);
    wire->full = true;
    for (unsigned n = 0; n < 3; n++) {
        memset(buffer(f, 1, n), 0, HEADER);
        add(f, 1, n, HEADER + 60 + n, false);
    }
    kick(f, 1);
    kick(f, 1);
    assert_null(driver_get(&f->q[1], &len));
    wire->full = false;
    wire->callbacks.writable(wire->opaque, 0);
    assert_int_equal(wire->sent, 3);
    assert_int_equal(wire->out_len, HEADER + 62);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), n + 1);
}

static void receive_buffers_without_room_for_a_header_break_the_device(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    f->host.quiet = true;
    give_buffers(f, 0, 1, HEADER - 1);
    comes(f, 100);
    assert_true(driver_read(plugin_host_mmio(&f->host), 0x070) & VIRTIO_CONFIG_S_NEEDS_RESET);
    assert_int_equal(f->host.warnings, 1);
}

static uint8_t control(struct fixture *f, unsigned queue, uint8_t class, uint8_t command,
                       const void *data, uint32_t size)
{
    uint8_t *out = buffer(f, queue, 0), *ack = buffer(f, queue, 1);
    struct driver_seg segs[2] = {{BUFFER(queue, 0), 2 + size, false}, {BUFFER(queue, 1), 1, true}};
    uint32_t len;

    out[0] = class;
    out[1] = command;
    if (size)
        memcpy(out + 2, data, size);
    *ack = 0xee;
    assert_true(driver_add(&f->q[queue], segs, 2, false, f));
    kick(f, queue);
    assert_ptr_equal(driver_get(&f->q[queue], &len), f);
    assert_int_equal(len, 1);
    return *ack;
}

static void control_queue_does_what_was_negotiated_and_no_more(void **state)
{
    static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
    static const struct plugin_host_property two[] = {
        {"backend", "tap"}, {"queues", "2"}, {"mac", "52:54:00:12:34:56"}, {"mtu", "9000"}, {0}};
    struct fixture *f = *state;
    uint16_t pairs = 2;
    uint64_t offloads = F(GUEST_CSUM), too_many = F(GUEST_CSUM) | F(GUEST_TSO6);
    uint64_t value = 0;

    f->host.properties = two;
    start(f, F(CTRL_VQ) | F(MQ) | F(CTRL_MAC_ADDR) | F(CTRL_GUEST_OFFLOADS) | F(GUEST_CSUM) |
                 F(GUEST_TSO4) | F(MTU));
    ringvisor_device.regions[0].read(f->host.device, 0x100 + 8, 2, &value, NULL);
    assert_int_equal(value, 2);
    ringvisor_device.regions[0].read(f->host.device, 0x100 + 10, 2, &value, NULL);
    assert_int_equal(value, 9000);
    assert_int_equal(control(f, 4, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2),
                     VIRTIO_NET_OK);
    for (pairs = 0; pairs < 5; pairs += 3)
        assert_int_equal(
            control(f, 4, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2),
            VIRTIO_NET_ERR);
    assert_int_equal(
        control(f, 4, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, sizeof(mac)),
        VIRTIO_NET_OK);
    ringvisor_device.regions[0].read(f->host.device, 0x100 + 4, 1, &value, NULL);
    assert_int_equal(value, 2);
    assert_int_equal(control(f, 4, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 5),
                     VIRTIO_NET_ERR);
    assert_int_equal(control(f, 4, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
                             VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &offloads, 8),
                     VIRTIO_NET_OK);
    assert_int_equal(wire->offloads, offloads);
    assert_int_equal(control(f, 4, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
                             VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &too_many, 8),
                     VIRTIO_NET_ERR);
    assert_int_equal(control(f, 4, VIRTIO_NET_CTRL_RX, 0, "\1", 1), VIRTIO_NET_ERR);
    assert_int_equal(control(f, 4, 0xff, 0xff, NULL, 0), VIRTIO_NET_ERR);
    /* The reset gives back what the device began with. */
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL);
    ringvisor_device.regions[0].read(f->host.device, 0x100 + 4, 1, &value, NULL);
    assert_int_equal(value, 0x34);
}

static void the_back_end_knows_which_pairs_are_in_use(void **state)
{
    static const struct plugin_host_property two[] = {{"backend", "tap"}, {"queues", "2"}, {0}};
    struct fixture *f = *state;
    uint16_t pairs = 2;

    f->host.properties = two;
    start(f, F(CTRL_VQ) | F(MQ));
    assert_int_equal(wire->pairs, 1);
    assert_int_equal(control(f, 4, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2),
                     VIRTIO_NET_OK);
    assert_int_equal(wire->pairs, 2);
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    assert_int_equal(wire->pairs, 2);
    pairs = 1;
    wire->pairs_error = -EINVAL;
    assert_int_equal(control(f, 4, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2),
                     VIRTIO_NET_ERR);
    wire->pairs_error = 0;
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL);
    assert_int_equal(wire->pairs, 1);
}

static void a_link_that_goes_down_is_told(void **state)
{
    struct fixture *f = *state;
    uint64_t value;

    start(f, F(STATUS));
    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    assert_int_equal(value, 1);
    wire->callbacks.link(wire->opaque, false);
    wire->callbacks.link(wire->opaque, false);
    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    assert_int_equal(value, 0);
    assert_int_equal(driver_read(plugin_host_mmio(&f->host), 0x060), 2);
}

static void the_link_is_back_with_another_vmm(void **state)
{
    struct fixture *f = *state;
    uint64_t value;

    start(f, F(STATUS));
    wire->callbacks.link(wire->opaque, false);
    ringvisor_device.regions[0].write(f->host.device, 0x064, 4, 2, NULL);
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    plugin_host_turn(&f->host, 1);
    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    assert_int_equal(value, 1);
    assert_true(driver_read(plugin_host_mmio(&f->host), 0x060) & 2);
}

static bool link_is_up(struct fixture *f)
{
    uint64_t value = 0;

    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    return value & VIRTIO_NET_S_LINK_UP;
}

/* Has the driver been told of another configuration since the last time? */
static bool was_told(struct fixture *f)
{
    bool told = driver_read(plugin_host_mmio(&f->host), 0x060) & 2;

    ringvisor_device.regions[0].write(f->host.device, 0x064, 4, 3, NULL);
    return told;
}

static void the_user_switches_the_link(void **state)
{
    struct fixture *f = *state;

    start(f, F(STATUS));
    assert_string_equal(plugin_host_show(&f->host, "link"), "up");
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_false(link_is_up(f));
    assert_true(was_told(f));
    assert_string_equal(plugin_host_show(&f->host, "link"), "down");
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_false(was_told(f)); /* it was down */
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL);
    negotiate(f, F(STATUS));
    assert_false(link_is_up(f)); /* the driver's reset does not plug it in */
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_true(link_is_up(f));
    assert_true(was_told(f));
    assert_int_equal(plugin_host_change(&f->host, "mtu", "1500"), -EPERM);
}

static void the_link_is_up_if_the_user_and_the_back_end_have_it_so(void **state)
{
    struct fixture *f = *state;

    start(f, F(STATUS));
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_true(was_told(f));
    wire->callbacks.link(wire->opaque, false);
    assert_false(was_told(f)); /* there is no difference for the driver */
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_false(link_is_up(f));
    assert_false(was_told(f));
    wire->callbacks.link(wire->opaque, true);
    assert_true(link_is_up(f));
    assert_true(was_told(f));
}

static void frames_are_dropped_while_the_link_is_down(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    give_buffers(f, 0, 4, 1536);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    comes(f, 100);
    comes(f, 200);
    assert_int_equal(wire->nr_in, 0); /* they do not wait until it is up */
    assert_true(wire->want[0]);
    assert_null(driver_get(&f->q[0], &len));
    send(f, NULL, 60);
    assert_int_equal(wire->sent, 0);
    assert_int_equal(plugin_host_counter(&f->host, "dropped"), 3);
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    comes(f, 300);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal(len, HEADER + 300);
    send(f, NULL, 60);
    assert_int_equal(wire->sent, 1);
}

/* Without a buffer of the guest's they would wait, and come in a burst later. */
static void frames_are_dropped_without_buffers_too(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    comes(f, 100);
    assert_int_equal(wire->nr_in, 1);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_int_equal(wire->nr_in, 0);
    assert_true(wire->want[0]);
    comes(f, 100);
    assert_int_equal(wire->nr_in, 0);
    give_buffers(f, 0, 2, 1536);
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_null(driver_get(&f->q[0], &len));
    comes(f, 300);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal(len, HEADER + 300);
}

/* One that waits for more buffers, and one that the back end has not taken. */
static void frames_that_wait_are_dropped_when_the_link_goes_down(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    give_buffers(f, 0, 2, 1536);
    comes(f, 5000);
    wire->full = true;
    memset(buffer(f, 1, 0), 0, HEADER);
    add(f, 1, 0, HEADER + 60, false);
    kick(f, 1);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), 1);
    assert_int_equal(plugin_host_counter(&f->host, "dropped"), 2);
    wire->full = false;
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_int_equal(wire->sent, 0);
    comes(f, 300);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal(len, HEADER + 300);
    for (unsigned at = HEADER; at < len; at++)
        assert_int_equal(((uint8_t *)buffer(f, 0, 0))[at], (uint8_t)(at * 7));
}

static void the_link_may_be_down_from_the_start_and_stays_so_with_another_vmm(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "link", "down");
    start(f, F(STATUS));
    assert_false(link_is_up(f));
    wire->callbacks.link(wire->opaque, false);
    plugin_host_stop(&f->host);
    plugin_host_set(&f->host, "link", NULL); /* only the beginning is the property's */
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    was_told(f);
    plugin_host_turn(&f->host, 1);
    assert_false(was_told(f)); /* the new back end is up, but the user's word holds */
    assert_false(link_is_up(f));
    assert_string_equal(plugin_host_show(&f->host, "link"), "down");
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_true(link_is_up(f));
    assert_true(was_told(f));
}

/* ringvisor/device.h, "Quiet": no interrupt and no guest memory before resume(). */
static void a_quiet_card_tells_of_the_link_when_it_goes_on(void **state)
{
    struct fixture *f = *state;
    unsigned rises;
    uint64_t dirty;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    wire->full = true;
    memset(buffer(f, 1, 0), 0, HEADER);
    add(f, 1, 0, HEADER + 60, false);
    kick(f, 1);
    rises = f->host.rises;
    dirty = f->host.dirty_bytes;
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_int_equal(f->host.rises, rises);
    assert_int_equal(f->host.dirty_bytes, dirty);
    ringvisor_device.resume(f->host.device);
    assert_true(f->host.rises > rises);
    assert_true(was_told(f));
    assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), 1);
    assert_int_equal(wire->sent, 0);
}

static void a_card_that_is_taken_over_is_quiet_until_it_goes_on(void **state)
{
    uint8_t *before = malloc(DRIVER_RAM_SIZE);
    struct fixture *f = *state;
    unsigned rises;

    start(f, F(MRG_RXBUF) | F(STATUS));
    give_buffers(f, 0, 2, 1536);
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_create(&f->host, RV_CREATE_RESUME), 0);
    rises = f->host.rises;
    memcpy(before, f->world.ram, DRIVER_RAM_SIZE);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_memory_equal(before, f->world.ram, DRIVER_RAM_SIZE);
    assert_int_equal(f->host.rises, rises);
    ringvisor_device.resume(f->host.device);
    assert_true(was_told(f));
    assert_true(wire->want[0]); /* what comes is dropped */
    free(before);
}

/* Buffers that an earlier vmm held are filled by this one; a frame that it sent is not sent again. */
static void another_vmm_goes_on(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(GUEST_CSUM) | F(GUEST_TSO4));
    give_buffers(f, 0, 48, 1536);
    wire->full = true;
    memset(buffer(f, 1, 0), 0, HEADER);
    add(f, 1, 0, HEADER + 60, false);
    kick(f, 1);
    plugin_host_stop(&f->host); /* without a word */
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    assert_int_equal(wire->offloads, F(GUEST_CSUM) | F(GUEST_TSO4));
    assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), 1);
    comes(f, 2000);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 2);
    assert_int_equal(len, HEADER + 2000 - 1536);
}

static void wrong_properties_are_refused(void **state)
{
    static const struct plugin_host_property cases[][4] = {
        {{"backend", "tap"}, {"mac", "52:54:00:12:34"}},
        {{"backend", "tap"}, {"mac", "53:54:00:12:34:56"}}, /* multicast */
        {{"backend", "tap"}, {"mac", "52-54-00-12-34-56"}},
        {{"backend", "tap"}, {"mac", "52:54:00:12:34:567"}},
        {{"backend", "tap"}, {"queue-size", "100"}},
        {{"backend", "tap"}, {"mtu", "67"}},
        {{"backend", "tap"}, {"queues", "3"}}, /* the back end has two */
    };
    struct fixture *f = *state;

    f->host.quiet = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->host.properties = cases[i];
        f->host.errors = 0;
        assert_int_not_equal(plugin_host_start(&f->host, 0), 0);
        assert_int_equal(f->host.errors, 1);
    }
}

static void features_without_what_they_need_are_refused(void **state)
{
    static const uint64_t wrong[] = {F(GUEST_TSO4),
                                     F(HOST_TSO6),
                                     F(CSUM) | F(HOST_ECN),
                                     F(CTRL_MAC_ADDR),
                                     F(GUEST_CSUM) | F(GUEST_ECN),
                                     F(HOST_USO),
                                     F(GUEST_USO4),
                                     F(GUEST_USO6)};
    struct fixture *f = *state;

    f->host.quiet = true;
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(driver_negotiate(plugin_host_mmio(&f->host),
                                      wrong[i] | VIRTIO_FEATURE(VIRTIO_F_VERSION_1)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_go_both_ways_in_both_ring_formats),
        TEST(a_large_frame_takes_as_many_merged_buffers_as_it_needs),
        TEST(a_frame_waits_for_buffers_and_is_not_lost),
        TEST(a_frame_longer_than_usual_takes_more_buffers),
        TEST(a_frame_that_waits_is_gone_after_a_reset),
        TEST(frames_that_can_never_fit_are_dropped_and_counted),
        TEST(without_buffers_nothing_is_asked_for),
        TEST(headers_that_lie_are_dropped),
        TEST(segmentation_of_udp_needs_its_feature),
        TEST(offloads_need_their_features),
        TEST(frames_of_impossible_lengths_are_dropped),
        TEST(a_full_back_end_keeps_the_frame_and_the_order),
        TEST(receive_buffers_without_room_for_a_header_break_the_device),
        TEST(control_queue_does_what_was_negotiated_and_no_more),
        TEST(the_back_end_knows_which_pairs_are_in_use),
        TEST(a_link_that_goes_down_is_told),
        TEST(the_link_is_back_with_another_vmm),
        TEST(the_user_switches_the_link),
        TEST(the_link_is_up_if_the_user_and_the_back_end_have_it_so),
        TEST(frames_are_dropped_while_the_link_is_down),
        TEST(frames_are_dropped_without_buffers_too),
        TEST(frames_that_wait_are_dropped_when_the_link_goes_down),
        TEST(the_link_may_be_down_from_the_start_and_stays_so_with_another_vmm),
        TEST(a_quiet_card_tells_of_the_link_when_it_goes_on),
        TEST(a_card_that_is_taken_over_is_quiet_until_it_goes_on),
        TEST(another_vmm_goes_on),
        TEST(wrong_properties_are_refused),
        TEST(features_without_what_they_need_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
