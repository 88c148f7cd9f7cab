/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/user_fragment.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/net/net_backend.h"
#include "vmm/net/net_bytes_internal.h"
#include "vmm/net/net_checksum.h"

#define IPV4_LENGTH_AT   2u
#define IPV4_OFFSET_AT   6u
#define IPV4_CHECKSUM_AT 10u
#define IPV4_MORE        0x2000u
#define IPV4_OFFSET      0x1fffu
#define IPV6_LENGTH_AT   4u
#define IPV6_NEXT_AT     6u
#define IPV6_FRAGMENT    44u /* the next header */
#define FRAGMENT_BYTES   8u  /* IPv6's fragment header */
#define FRAGMENT_MORE    0x1u
#define FRAGMENT_UNIT    8u /* of the payload, but for the last */

/* The bytes of the next part, and whether it is the last. */
static size_t fragment_part(const struct user_fragment *fragment, size_t payload, size_t room,
                            bool *last)
{
    size_t rest = payload - fragment->done;

    *last = rest <= room;
    return *last ? rest : room & ~(size_t)(FRAGMENT_UNIT - 1);
}

static int fragment_ipv4(struct user_fragment *fragment, const uint8_t *packet, size_t len,
                         size_t mtu, uint8_t *head, size_t *head_len, const uint8_t **part,
                         size_t *part_len)
{
    size_t header = (packet[0] & 0xfu) * 4, total = net_be16(packet + IPV4_LENGTH_AT);
    unsigned field = net_be16(packet + IPV4_OFFSET_AT);
    bool last;

    if (header < NET_IPV4_BYTES || total <= header || total > len || mtu < header + FRAGMENT_UNIT ||
        fragment->done >= total - header)
        return -EINVAL;
    *part_len = fragment_part(fragment, total - header, mtu - header, &last);
    *part = packet + header + fragment->done;
    memcpy(head, packet, header);
    net_put16(head + IPV4_LENGTH_AT, (unsigned)(header + *part_len));
    /* It may be a fragment itself, of a still larger packet. "Do not fragment" is gone. */
    net_put16(head + IPV4_OFFSET_AT,
              ((field & IPV4_OFFSET) + (unsigned)(fragment->done / FRAGMENT_UNIT)) |
                  (last ? field & IPV4_MORE : IPV4_MORE));
    net_put16(head + IPV4_CHECKSUM_AT, 0);
    net_checksum_complete(head, header, 0, IPV4_CHECKSUM_AT);
    *head_len = header;
    fragment->done = last ? 0 : fragment->done + *part_len;
    return 0;
}

static int fragment_ipv6(struct user_fragment *fragment, const uint8_t *packet, size_t len,
                         size_t mtu, uint8_t *head, size_t *head_len, const uint8_t **part,
                         size_t *part_len)
{
    size_t payload = net_be16(packet + IPV6_LENGTH_AT);
    uint8_t *own = head + NET_IPV6_BYTES;
    bool last;

    if (payload > len - NET_IPV6_BYTES || packet[IPV6_NEXT_AT] == IPV6_FRAGMENT ||
        mtu < NET_IPV6_BYTES + FRAGMENT_BYTES + FRAGMENT_UNIT || fragment->done >= payload)
        return -EINVAL;
    if (!fragment->done)
        fragment->id6++;
    *part_len = fragment_part(fragment, payload, mtu - NET_IPV6_BYTES - FRAGMENT_BYTES, &last);
    *part = packet + NET_IPV6_BYTES + fragment->done;
    memcpy(head, packet, NET_IPV6_BYTES);
    net_put16(head + IPV6_LENGTH_AT, (unsigned)(FRAGMENT_BYTES + *part_len));
    head[IPV6_NEXT_AT] = IPV6_FRAGMENT;
    own[0] = packet[IPV6_NEXT_AT];
    own[1] = 0;
    net_put16(own + 2, (unsigned)fragment->done | (last ? 0 : FRAGMENT_MORE));
    net_put16(own + 4, fragment->id6 >> 16);
    net_put16(own + 6, fragment->id6 & UINT16_MAX);
    *head_len = NET_IPV6_BYTES + FRAGMENT_BYTES;
    fragment->done = last ? 0 : fragment->done + *part_len;
    return 0;
}

int user_fragment_next(struct user_fragment *fragment, const uint8_t *frame, size_t len, size_t mtu,
                       uint8_t head[USER_FRAGMENT_HEAD], size_t *head_len, const uint8_t **part,
                       size_t *part_len)
{
    const uint8_t *packet = frame + RV_NET_FRAME_MIN;
    size_t bytes = len - RV_NET_FRAME_MIN;
    int error = -EINVAL;

    memcpy(head, frame, RV_NET_FRAME_MIN);
    if (net_be16(frame + NET_ETHERTYPE_AT) == NET_ETHERTYPE_IPV4 && bytes > NET_IPV4_BYTES)
        error = fragment_ipv4(fragment, packet, bytes, mtu, head + RV_NET_FRAME_MIN, head_len, part,
                              part_len);
    else if (net_be16(frame + NET_ETHERTYPE_AT) == NET_ETHERTYPE_IPV6 && bytes > NET_IPV6_BYTES)
        error = fragment_ipv6(fragment, packet, bytes, mtu, head + RV_NET_FRAME_MIN, head_len, part,
                              part_len);
    if (error)
        fragment->done = 0;
    *head_len += RV_NET_FRAME_MIN;
    return error;
}
