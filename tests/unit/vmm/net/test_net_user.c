/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the user network that libslirp has nothing to do with. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/net/hostfwd.h"
#include "vmm/net/net_backend.h"
#include "vmm/net/net_checksum.h"
#include "vmm/net/net_frames.h"
#include "vmm/net/user_fragment.h"
#include "vmm/net/user_guard.h"
#include "vmm/net/user_options.h"
#include "vmm/net/user_segment.h"

#define SECOND UINT64_C(1000000000)

static void frames_come_out_as_they_went_in_round_and_round(void **state)
{
    struct net_frames frames;
    uint8_t bytes[300];
    unsigned in = 0, out = 0;
    size_t len;

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
    }
}

static void fragments_pass_at_a_limited_rate(void **state)
{
    struct user_guard guard;
    uint8_t frame[64];
    size_t len = packet(frame, 0x0800, 17, sizeof(frame));
    unsigned passed = 0;

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

/* libslirp's server answers these, and any other address is a flow as all are. */
static void only_what_is_for_dhcp_s_server_needs_no_socket(void **state)
{
    static const struct {
        const char *to;
        unsigned port;
        bool fragment;
        enum user_verdict verdict;
    } cases[] = {
        {"255.255.255.255", 67, false, USER_PASS},
        {"10.0.2.2", 67, false, USER_PASS},
        {"10.0.2.2", 68, false, USER_TOO_MANY_SOCKETS},
        {"10.0.2.3", 67, false, USER_TOO_MANY_SOCKETS},
        {"192.0.2.1", 67, false, USER_TOO_MANY_SOCKETS},
        {"10.0.2.2", 67, true, USER_TOO_MANY_SOCKETS},
        {"ff02::1:2", 547, false, USER_PASS},
        {"ff02::1:2", 548, false, USER_TOO_MANY_SOCKETS},
        {"2001:db8::1", 547, false, USER_TOO_MANY_SOCKETS},
        {"2001:db8::1", 67, false, USER_TOO_MANY_SOCKETS},
    };
    struct user_guard guard;
    uint8_t frame[64];

    user_guard_init(&guard, 0);
    inet_pton(AF_INET, "10.0.2.2", &guard.host);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool six = strchr(cases[i].to, ':');
        size_t len = packet(frame, six ? 0x86dd : 0x0800, 17, sizeof(frame));
        uint8_t *payload = frame + (six ? 54 : 34);

        inet_pton(six ? AF_INET6 : AF_INET, cases[i].to, frame + (six ? 38 : 30));
        payload[2] = (uint8_t)(cases[i].port >> 8);
        payload[3] = (uint8_t)cases[i].port;
        frame[20] = cases[i].fragment ? 0x20 : frame[20];
        assert_int_equal(user_guard_check(&guard, frame, len, guard.sockets_max, 0),
                         cases[i].verdict);
        assert_int_equal(user_guard_check(&guard, frame, len, guard.sockets_max - 1, 0), USER_PASS);
    }
}

/* Put the parts of a frame together as its receiver does, and check each of them. */
static size_t reassemble(const uint8_t *frame, size_t len, size_t mtu, uint8_t *out)
{
    struct user_fragment fragment = {.id6 = 6};
    bool six = frame[14] >> 4 == 6, more;
    size_t head_len, part_len, total = 0;
    uint8_t head[USER_FRAGMENT_HEAD];
    const uint8_t *part;

    do {
        unsigned field, size;

        memset(head, 0xee, sizeof(head));
        assert_int_equal(
            user_fragment_next(&fragment, frame, len, mtu, head, &head_len, &part, &part_len), 0);
        assert_int_equal(head_len, six ? 14 + 48 : 34);
        assert_true(head_len + part_len <= 14 + mtu);
        assert_memory_equal(head, frame, 14);
        if (six) {
            field = (unsigned)head[56] << 8 | head[57];
            more = field & 1;
            field &= ~7u;
            size = ((unsigned)head[18] << 8 | head[19]) - 8;
            assert_int_equal(head[20], 44);
            assert_int_equal(head[54], 17);
            assert_int_equal(head[61], 7); /* the same in all parts */
        } else {
            field = (unsigned)head[20] << 8 | head[21];
            more = field & 0x2000;
            field = (field & 0x1fff) * 8;
            size = ((unsigned)head[16] << 8 | head[17]) - 20;
            assert_true(net_checksum_complete(head, 34, 14, 10)); /* a right one sums to 0 */
            assert_int_equal(head[24] << 8 | head[25], 0xffff);
        }
        assert_int_equal(size, part_len);
        assert_true(more || fragment.done == 0);
        assert_true(!more || part_len % 8 == 0);
        assert_int_equal(field, total);
        memcpy(out + total, part, part_len);
        total += part_len;
    } while (more);
    assert_int_equal(fragment.done, 0);
    return total;
}

