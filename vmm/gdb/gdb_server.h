/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket on which one debugger at a time can attach to a VM: a Unix socket that only its user
 * may connect to, or a TCP port of this host, to which every user of the host may.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

struct gdb_server;
struct vm;

/*
 * The VM has been started. `where`: as for gdb_address_parse(). `wait`: the VM does not run
 * before a debugger lets it. 0, or -errno after a message.
 */
int gdb_server_open(struct vm *vm, struct event_base *base, const char *where, bool wait,
                    struct gdb_server **server);

/* Tells the debugger that the guest is gone. NULL is allowed. */
void gdb_server_close(struct gdb_server *server);
