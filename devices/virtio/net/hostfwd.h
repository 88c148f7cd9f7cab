/* SPDX-License-Identifier: BSD-2-Clause */
/* The words for ports of the host that lead into the guest: what QEMU's -netdev user takes. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct hostfwd {
    bool udp;
    struct in_addr host;
    int host_port;
    struct in_addr guest; /* INADDR_ANY: the first that DHCP gives */
    int guest_port;
};

/*
 * The first of "tcp:127.0.0.1:2222-10.0.2.15:22+udp::53-:53": its length, the '+'
 * or ';' behind it not included. 0: it is not one.
 */
size_t hostfwd_parse(const char *text, struct hostfwd *fwd);
