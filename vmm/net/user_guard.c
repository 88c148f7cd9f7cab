/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/user_guard.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>

#include "vmm/net/net_backend.h"
#include "vmm/net/net_bytes_internal.h"

#define GUARD_SOCKETS_MAX    512u /* with 256 KiB of buffers each */
#define GUARD_SOCKETS_MIN    8u
#define GUARD_FRAGMENTS      512u               /* at once, and then: */
#define GUARD_FRAGMENT_NS    UINT64_C(31250000) /* 32 in a second */
#define GUARD_FRAGMENTS_FULL (GUARD_FRAGMENTS * GUARD_FRAGMENT_NS)

#define ARP_BYTES   28u
#define PORTS_BYTES 4u /* source and destination, in TCP and UDP */
#define PORT_DHCP   67u
#define PORT_DHCPV6 547u

void user_guard_init(struct user_guard *guard, uint64_t now_ns)
{
    struct rlimit limit;

    *guard = (struct user_guard){
        .sockets_max = GUARD_SOCKETS_MAX,
        .fragments = GUARD_FRAGMENTS_FULL,
        .fragments_at = now_ns,
    };
    /* The rest of the vmm needs descriptors too. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < guard->sockets_max)
        guard->sockets_max = (unsigned)(limit.rlim_cur / 2);
    if (guard->sockets_max < GUARD_SOCKETS_MIN)
        guard->sockets_max = GUARD_SOCKETS_MIN;
}

static bool guard_fragment(struct user_guard *guard, uint64_t now_ns)
{
    uint64_t passed = now_ns - guard->fragments_at;

    guard->fragments_at = now_ns;
    guard->fragments = passed > GUARD_FRAGMENTS_FULL - guard->fragments ? GUARD_FRAGMENTS_FULL
                                                                        : guard->fragments + passed;
    if (guard->fragments < GUARD_FRAGMENT_NS)
        return false;
    guard->fragments -= GUARD_FRAGMENT_NS;
    return true;
}

struct guard_packet {
    unsigned protocol;
    bool fragment; /* what it is part of shows only when libslirp has all */
    bool local;    /* to the host itself, or to all: where DHCP's server is */
    const uint8_t *payload;
    size_t len;
};

/* May this packet have libslirp open a socket? */
static bool guard_opens(const struct guard_packet *packet)
{
    unsigned port;

    switch (packet->protocol) {
    case IPPROTO_TCP:
        return packet->fragment ||
               (packet->len > NET_TCP_FLAGS_AT &&
                (packet->payload[NET_TCP_FLAGS_AT] & NET_TCP_SYN_ACK) == NET_TCP_SYN);
    case IPPROTO_UDP:
        port = packet->len >= PORTS_BYTES ? net_be16(packet->payload + 2) : 0;
        return packet->fragment || !packet->local || (port != PORT_DHCP && port != PORT_DHCPV6);
    case IPPROTO_ICMP: return true;
    default: return false;
    }
}

/* False: malformed. */
static bool guard_ipv4(const struct user_guard *guard, const uint8_t *ip, size_t bytes,
                       struct guard_packet *packet)
{
    size_t header;
    in_addr_t to;

    if (bytes < NET_IPV4_BYTES || ip[0] >> 4 != 4)
        return false;
    header = (ip[0] & 0xfu) * 4;
    if (header < NET_IPV4_BYTES || header > bytes)
        return false;
    memcpy(&to, ip + 16, sizeof(to));
    *packet = (struct guard_packet){
        .protocol = ip[9],
        .fragment = (net_be16(ip + 6) & 0x3fff) != 0,
        .local = to == INADDR_BROADCAST || to == guard->host.s_addr,
        .payload = ip + header,
        .len = bytes - header,
    };
    return true;
}

static bool guard_ipv6(const uint8_t *ip, size_t bytes, struct guard_packet *packet)
{
    static const uint8_t servers[16] = {0xff, 0x02, [13] = 1, [15] = 2}; /* ff02::1:2 */

    if (bytes < NET_IPV6_BYTES || ip[0] >> 4 != 6)
        return false;
    *packet = (struct guard_packet){
        .protocol = ip[6],
        .local = memcmp(ip + 24, servers, sizeof(servers)) == 0,
        .payload = ip + NET_IPV6_BYTES,
        .len = bytes - NET_IPV6_BYTES,
    };
    return true;
}

enum user_verdict user_guard_check(struct user_guard *guard, const uint8_t *frame, size_t len,
                                   unsigned sockets, uint64_t now_ns)
{
    const uint8_t *ip = frame + RV_NET_FRAME_MIN;
    size_t bytes = len - RV_NET_FRAME_MIN;
    struct guard_packet packet;

    if (len < RV_NET_FRAME_MIN || len > RV_NET_FRAME_MAX)
        return USER_MALFORMED;
    switch (net_be16(frame + NET_ETHERTYPE_AT)) {
    case NET_ETHERTYPE_ARP: return bytes < ARP_BYTES ? USER_MALFORMED : USER_PASS;
    case NET_ETHERTYPE_IPV4:
        if (!guard_ipv4(guard, ip, bytes, &packet))
            return USER_MALFORMED;
        break;
    case NET_ETHERTYPE_IPV6:
        if (!guard_ipv6(ip, bytes, &packet))
            return USER_MALFORMED;
        break;
    default: return USER_MALFORMED; /* of no use to libslirp */
    }
    if (packet.fragment && !guard_fragment(guard, now_ns))
        return USER_TOO_MANY_FRAGMENTS;
    if (sockets >= guard->sockets_max && guard_opens(&packet))
        return USER_TOO_MANY_SOCKETS;
    return USER_PASS;
}
