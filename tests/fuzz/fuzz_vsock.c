/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: packets of any kind, and programs of the host's that do anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/plugin_fuzzer.h"

#define PEERS 4u

static char path[64];
static int listener = -1, peers[PEERS];

const struct plugin_host_property plugin_fuzzer_properties[] = {{"cid", "3"}, {"path", path}, {0}};

static int dial(const char *suffix, int (*how)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", path, suffix);
    if (how(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Port 1 of the host's has a listener. */
void plugin_fuzzer_begin(struct rv_instance *host)
{
    char name[80];

    snprintf(path, sizeof(path), "/tmp/fuzz-vsock-%d", (int)getpid());
    snprintf(name, sizeof(name), "%s_1", path);
    unlink(name);
    listener = dial("_1", bind);
    if (listener < 0 || listen(listener, 8) < 0)
        abort();
    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = -1;
}

void plugin_fuzzer_end(struct rv_instance *host)
{
    char name[80];

    for (unsigned i = 0; i < PEERS; i++)
        if (peers[i] >= 0)
            close(peers[i]);
    close(listener);
    snprintf(name, sizeof(name), "%s_1", path);
    unlink(name);
}

/* Mostly between the right two addresses, and of few ports. */
void plugin_fuzzer_sent(unsigned queue, uint8_t *data, size_t size)
{
    if (queue != 1 || size < 44 || data[0] & 0x80)
        return;
    memset(data, 0, 16);
    data[0] = 3;
    data[8] = 2;
    for (unsigned i = 16; i < 24; i++)
        data[i] = i % 4 ? 0 : data[i] & 3;
    data[28] = 1;
    data[29] = 0;
    data[30] &= 7;
    data[31] = 0;
}

void plugin_fuzzer_peer(struct rv_instance *host, const uint8_t *data, size_t size)
{
    int *peer = &peers[size ? data[0] % PEERS : 0];
    uint8_t scratch[1024];

    if (*peer < 0)
        *peer = size && data[0] & 0x40 ? accept4(listener, NULL, NULL, SOCK_NONBLOCK)
                                       : dial("", connect);
    plugin_host_turn(host, 1);
    if (*peer < 0 || size == 0)
        return;
    if (data[0] & 0x20)
        (void)!send(*peer, "CONNECT 2\n", 10, MSG_NOSIGNAL);
    (void)!send(*peer, data + 1, size - 1, MSG_NOSIGNAL);
    plugin_host_turn(host, 1);
    (void)!recv(*peer, scratch, sizeof(scratch), 0);
    if (data[0] & 0x10)
        shutdown(*peer, data[0] & 0x08 ? SHUT_WR : SHUT_RD);
    if (data[0] & 0x80) {
        close(*peer);
        *peer = -1;
    }
    plugin_host_turn(host, 1);
}
