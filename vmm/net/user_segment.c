/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/user_segment.h"

#include <endian.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/net/net_backend.h"
#include "vmm/net/net_bytes_internal.h"

#define TCP_DATA_AT     12u
#define TCP_CHECKSUM_AT 16u
#define TCP_OPTION_END  0u
#define TCP_OPTION_NOP  1u
#define TCP_OPTION_MSS  2u
#define TCP_STAMP_BYTES 12u /* options of the segments that the large one stands for */

void user_segment_syn(uint8_t *frame, size_t len, size_t start, size_t offset)
{
    size_t at = start + NET_TCP_BYTES, end;

    if (offset != TCP_CHECKSUM_AT || start > len || len - start < NET_TCP_BYTES ||
        !(frame[start + NET_TCP_FLAGS_AT] & NET_TCP_SYN))
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
            net_put16(frame + at + 2, USER_MTU - NET_IPV6_BYTES - NET_TCP_BYTES);
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
        sum += net_be16(addresses + i);
    while (sum > UINT16_MAX)
        sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)sum;
}

void user_segment_header(uint8_t *frame, size_t len, size_t mtu, bool large,
                         struct virtio_net_hdr_mrg_rxbuf *header)
{
    uint8_t *packet = frame + RV_NET_FRAME_MIN, *tcp;
    unsigned type = net_be16(frame + NET_ETHERTYPE_AT), gso;
    size_t headers;
    uint16_t pseudo;

    header->hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID; /* libslirp makes right checksums */
    if (!large || len <= RV_NET_FRAME_MIN + mtu)
        return;
    if (type == NET_ETHERTYPE_IPV4 && packet[9] == IPPROTO_TCP) {
        tcp = packet + (packet[0] & 0xfu) * 4;
        pseudo = segment_pseudo(packet + 12, 8, len - (size_t)(tcp - frame));
        gso = VIRTIO_NET_HDR_GSO_TCPV4;
    } else if (type == NET_ETHERTYPE_IPV6 && packet[6] == IPPROTO_TCP) {
        tcp = packet + NET_IPV6_BYTES;
        pseudo = segment_pseudo(packet + 8, 32, len - (size_t)(tcp - frame));
        gso = VIRTIO_NET_HDR_GSO_TCPV6;
    } else {
        return;
    }
    headers = (size_t)(tcp - packet) + NET_TCP_BYTES + TCP_STAMP_BYTES;
    net_put16(tcp + TCP_CHECKSUM_AT, pseudo);
    header->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header->hdr.gso_type = (uint8_t)gso;
    header->hdr.gso_size = htole16((uint16_t)(mtu > headers ? mtu - headers : 1));
    header->hdr.csum_start = htole16((uint16_t)(tcp - frame));
    header->hdr.csum_offset = htole16(TCP_CHECKSUM_AT);
    header->hdr.hdr_len =
        htole16((uint16_t)((size_t)(tcp - frame) + (size_t)(tcp[TCP_DATA_AT] >> 4) * 4));
}