static void a_packet_that_is_longer_than_the_mtu_comes_in_fragments(void **state)
{
    static const size_t mtus[] = {68, 576, 1280, 1500, 9000};
    uint8_t *frame = malloc(14 + 65535), *out = malloc(65535);

    for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
        for (size_t payload = mtus[i] - 20 + 1; payload <= 65515; payload += 1 + payload / 3) {
            packet(frame, 0x0800, 17, 14 + 20 + payload);
            for (size_t n = 0; n < payload; n++)
                frame[34 + n] = (uint8_t)(n * 7 + n / 256);
            frame[16] = (uint8_t)((20 + payload) >> 8);
            frame[17] = (uint8_t)(20 + payload);
            frame[20] = 0x40; /* "do not fragment" was for the way here */
            assert_int_equal(reassemble(frame, 34 + payload, mtus[i], out), payload);
            assert_memory_equal(out, frame + 34, payload);
        }
        for (size_t payload = mtus[i] - 40 + 1; payload <= 65495; payload += 1 + payload / 3) {
            packet(frame, 0x86dd, 17, 14 + 40 + payload);
            memset(frame + 54, 0x33, payload);
            frame[54] = 1;
            frame[18] = (uint8_t)(payload >> 8);
            frame[19] = (uint8_t)payload;
            assert_int_equal(reassemble(frame, 54 + payload, mtus[i], out), payload);
            assert_memory_equal(out, frame + 54, payload);
        }
    }
    free(frame);
    free(out);
}

/* libslirp cuts what is longer than its own MTU: the last part of that is not the last. */
static void a_fragment_is_cut_into_fragments_of_the_same_packet(void **state)
{
    struct user_fragment fragment = {0};
    uint8_t frame[14 + 20 + 1600], head[USER_FRAGMENT_HEAD];
    size_t head_len, part_len;
    const uint8_t *part;

    packet(frame, 0x0800, 17, sizeof(frame));
    frame[16] = 1620 >> 8;
    frame[17] = 1620 & 0xff;
    frame[20] = 0x20 | 0x01; /* more, and at 0x100 * 8 */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(user_fragment_next(&fragment, frame, sizeof(frame), 1500, head, &head_len,
                                            &part, &part_len),
                         0);
        assert_int_equal(part_len, i ? 120 : 1480);
        assert_int_equal(head[20] << 8 | head[21], 0x2100 + (i ? 1480 / 8 : 0));
    }
    assert_int_equal(fragment.done, 0);
}

static void what_cannot_be_cut_is_refused(void **state)
{
    struct user_fragment fragment = {0};
    uint8_t frame[2000], head[USER_FRAGMENT_HEAD];
    size_t head_len, part_len;
    const uint8_t *part;

    packet(frame, 0x0806, 0, sizeof(frame)); /* not IP */
    assert_int_equal(user_fragment_next(&fragment, frame, sizeof(frame), 1500, head, &head_len,
                                        &part, &part_len),
                     -EINVAL);
    packet(frame, 0x0800, 17, sizeof(frame)); /* a length that is not the frame's */
    frame[16] = 0x10;
    assert_int_equal(user_fragment_next(&fragment, frame, sizeof(frame), 1500, head, &head_len,
                                        &part, &part_len),
                     -EINVAL);
    packet(frame, 0x86dd, 17, sizeof(frame));
    frame[18] = 0x10;
    assert_int_equal(user_fragment_next(&fragment, frame, sizeof(frame), 1500, head, &head_len,
                                        &part, &part_len),
                     -EINVAL);
    assert_int_equal(fragment.done, 0);
}

