/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields of Ethernet, IP, TCP and UDP headers that the user network looks at. */
#pragma once

#include <stdint.h>

#define NET_ETHERTYPE_AT   12u
#define NET_ETHERTYPE_IPV4 0x0800u
#define NET_ETHERTYPE_ARP  0x0806u
#define NET_ETHERTYPE_IPV6 0x86ddu
#define NET_IPV4_BYTES     20u /* without options */
#define NET_IPV6_BYTES     40u
#define NET_TCP_BYTES      20u /* without options */
#define NET_TCP_FLAGS_AT   13u
#define NET_TCP_SYN        0x02u
#define NET_TCP_SYN_ACK    0x12u

static inline unsigned net_be16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static inline void net_put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}
