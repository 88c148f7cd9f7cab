/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the user network that libslirp has nothing to do with. */
#include <arpa/inet.h>
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/virtio/net/hostfwd.h"
#include "devices/virtio/net/net_backend.h"
#include "devices/virtio/net/net_checksum.h"
#include "devices/virtio/net/net_frames.h"
#include "devices/virtio/net/user_guard.h"
#include "devices/virtio/net/user_options.h"
#include "devices/virtio/net/user_segment.h"

#define SECOND UINT64_C(1000000000)

static void frames_come_out_as_they_went_in_round_and_round(void **state)
{
    struct net_frames frames;
    uint8_t bytes[300];
    unsigned in = 0, out = 0;
    size_t len;

    (void)state;
    assert_int_equal(net_frames_init(&frames, 1000), 0);
    while (out < 2000) {
        memset(bytes, (int)in, sizeof(bytes));
        if (net_frames_push(&frames, bytes, 14 + in % 280)) {
            in++;
            continue;
        }
        for (unsigned n = 0; n < 1 + out % 3 && out < in; n++, out++) {
            const uint8_t *frame = net_frames_peek(&frames, &len);

            assert_non_null(frame);
            assert_int_equal(len, 14 + out % 280);
            assert_int_equal(frame[0], out & 0xff);
            assert_int_equal(frame[len - 1], out & 0xff);
            net_frames_pop(&frames);
        }
    }
    for (; out < in; out++)
        net_frames_pop(&frames);
    assert_null(net_frames_peek(&frames, &len));
    assert_int_equal(frames.used, 0);
    assert_false(net_frames_push(&frames, bytes, 1001));
    net_frames_free(&frames);
}

/* RFC 1071's own example, in network order: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
static void a_checksum_is_completed(void **state)
{
    uint8_t frame[] = {0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0};

    (void)state;
    assert_true(net_checksum_complete(frame, sizeof(frame), 0, 8));
    assert_int_equal(frame[8] << 8 | frame[9], 0x220d);
    frame[8] = frame[9] = 0;
    assert_true(net_checksum_complete(frame, 9, 0, 6) == true);
    assert_false(net_checksum_complete(frame, sizeof(frame), 0, 9));
    assert_false(net_checksum_complete(frame, sizeof(frame), 11, 0));
    assert_false(net_checksum_complete(frame, sizeof(frame), 2, SIZE_MAX));
}

static size_t packet(uint8_t *frame, unsigned type, unsigned protocol, size_t len)
{
    memset(frame, 0, len);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
    frame[14] = type == 0x86dd ? 0x60 : 0x45;
    frame[type == 0x86dd ? 20 : 23] = (uint8_t)protocol;
    return len;
}

static void frames_that_are_none_do_not_pass(void **state)
{
    static const struct {
        unsigned type;
        size_t len;
        enum user_verdict verdict;
    } cases[] = {
        {0x0800, 13, USER_MALFORMED}, {0x0800, 33, USER_MALFORMED}, {0x0800, 34, USER_PASS},
        {0x86dd, 53, USER_MALFORMED}, {0x86dd, 54, USER_PASS},      {0x0806, 41, USER_MALFORMED},
        {0x0806, 42, USER_PASS},      {0x88f8, 60, USER_MALFORMED},
    };
    struct user_guard guard;
    uint8_t frame[64];

    (void)state;
    user_guard_init(&guard, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        packet(frame, cases[i].type, 6, sizeof(frame));
        assert_int_equal(user_guard_check(&guard, frame, cases[i].len, 0, 0), cases[i].verdict);
    }
    packet(frame, 0x0800, 6, sizeof(frame));
    frame[14] = 0x4f; /* a header that is longer than the frame */
    assert_int_equal(user_guard_check(&guard, frame, 60, 0, 0), USER_MALFORMED);
}

