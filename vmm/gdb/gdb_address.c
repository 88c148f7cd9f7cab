/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_address.h"

#include <errno.h>
#include <string.h>

#include "vmm/util/log.h"

/* 1 to 65535; 0: it is no port. */
static uint16_t parse_port(const char *text)
{
    unsigned port = 0;

    for (; *text >= '0' && *text <= '9' && port <= UINT16_MAX; text++)
        port = port * 10 + (unsigned)(*text - '0');
    return *text || port > UINT16_MAX ? 0 : (uint16_t)port;
}

int gdb_address_parse(const char *text, struct gdb_address *address)
{
    *address = (struct gdb_address){0};
    if (strncmp(text, "unix:", 5) == 0 && text[5])
        address->path = text + 5;
    else if (strncmp(text, "tcp:", 4) == 0)
        address->port = parse_port(text + 4);
    if (address->path || address->port)
        return 0;
    log_error("gdb '%s': give unix:PATH, or tcp:PORT with a port of 1 to 65535", text);
    return -EINVAL;
}
