/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/net/user_guard.h"

#include <netinet/in.h>
#include <sys/resource.h>

#include "devices/virtio/net/net_backend.h"

#define GUARD_SOCKETS_MAX    512u /* with 256 KiB of buffers each */
#define GUARD_SOCKETS_MIN    8u
#define GUARD_FRAGMENTS      512u               /* at once, and then: */
#define GUARD_FRAGMENT_NS    UINT64_C(31250000) /* 32 in a second */
#define GUARD_FRAGMENTS_FULL (GUARD_FRAGMENTS * GUARD_FRAGMENT_NS)

#define ETHERTYPE_AT   12u
#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_ARP  0x0806u
#define ETHERTYPE_IPV6 0x86ddu
#define ARP_BYTES      28u
#define IPV4_BYTES     20u
#define IPV6_BYTES     40u
#define PORTS_BYTES    4u /* source and destination, in TCP and UDP */
#define TCP_FLAGS_AT   13u
#define TCP_SYN_ACK    0x12u
#define TCP_SYN        0x02u
#define PORT_DHCP      67u

static unsigned guard_be16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

void user_guard_init(struct user_guard *guard, uint64_t now_ns)
{
    struct rlimit limit;

    *guard = (struct user_guard){GUARD_SOCKETS_MAX, GUARD_FRAGMENTS_FULL, now_ns};
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

/* May this packet have libslirp open a socket? */
static bool guard_opens(unsigned protocol, const uint8_t *payload, size_t len)
{
    switch (protocol) {
    case IPPROTO_TCP: return len > TCP_FLAGS_AT && (payload[TCP_FLAGS_AT] & TCP_SYN_ACK) == TCP_SYN;
    case IPPROTO_UDP: return len >= PORTS_BYTES && guard_be16(payload + 2) != PORT_DHCP;
    case IPPROTO_ICMP: return true;
    default: return false;
    }
}

enum user_verdict user_guard_check(struct user_guard *guard, const uint8_t *frame, size_t len,
                                   unsigned sockets, uint64_t now_ns)
{
    const uint8_t *packet = frame + NET_FRAME_MIN;
    size_t header, bytes = len - NET_FRAME_MIN;
    unsigned protocol;

    if (len < NET_FRAME_MIN || len > NET_FRAME_MAX)
        return USER_MALFORMED;
    switch (guard_be16(frame + ETHERTYPE_AT)) {
    case ETHERTYPE_ARP: return bytes < ARP_BYTES ? USER_MALFORMED : USER_PASS;
    case ETHERTYPE_IPV4:
        if (bytes < IPV4_BYTES)
            return USER_MALFORMED;
        header = (packet[0] & 0xfu) * 4;
        if (packet[0] >> 4 != 4 || header < IPV4_BYTES || header > bytes)
            return USER_MALFORMED;
        if ((guard_be16(packet + 6) & 0x3fff) != 0 && !guard_fragment(guard, now_ns))
            return USER_TOO_MANY_FRAGMENTS;
        protocol = packet[9];
        break;
    case ETHERTYPE_IPV6:
        if (bytes < IPV6_BYTES || packet[0] >> 4 != 6)
            return USER_MALFORMED;
        header = IPV6_BYTES;
        protocol = packet[6];
        break;
    default: return USER_MALFORMED; /* of no use to libslirp */
    }
    if (sockets >= guard->sockets_max && guard_opens(protocol, packet + header, bytes - header))
        return USER_TOO_MANY_SOCKETS;
    return USER_PASS;
}
