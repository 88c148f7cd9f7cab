/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a debugger can attach, as users say it. */
#pragma once

#include <stdint.h>

struct gdb_address {
    const char *path; /* of a Unix socket; NULL: a TCP port of localhost */
    uint16_t port;
};

/* unix:PATH or tcp:PORT. 0, or -EINVAL after a message. `path` points into `text`. */
int gdb_address_parse(const char *text, struct gdb_address *address);
