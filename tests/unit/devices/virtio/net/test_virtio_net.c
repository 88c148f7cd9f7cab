/* SPDX-License-Identifier: BSD-2-Clause */
/* The network device and a driver in both ring formats: frames, features, and the control queue. */
#include "tests/unit/support/net_card_fixture.h"

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
    assert_true(driver_read(plugin_host_virtio(&f->host), 0x070) & VIRTIO_CONFIG_S_NEEDS_RESET);
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
    plugin_host_check_shown(&f->host);
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
        assert_false(driver_negotiate(plugin_host_virtio(&f->host),
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
        TEST(another_vmm_goes_on),
        TEST(wrong_properties_are_refused),
        TEST(features_without_what_they_need_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