static void a_syn_says_that_large_segments_are_taken(void **state)
{
    uint8_t frame[64] = {0};

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

    packet(frame, 0x0800, 6, 4000);
    memcpy(frame + 26, (const uint8_t[]){10, 0, 2, 2, 10, 0, 2, 15}, 8);
    frame[34 + 12] = 0x50;
    memset(frame + 54, 0x5a, 4000 - 54);
    user_segment_header(frame, 4000, 1500, false, &header);
    assert_int_equal(header.hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
    assert_int_equal(header.hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
    user_segment_header(frame, 4000, 1500, true, &header);
    assert_int_equal(header.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(header.hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    assert_int_equal(le16toh(header.hdr.csum_start), 34);
    assert_int_equal(le16toh(header.hdr.hdr_len), 54);
    assert_int_equal(le16toh(header.hdr.gso_size), 1448);
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
        "",
        "tcp",
        "tcp:",
        "tcp::0-:22",
        "tcp::65536-:22",
        "tcp::22-22",
        "sctp::22-:22",
        "tcp::22",
        "tcp:localhost:2-:3",
        "tcp::+2-:3",
        "tcp::2-:3x",
        "tcp::2-10.0:3",
        "tcp:[::1:2-:3",
        "tcp:[::1]2-:3",
        "tcp:[]:2-:3",
        "tcp:[127.0.0.1]:2-:3",
        "tcp:::1:2-:3",
        "tcp:[::1]:2-10.0.2.15:3",
        "tcp:127.0.0.1:2-[fec0::15]:3",
        "tcp:[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]:2-:3",
    };
    struct hostfwd fwd;

    assert_int_equal(hostfwd_parse("udp:127.0.0.1:53-10.0.2.15:5353;tcp::1-:2", &fwd), 31);
    assert_int_equal(hostfwd_parse("udp:127.0.0.1:53-10.0.2.15:5353+tcp::1-:2", &fwd), 31);
    assert_true(fwd.udp);
    assert_int_equal(fwd.len, sizeof(struct sockaddr_in));
    assert_int_equal(hostfwd_port(&fwd.host), 53);
    assert_int_equal(hostfwd_port(&fwd.guest), 5353);
    assert_int_equal(fwd.host.v4.sin_family, AF_INET);
    assert_int_equal(ntohl(fwd.host.v4.sin_addr.s_addr), 0x7f000001);
    assert_int_equal(ntohl(fwd.guest.v4.sin_addr.s_addr), 0x0a00020f);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(hostfwd_parse(wrong[i], &fwd), 0);
}

static void forwards_have_ipv6_addresses_in_brackets(void **state)
{
    static const struct {
        const char *text, *host, *guest;
    } cases[] = {
        {"tcp:[::1]:8080-[fec0::15]:80", "::1", "fec0::15"},
        {"tcp:[2001:db8::7]:8080-:80", "2001:db8::7", "::"},
        {"tcp::8080-[fec0::15]:80", "::", "fec0::15"},
    };
    struct hostfwd fwd;
    char text[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(hostfwd_parse(cases[i].text, &fwd), strlen(cases[i].text));
        assert_int_equal(fwd.len, sizeof(struct sockaddr_in6));
        assert_int_equal(fwd.host.v6.sin6_family, AF_INET6);
        assert_int_equal(fwd.guest.v6.sin6_family, AF_INET6);
        assert_int_equal(ntohs(fwd.host.v6.sin6_port), 8080);
        assert_int_equal(ntohs(fwd.guest.v6.sin6_port), 80);
        assert_string_equal(inet_ntop(AF_INET6, &fwd.host.v6.sin6_addr, text, sizeof(text)),
                            cases[i].host);
        assert_string_equal(inet_ntop(AF_INET6, &fwd.guest.v6.sin6_addr, text, sizeof(text)),
                            cases[i].guest);
    }
    assert_int_equal(hostfwd_parse("udp:[::1]:53-:53+tcp::1-:2", &fwd), 16);
    assert_true(fwd.udp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_as_they_went_in_round_and_round),
        cmocka_unit_test(a_checksum_is_completed),
        cmocka_unit_test(frames_that_are_none_do_not_pass),
        cmocka_unit_test(no_new_flow_passes_when_there_are_as_many_sockets_as_may_be),
        cmocka_unit_test(fragments_pass_at_a_limited_rate),
        cmocka_unit_test(only_what_is_for_dhcp_s_server_needs_no_socket),
        cmocka_unit_test(a_packet_that_is_longer_than_the_mtu_comes_in_fragments),
        cmocka_unit_test(a_fragment_is_cut_into_fragments_of_the_same_packet),
        cmocka_unit_test(what_cannot_be_cut_is_refused),
        cmocka_unit_test(a_syn_says_that_large_segments_are_taken),
        cmocka_unit_test(a_large_segment_is_announced_with_a_checksum_to_complete),
        cmocka_unit_test(networks_are_read_and_checked),
        cmocka_unit_test(forwards_are_read_and_checked),
        cmocka_unit_test(forwards_have_ipv6_addresses_in_brackets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
