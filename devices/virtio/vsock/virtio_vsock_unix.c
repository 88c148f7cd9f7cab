/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: the host's Unix sockets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vsock/virtio_vsock.h"

int vsock_connect(const struct vsock *v, int fd, uint32_t port)
{
    struct sockaddr_un address = v->address;
    size_t len = strlen(address.sun_path);

    if ((size_t)snprintf(address.sun_path + len, sizeof(address.sun_path) - len, "_%u", port) >=
        sizeof(address.sun_path) - len)
        return -ENAMETOOLONG;
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* "CONNECT <port>", which ends at `end`: the port, or 0. */
static uint32_t vsock_port(const char *line, const char *end)
{
    unsigned long long port;
    char *rest;

    if (strncmp(line, "CONNECT ", 8) != 0 || line[8] < '0' || line[8] > '9')
        return 0;
    port = strtoull(line + 8, &rest, 10);
    if (*rest == '\r')
        rest++;
    return rest == end && port <= UINT32_MAX ? (uint32_t)port : 0;
}

/* Is there a connection of this number of the host's? Ports wrap after a long life. */
static bool vsock_port_is_used(const struct vsock *v, uint32_t port)
{
    for (unsigned i = 0; i < VSOCK_CONNS; i++)
        if (v->conn[i].state != VSOCK_FREE && v->conn[i].host_port == port)
            return true;
    return false;
}

/* What follows the line is the guest's: it is left in the socket. */
void vsock_hello(struct vsock_conn *c)
{
    struct vsock *v = c->vsock;
    char *said = c->line + c->line_len, *end;
    size_t room = sizeof(c->line) - c->line_len, len;
    ssize_t n = recv(c->fd, said, room, MSG_PEEK | MSG_DONTWAIT);
    uint32_t port;

    if (n < 0 && errno == EAGAIN)
        return;
    end = n > 0 ? memchr(said, '\n', (size_t)n) : NULL;
    len = end ? (size_t)(end - said) + 1 : n > 0 ? (size_t)n : 0;
    if (!len || recv(c->fd, said, len, MSG_DONTWAIT) != (ssize_t)len || (!end && len == room)) {
        vsock_conn_end(c);
        return;
    }
    c->line_len += (uint32_t)len;
    if (!end)
        return; /* the rest is on its way */
    *end = '\0';
    port = vsock_port(c->line, end);
    if (!port || !vsock_has_driver(v)) {
        vsock_conn_end(c);
        return;
    }
    do
        v->next_port = v->next_port < VSOCK_FIRST_PORT ? VSOCK_FIRST_PORT : v->next_port + 1;
    while (vsock_port_is_used(v, v->next_port));
    vsock_conn_name(c, v->next_port, port);
    vsock_conn_ask(c);
}

void vsock_answer(struct vsock_conn *c)
{
    char line[VSOCK_LINE_MAX];
    int len = snprintf(line, sizeof(line), "OK %u\n", c->host_port);

    /* The first bytes that the socket gets: there is room for them. */
    (void)!send(c->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void vsock_accepted(void *opaque, int fd)
{
    if (!vsock_conn_new(opaque, fd, VSOCK_HELLO))
        close(fd);
}

int vsock_listen(struct vsock *v)
{
    const struct virtio_plugin *plugin = v->plugin;

    return plugin->ops->listener_open(plugin->instance, v->address.sun_path, vsock_accepted, v,
                                      &v->listener);
}

void vsock_unlisten(struct vsock *v)
{
    if (v->listener)
        v->plugin->ops->listener_close(v->plugin->instance, v->listener);
}