static void no_new_flow_passes_when_there_are_as_many_sockets_as_may_be(void **state)
{
    struct user_guard guard;
    uint8_t frame[64];
    size_t len;

    (void)state;
    user_guard_init(&guard, 0);
    for (unsigned six = 0; six <= 1; six++) {
        unsigned at = six ? 54 : 34;

        len = packet(frame, six ? 0x86dd : 0x0800, 6, sizeof(frame));
        if (!six) {
            frame[at + 13] = 0x02;
            assert_int_equal(user_guard_check(&guard, frame, len, guard.sockets_max, 0),
                             USER_TOO_MANY_SOCKETS);
            assert_int_equal(user_guard_check(&guard, frame, len, guard.sockets_max - 1, 0),
                             USER_PASS);
            frame[at + 13] = 0x10; /* of a connection that is there */
            assert_int_equal(user_guard_check(&guard, frame, len, guard.sockets_max, 0), USER_PASS);
        }
        len = packet(frame, six ? 0x86dd : 0x0800, 17, sizeof(frame));
        assert_int_equal(user_guard_check(&guard, frame, len, guard.sockets_max, 0),
                         USER_TOO_MANY_SOCKETS);
        frame[at + 3] = 67; /* DHCP needs none */
        assert_int_equal(user_guard_check(&guard, frame, len, guard.sockets_max, 0), USER_PASS);
    }
}

static void fragments_pass_at_a_limited_rate(void **state)
{
    struct user_guard guard;
    uint8_t frame[64];
    size_t len = packet(frame, 0x0800, 17, sizeof(frame));
    unsigned passed = 0;

    (void)state;
    frame[20] = 0x20; /* more fragments */
    user_guard_init(&guard, SECOND);
    while (user_guard_check(&guard, frame, len, 0, SECOND) == USER_PASS)
        passed++;
    assert_int_equal(passed, 512);
    for (passed = 0; user_guard_check(&guard, frame, len, 0, 2 * SECOND) == USER_PASS;)
        passed++;
    assert_int_equal(passed, 32);
    for (passed = 0; user_guard_check(&guard, frame, len, 0, 3600 * SECOND) == USER_PASS;)
        passed++;
    assert_int_equal(passed, 512);
    frame[20] = 0x40; /* "do not fragment" is none */
    assert_int_equal(user_guard_check(&guard, frame, len, 0, 3600 * SECOND), USER_PASS);
}

static void a_syn_says_that_large_segments_are_taken(void **state)
{
    uint8_t frame[64] = {0};

    (void)state;
    frame[34 + 12] = 0x70; /* 28 bytes of header: NOP, NOP, something, MSS */
    frame[34 + 13] = 0x02;
    memcpy(frame + 54, (const uint8_t[]){1, 1, 2, 4, 0x05, 0xb4, 0, 0}, 8);
    user_segment_syn(frame, 62, 34, 6); /* not TCP's place for a checksum */
    assert_int_equal(frame[58], 0x05);
    user_segment_syn(frame, 58, 34, 16); /* cut short */
    assert_int_equal(frame[58], 0x05);
    user_segment_syn(frame, 62, 34, 16);
    assert_int_equal(frame[58] << 8 | frame[59], USER_MTU - 60);
    frame[57] = 40; /* an option that is longer than the header */
    frame[58] = 0;
    user_segment_syn(frame, 62, 34, 16);
    assert_int_equal(frame[58], 0);
    frame[57] = 0; /* or of no length */
    user_segment_syn(frame, 62, 34, 16);
    assert_int_equal(frame[58], 0);
}

