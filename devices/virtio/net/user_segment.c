/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/net/user_segment.h"

#include <endian.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "devices/virtio/net/net_backend.h"

#define ETHERTYPE_AT      12u
#define ETHERTYPE_IPV4    0x0800u
#define ETHERTYPE_IPV6    0x86ddu
#define IPV4_BYTES        20u
#define IPV6_BYTES        40u
#define TCP_BYTES         20u
#define TCP_DATA_AT       12u
#define TCP_FLAGS_AT      13u
#define TCP_CHECKSUM_AT   16u
#define TCP_SYN           0x02u
#define TCP_OPTION_END    0u
#define TCP_OPTION_NOP    1u
#define TCP_OPTION_MSS    2u
#define SEGMENT_ORDINARY  1514u /* a frame of that much needs no words */
#define SEGMENT_WIRE_SIZE 1448u /* what the parts would have had */

static unsigned segment_be16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void segment_put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

void user_segment_syn(uint8_t *frame, size_t len, size_t start, size_t offset)
{
    size_t at = start + TCP_BYTES, end;

    if (offset != TCP_CHECKSUM_AT || start > len || len - start < TCP_BYTES ||
        !(frame[start + TCP_FLAGS_AT] & TCP_SYN))
        return;
    end = start + (size_t)(frame[start + TCP_DATA_AT] >> 4) * 4;
    if (end > len)
        return;
    while (at < end && frame[at] != TCP_OPTION_END) {
        if (frame[at] == TCP_OPTION_NOP) {
            at++;
            continue;
        }
        if (end - at < 2 || frame[at + 1] < 2 || frame[at + 1] > end - at)
            return;
        if (frame[at] == TCP_OPTION_MSS && frame[at + 1] == 4) {
            segment_put16(frame + at + 2, USER_MTU - IPV6_BYTES - TCP_BYTES);
            return;
        }
        at += frame[at + 1];
    }
}

/* What is in a TCP checksum field that is still to be completed. */
static uint16_t segment_pseudo(const uint8_t *addresses, size_t bytes, size_t tcp_len)
{
    uint32_t sum = IPPROTO_TCP + (uint32_t)tcp_len;

    for (size_t i = 0; i < bytes; i += 2)
        sum += segment_be16(addresses + i);
    while (sum > UINT16_MAX)
        sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)sum;
}

void user_segment_header(uint8_t *frame, size_t len, bool large,
                         struct virtio_net_hdr_mrg_rxbuf *header)
{
    uint8_t *packet = frame + NET_FRAME_MIN, *tcp;
    unsigned type = segment_be16(frame + ETHERTYPE_AT), gso;
    uint16_t pseudo;

    header->hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID; /* libslirp makes right checksums */
    if (!large || len <= SEGMENT_ORDINARY)
        return;
    if (type == ETHERTYPE_IPV4 && packet[9] == IPPROTO_TCP) {
        tcp = packet + (packet[0] & 0xfu) * 4;
        pseudo = segment_pseudo(packet + 12, 8, len - (size_t)(tcp - frame));
        gso = VIRTIO_NET_HDR_GSO_TCPV4;
    } else if (type == ETHERTYPE_IPV6 && packet[6] == IPPROTO_TCP) {
        tcp = packet + IPV6_BYTES;
        pseudo = segment_pseudo(packet + 8, 32, len - (size_t)(tcp - frame));
        gso = VIRTIO_NET_HDR_GSO_TCPV6;
    } else {
        return;
    }
    segment_put16(tcp + TCP_CHECKSUM_AT, pseudo);
    header->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header->hdr.gso_type = (uint8_t)gso;
    header->hdr.gso_size = htole16(SEGMENT_WIRE_SIZE);
    header->hdr.csum_start = htole16((uint16_t)(tcp - frame));
    header->hdr.csum_offset = htole16(TCP_CHECKSUM_AT);
    header->hdr.hdr_len =
        htole16((uint16_t)((size_t)(tcp - frame) + (size_t)(tcp[TCP_DATA_AT] >> 4) * 4));
}
