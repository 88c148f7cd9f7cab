/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may go to libslirp. It takes any bytes for a packet, opens a socket for each flow
 * and keeps fragments for 30 seconds, all without a limit: here the limits are.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct user_guard {
    struct in_addr host; /* whose DHCP server needs no socket; the caller sets it */
    unsigned sockets_max;
    uint64_t fragments;    /* that may pass now, in units of 1 ns of the time that one costs */
    uint64_t fragments_at; /* when that was */
};

enum user_verdict {
    USER_PASS,
    USER_MALFORMED,
    USER_TOO_MANY_SOCKETS,
    USER_TOO_MANY_FRAGMENTS,
};

void user_guard_init(struct user_guard *guard, uint64_t now_ns);

/* `sockets`: that libslirp has. */
enum user_verdict user_guard_check(struct user_guard *guard, const uint8_t *frame, size_t len,
                                   unsigned sockets, uint64_t now_ns);
