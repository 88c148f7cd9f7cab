/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words for ports of the host that lead into the guest: what QEMU's -netdev user takes,
 * and IPv6 addresses in brackets.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

union hostfwd_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct hostfwd {
    bool udp;
    union hostfwd_address host;
    /*
     * Of the host's family. No address: for IPv4 the first that DHCP gives, for IPv6 the one
     * by which libslirp knows the guest.
     */
    union hostfwd_address guest;
    socklen_t len; /* of either */
};

/*
 * The first of "tcp:127.0.0.1:2222-10.0.2.15:22+udp:[::1]:53-:53": its length, the '+'
 * or ';' behind it not included. 0: it is not one.
 */
size_t hostfwd_parse(const char *text, struct hostfwd *fwd);

unsigned hostfwd_port(const union hostfwd_address *address);
