/* SPDX-License-Identifier: BSD-2-Clause */
/* The addresses of the user network. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>

struct user_network {
    struct in_addr net;
    struct in_addr mask;
    struct in_addr host; /* the host as the guest sees it: .2 */
    struct in_addr dns;  /* .3 */
    struct in_addr dhcp; /* the first address given: .15 */
};

/* "ADDRESS/BITS" with an optional address for DNS. 0, or -EINVAL and the text. */
int user_options_network(const char *net, const char *dns, struct user_network *network,
                         char *error, size_t error_size);
