/* SPDX-License-Identifier: BSD-2-Clause */
/* The network device on a cable between guests, whose other end sends anything. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/plugin_fuzzer.h"
#include "tests/unit/support/plugin_net.h"

static char path[64];
static int peer = -1;

const struct plugin_host_property plugin_fuzzer_properties[] = {
    {"backend", "socket"}, {"path", path}, {"mac", "52:54:00:12:34:56"}, {0}};

void plugin_fuzzer_begin(struct rv_instance *host)
{
    plugin_net_init(host);
    snprintf(path, sizeof(path), "/tmp/fuzz-cable-%d", (int)getpid());
}

void plugin_fuzzer_end(struct rv_instance *host)
{
    if (peer >= 0)
        close(peer);
    peer = -1;
    unlink(path);
}

void plugin_fuzzer_sent(unsigned queue, uint8_t *data, size_t size)
{
}

static void plug(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, sizeof(path));
    peer = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(peer, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(peer);
        peer = -1;
    }
}

/* Empty: the cable is pulled. Otherwise the bytes, behind a length that may be true. */
void plugin_fuzzer_peer(struct rv_instance *host, const uint8_t *data, size_t size)
{
    uint8_t scratch[4096];

    if (size == 0) {
        if (peer >= 0)
            close(peer);
        peer = -1;
    } else {
        if (peer < 0)
            plug();
        event_base_loop(plugin_net_base, EVLOOP_NONBLOCK);
        plugin_host_turn(host, 1);
        if (peer >= 0 && data[0] & 1) {
            const uint8_t length[4] = {0, 0, 0, (uint8_t)(size - 1)};

            (void)!send(peer, length, sizeof(length), MSG_NOSIGNAL);
        }
        if (peer >= 0)
            (void)!send(peer, data + 1, size - 1, MSG_NOSIGNAL);
    }
    plugin_host_turn(host, 1);
    if (peer >= 0)
        (void)!recv(peer, scratch, sizeof(scratch), 0);
}
