/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/user_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_BITS_MAX 27u /* .2, .3 and .15 must lie inside */
#define OPTIONS_BITS_MIN 8u

/* Digits alone, up to `max`; -1 otherwise. */
static long options_number(const char *text, long max)
{
    size_t len = strlen(text);
    long value;

    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return -1;
    value = strtol(text, NULL, 10);
    return value <= max ? value : -1;
}

int user_options_network(const char *net, const char *dns, struct user_network *network,
                         char *error, size_t error_size)
{
    const char *slash = strchr(net, '/');
    char address[INET_ADDRSTRLEN];
    long bits = slash ? options_number(slash + 1, OPTIONS_BITS_MAX) : -1;
    uint32_t mask, base;

    snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - net) : 0, net);
    if (bits < (long)OPTIONS_BITS_MIN || (size_t)(slash - net) >= sizeof(address) ||
        inet_pton(AF_INET, address, &network->net) != 1) {
        snprintf(error, error_size,
                 "net '%s': give ADDRESS/BITS with %u to %u bits, as 10.0.2.0/24", net,
                 OPTIONS_BITS_MIN, OPTIONS_BITS_MAX);
        return -EINVAL;
    }
    mask = UINT32_MAX << (32 - bits);
    base = ntohl(network->net.s_addr) & mask;
    network->net.s_addr = htonl(base);
    network->mask.s_addr = htonl(mask);
    network->host.s_addr = htonl(base | 2);
    network->dns.s_addr = htonl(base | 3);
    network->dhcp.s_addr = htonl(base | 15);
    if (!dns)
        return 0;
    if (inet_pton(AF_INET, dns, &network->dns) != 1 ||
        (ntohl(network->dns.s_addr) & mask) != base ||
        network->dns.s_addr == network->host.s_addr || network->dns.s_addr == network->net.s_addr ||
        (ntohl(network->dns.s_addr) | mask) == UINT32_MAX) {
        snprintf(error, error_size,
                 "dns '%s': give an address of net '%s' that is not the host's; there the guest "
                 "finds the host's own name server",
                 dns, net);
        return -EINVAL;
    }
    return 0;
}
