/* SPDX-License-Identifier: BSD-2-Clause */
/* The user network on libslirp itself: bounds, forwards, and frames of any length. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/net/net_backend.h"
#include "vmm/net/net_checksum.h"
#include "tests/unit/support/plugin_host.h"

#define DESCRIPTORS 100u /* that the vmm may have: the user network takes half of them */
#define CLIENTS     200u

#define FLOWS 300u
#define MS    UINT64_C(1000000)

static char forward[80];
static struct rv_instance host;
static struct net_context context;
static struct net_backend *network;

static void guest_readable(void *opaque, unsigned pair)
{
}

static void guest_link(void *opaque, bool up)
{
}

static int guest_create(struct rv_instance *h, const struct rv_vmm_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    static const struct net_callbacks callbacks = {NULL, guest_readable, guest_readable,
                                                   guest_link};

    context = (struct net_context){.ops = ops, .instance = h};
    network = net_user_open(&context, &callbacks, 1);
    *device = network;
    return network ? 0 : -EINVAL;
}

static void guest_nothing(void *device)
{
}

static void guest_destroy(void *device)
{
    network->ops->destroy(network);
}

static const struct rv_property properties[] = {
    {.name = "restrict", .type = RV_PROPERTY_BOOL, .value = "off", .help = ""},
    {.name = "ipv6", .type = RV_PROPERTY_BOOL, .value = "on", .help = ""},
    {.name = "mtu", .type = RV_PROPERTY_UINT, .value = "0", .help = ""},
    {.name = "net", .type = RV_PROPERTY_STRING, .value = "10.0.2.0/24", .help = ""},
    {.name = "dns", .type = RV_PROPERTY_STRING, .help = ""},
    {.name = "hostname", .type = RV_PROPERTY_STRING, .help = ""},
    {.name = "hostfwd", .type = RV_PROPERTY_STRING, .help = ""},
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,          .name = "user-network", .properties = properties,
    .create = guest_create,   .reset = guest_nothing, .resume = guest_nothing,
    .destroy = guest_destroy,
};