static void a_large_segment_is_announced_with_a_checksum_to_complete(void **state)
{
    struct virtio_net_hdr_mrg_rxbuf header = {0};
    uint8_t *frame = calloc(1, 4000);
    uint8_t whole[12];

    (void)state;
    packet(frame, 0x0800, 6, 4000);
    memcpy(frame + 26, (const uint8_t[]){10, 0, 2, 2, 10, 0, 2, 15}, 8);
    frame[34 + 12] = 0x50;
    memset(frame + 54, 0x5a, 4000 - 54);
    user_segment_header(frame, 4000, false, &header);
    assert_int_equal(header.hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
    assert_int_equal(header.hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
    user_segment_header(frame, 4000, true, &header);
    assert_int_equal(header.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(header.hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    assert_int_equal(le16toh(header.hdr.csum_start), 34);
    assert_int_equal(le16toh(header.hdr.hdr_len), 54);
    /* The pseudo header: 0a00+0202+0a00+020f+0006+0f7e. */
    memcpy(whole, frame + 34 + 16, 2);
    assert_int_equal(whole[0] << 8 | whole[1], 0x2795);
    free(frame);
}

static void networks_are_read_and_checked(void **state)
{
    static const char *const wrong[][2] = {
        {"10.0.2.0", NULL},
        {"10.0.2.0/28", NULL},
        {"10.0.2.0/7", NULL},
        {"10.0.2/24", NULL},
        {"10.0.2.0/24x", NULL},
        {"/24", NULL},
        {"", NULL},
        {"10.0.2.0/24", "10.0.3.3"},
        {"10.0.2.0/24", "10.0.2.2"},
        {"10.0.2.0/24", "10.0.2"},
        {"10.0.2.0/24", "10.0.2.255"},
        {"10.0.2.0/24", "10.0.2.0"},
        {"1111.1111.1111.1111/24", NULL},
    };
    struct user_network network;
    char error[160];

    (void)state;
    assert_int_equal(user_options_network("192.168.5.7/24", NULL, &network, error, 160), 0);
    assert_int_equal(ntohl(network.net.s_addr), 0xc0a80500);
    assert_int_equal(ntohl(network.host.s_addr), 0xc0a80502);
    assert_int_equal(ntohl(network.dns.s_addr), 0xc0a80503);
    assert_int_equal(ntohl(network.dhcp.s_addr), 0xc0a8050f);
    assert_int_equal(user_options_network("10.0.0.0/8", "10.9.9.9", &network, error, 160), 0);
    assert_int_equal(ntohl(network.dns.s_addr), 0x0a090909);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        error[0] = '\0';
        assert_true(user_options_network(wrong[i][0], wrong[i][1], &network, error, 160) < 0);
        assert_int_not_equal(error[0], '\0');
    }
}

static void forwards_are_read_and_checked(void **state)
{
    static const char *const wrong[] = {
        "",           "tcp",           "tcp:",    "tcp::0-:22",         "tcp::65536-:22",
        "tcp::22-22", "sctp::22-:22",  "tcp::22", "tcp:localhost:2-:3", "tcp::+2-:3",
        "tcp::2-:3x", "tcp::2-10.0:3",
    };
    struct hostfwd fwd;

    (void)state;
    assert_int_equal(hostfwd_parse("udp:127.0.0.1:53-10.0.2.15:5353;tcp::1-:2", &fwd), 31);
    assert_int_equal(hostfwd_parse("udp:127.0.0.1:53-10.0.2.15:5353+tcp::1-:2", &fwd), 31);
    assert_true(fwd.udp);
    assert_int_equal(fwd.host_port, 53);
    assert_int_equal(fwd.guest_port, 5353);
    assert_int_equal(ntohl(fwd.host.s_addr), 0x7f000001);
    assert_int_equal(ntohl(fwd.guest.s_addr), 0x0a00020f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(hostfwd_parse(wrong[i], &fwd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_as_they_went_in_round_and_round),
        cmocka_unit_test(a_checksum_is_completed),
        cmocka_unit_test(frames_that_are_none_do_not_pass),
        cmocka_unit_test(no_new_flow_passes_when_there_are_as_many_sockets_as_may_be),
        cmocka_unit_test(fragments_pass_at_a_limited_rate),
        cmocka_unit_test(a_syn_says_that_large_segments_are_taken),
        cmocka_unit_test(a_large_segment_is_announced_with_a_checksum_to_complete),
        cmocka_unit_test(networks_are_read_and_checked),
        cmocka_unit_test(forwards_are_read_and_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