/* With descriptors for `DESCRIPTORS / 2` sockets of the guest's. */
static void network_start(const struct plugin_host_property *given)
{
    struct rlimit limit, small;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    small = (struct rlimit){DESCRIPTORS, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    plugin_host_init(&host, NULL, 0, 0);
    host.properties = given;
    assert_int_equal(plugin_host_start(&host, 0), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void network_stop(void)
{
    plugin_host_stop(&host);
    plugin_host_free(&host);
}

static void turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        plugin_host_turn(&host, 1);
}

/*
 * The guest
 */

static uint8_t got[RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX];
static const uint8_t *const got_frame = got + RV_NET_HEADER_BYTES;

/* The next frame to the guest, in `got`: its bytes, or 0. */
static size_t guest_next(void)
{
    const struct iovec iov = {got, sizeof(got)};
    ssize_t len = network->ops->receive(network, 0, &iov, 1);

    assert_true(len == -EAGAIN || len > (ssize_t)RV_NET_HEADER_BYTES);
    return len < 0 ? 0 : (size_t)len - RV_NET_HEADER_BYTES;
}

static void guest_send(uint8_t *frame, size_t len)
{
    struct virtio_net_hdr_mrg_rxbuf header = {0};
    const struct iovec iov[] = {{&header, sizeof(header)}, {frame, len}};

    memcpy(frame, (const uint8_t[]){0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 1, 2, 3}, 12);
    assert_int_equal(network->ops->send(network, 0, iov, 2), 0);
}

/* So that libslirp knows the address: without it frames wait. */
static void guest_arp(void)
{
    uint8_t frame[42] = {[12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};

    memcpy(frame + 22, (const uint8_t[]){0x52, 0x54, 0, 1, 2, 3, 10, 0, 2, 15}, 10);
    memcpy(frame + 38, (const uint8_t[]){10, 0, 2, 2}, 4);
    guest_send(frame, sizeof(frame));
    turns(3);
    while (guest_next())
        ;
}

/* A packet to the host, with the ports at its beginning. */
static void guest_ip(unsigned protocol, uint16_t from, uint16_t to, const uint8_t *rest, size_t len)
{
    uint8_t frame[128] = {[12] = 8, 0, 0x45};
    uint8_t *ip = frame + 14;

    ip[3] = (uint8_t)(24 + len);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    memcpy(ip + 12, (const uint8_t[]){10, 0, 2, 15, 10, 0, 2, 2}, 8);
    assert_true(net_checksum_complete(ip, 20, 0, 10));
    memcpy(ip + 20,
           (const uint8_t[]){(uint8_t)(from >> 8), (uint8_t)from, (uint8_t)(to >> 8), (uint8_t)to},
           4);
    memcpy(ip + 24, rest, len);
    guest_send(frame, 14 + 24 + len);
}

static void guest_udp(uint16_t from, uint16_t to)
{
    guest_ip(17, from, to, (const uint8_t[]){0, 9, 0, 0, 'x'}, 5);
}

static void guest_syn(uint16_t from, uint16_t to)
{
    uint8_t segment[20 + 12] = {10, 0, 2, 15, 10, 0, 2, 2, 0, 6, 0, 20};
    uint8_t *tcp = segment + 12;

    tcp[0] = (uint8_t)(from >> 8);
    tcp[1] = (uint8_t)from;
    tcp[2] = (uint8_t)(to >> 8);
    tcp[3] = (uint8_t)to;
    tcp[12] = 0x50;
    tcp[13] = 0x02;
    tcp[14] = 0xff;
    assert_true(net_checksum_complete(segment, sizeof(segment), 0, 12 + 16));
    guest_ip(6, from, to, tcp + 4, 16);
}

/*
 * The host
 */

/* A bound socket of the loopback, and its port. */
static int host_socket(int type, uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* The port from which the next datagram came; 0: none is there. */
static uint16_t host_datagram(int fd)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char byte;

    return recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) == 1 ? ntohs(from.sin_port)
                                                                          : 0;
}

static unsigned descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int client(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        assert_int_equal(errno, EINPROGRESS);
    return fd;
}

/*
 * The tests
 */

static void a_flood_of_connections_leaves_the_vmm_its_descriptors(void **context)
{
    const struct plugin_host_property given[] = {{"hostfwd", forward}, {0}};
    int clients[CLIENTS];
    unsigned before;
    uint16_t port;

    close(host_socket(SOCK_STREAM, &port));
    snprintf(forward, sizeof(forward), "tcp:127.0.0.1:%u-:22", port);
    network_start(given);
    turns(400);
    before = descriptors();
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client(port);
        plugin_host_turn(&host, 1);
    }
    turns(400);
    assert_true(descriptors() > before + CLIENTS); /* some were taken */
    assert_true(descriptors() <= before + CLIENTS + DESCRIPTORS / 2);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    network_stop();
}

/* The one that is used all the time stays: its peer would not know it by another port. */
static void the_flows_that_are_idle_for_long_make_room_for_new_ones(void **context)
{
    uint16_t sink_port, tcp_port, used = 0, from;
    int sink = host_socket(SOCK_DGRAM, &sink_port), listener = host_socket(SOCK_STREAM, &tcp_port);
    int connection;
    unsigned before, received = 0;

    assert_int_equal(listen(listener, 1), 0);
    network_start(NULL);
    guest_arp();
    before = descriptors();
    for (unsigned i = 0; i < FLOWS; i++) {
        guest_udp((uint16_t)(2000 + i), sink_port);
        assert_int_not_equal(host_datagram(sink), 0);
        received++;
        plugin_host_turn(&host, 2 * MS);
        if (i % 5)
            continue;
        guest_udp(1999, sink_port);
        from = host_datagram(sink);
        assert_int_not_equal(from, 0);
        assert_true(!used || from == used);
        used = from;
        plugin_host_turn(&host, 2 * MS);
    }
    assert_int_equal(received, FLOWS);
    assert_true(descriptors() <= before + DESCRIPTORS / 2);
    guest_syn(1234, tcp_port);
    turns(5);
    connection = accept(listener, NULL, NULL);
    assert_true(connection >= 0);
    assert_int_equal(plugin_host_counter(&host, "refused"), 0);
    close(connection);
    close(listener);
    close(sink);
    network_stop();
}

/* As many connections as may be: there is nothing idle, and the flow's packets are refused. */
static void connections_are_not_ended_for_new_flows(void **context)
{
    uint16_t sink_port, tcp_port;
    int sink = host_socket(SOCK_DGRAM, &sink_port), listener = host_socket(SOCK_STREAM, &tcp_port);
    int connections[DESCRIPTORS / 2];
    char byte;

    assert_int_equal(listen(listener, DESCRIPTORS), 0);
    network_start(NULL);
    guest_arp();
    for (uint16_t i = 0; i < DESCRIPTORS / 2; i++) {
        guest_syn((uint16_t)(1000 + i), tcp_port);
        turns(2);
        connections[i] = accept(listener, NULL, NULL);
        assert_true(connections[i] >= 0);
    }
    for (uint16_t i = 0; i < 20; i++) {
        guest_udp((uint16_t)(2000 + i), sink_port);
        plugin_host_turn(&host, 20 * MS);
    }
    assert_int_equal(host_datagram(sink), 0);
    assert_int_equal(plugin_host_counter(&host, "refused"), 20);
    for (unsigned i = 0; i < DESCRIPTORS / 2; i++) {
        assert_int_equal(recv(connections[i], &byte, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
        close(connections[i]);
    }
    close(listener);
    close(sink);
    network_stop();
}

static void a_long_answer_reaches_the_guest_in_fragments(void **context)
{
    const struct plugin_host_property wide[] = {{"mtu", "9000"}, {0}};
    static uint8_t answer[5000];

    for (unsigned large = 0; large <= 1; large++) {
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        size_t len, total = 0, most = 0;
        uint16_t port;
        int fd = host_socket(SOCK_DGRAM, &port);
        char byte;

        memset(answer, 0x41, sizeof(answer));
        network_start(large ? wide : NULL);
        guest_arp();
        network->ops->set_offloads(network, VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
                                                VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
                                                VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6));
        guest_udp(2000, port);
        assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &from_len), 1);
        assert_int_equal(sendto(fd, answer, sizeof(answer), 0, (struct sockaddr *)&from, from_len),
                         sizeof(answer));
        turns(5);
        while ((len = guest_next())) {
            assert_int_equal(got[1], VIRTIO_NET_HDR_GSO_NONE);
            most = len > most ? len : most;
            total += len - 34;
        }
        assert_int_equal(total, 8 + sizeof(answer));
        assert_true(large ? most == 34 + 8 + sizeof(answer) : most <= 1514);
        close(fd);
        network_stop();
    }
}

/* What libslirp does first: it asks for the guest's Ethernet address. */
static void a_forward_of_ipv6_leads_into_the_guest(void **context)
{
    const struct plugin_host_property given[] = {{"hostfwd", forward}, {0}};
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t address_len = sizeof(address);
    struct in6_addr guest;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    unsigned asked = 0;
    size_t len;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, address_len) < 0)
        skip(); /* this host has no IPv6 */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
    close(fd);
    snprintf(forward, sizeof(forward), "tcp:[::1]:%u-[fec0::77]:80", ntohs(address.sin6_port));
    inet_pton(AF_INET6, "fec0::77", &guest);
    network_start(given);
    turns(5);
    while (guest_next())
        ;
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
    turns(5);
    while ((len = guest_next()))
        asked += len >= 78 && got_frame[20] == 58 && got_frame[54] == 135 &&
                 memcmp(got_frame + 62, &guest, sizeof(guest)) == 0;
    assert_true(asked > 0);
    close(fd);
    network_stop();
}

static void a_forward_of_ipv6_needs_ipv6(void **context)
{
    const struct plugin_host_property given[] = {
        {"hostfwd", "tcp:[::1]:2222-:22"}, {"ipv6", "off"}, {0}};

    plugin_host_init(&host, NULL, 0, 0);
    host.properties = given;
    host.quiet = true;
    assert_int_not_equal(plugin_host_start(&host, 0), 0);
    assert_non_null(strstr(host.log, "ipv6=off"));
    plugin_host_free(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_connections_leaves_the_vmm_its_descriptors),
        cmocka_unit_test(the_flows_that_are_idle_for_long_make_room_for_new_ones),
        cmocka_unit_test(connections_are_not_ended_for_new_flows),
        cmocka_unit_test(a_long_answer_reaches_the_guest_in_fragments),
        cmocka_unit_test(a_forward_of_ipv6_leads_into_the_guest),
        cmocka_unit_test(a_forward_of_ipv6_needs_ipv6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
