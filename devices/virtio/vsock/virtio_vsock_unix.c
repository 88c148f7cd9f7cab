/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: the host's Unix sockets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio/vsock/virtio_vsock.h"

#define VSOCK_BACKLOG 128

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

static void vsock_accept(void *opaque, unsigned events)
{
    struct vsock *v = opaque;
    const struct rv_vmm_ops *ops = v->plugin->ops;
    int fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        if (!vsock_conn_new(v, fd, VSOCK_HELLO))
            close(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        /* Who waits goes on to wait, and the loop would come here again and again. */
        v->paused = true;
        ops->fd_change(v->plugin->instance, v->listening, 0);
        vsock_wake(v, ops->now_ns(v->plugin->instance) + VSOCK_PAUSE_NS);
    }
}

void vsock_accept_again(struct vsock *v)
{
    if (v->paused)
        v->plugin->ops->fd_change(v->plugin->instance, v->listening, RV_FD_READ);
    v->paused = false;
}

int vsock_listen(struct vsock *v)
{
    const struct rv_vmm_ops *ops = v->plugin->ops;
    const char *path = v->address.sun_path;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;
    int error;

    if (probe < 0)
        return -errno;
    error = connect(probe, (struct sockaddr *)&v->address, sizeof(v->address)) < 0 ? errno : 0;
    close(probe);
    if (error == 0 || error == EAGAIN) {
        ops->log(v->plugin->instance, RV_LOG_ERROR, "path '%s': another program listens there",
                 path);
        return -EADDRINUSE;
    }
    /* A socket that was left behind. Anything else is not ours to remove. */
    if (error == ECONNREFUSED && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    v->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (v->listener < 0 ||
        bind(v->listener, (struct sockaddr *)&v->address, sizeof(v->address)) < 0) {
        error = -errno;
        ops->log(v->plugin->instance, RV_LOG_ERROR, "path '%s': %s", path, strerror(errno));
        return error;
    }
    v->bound = true;
    if (listen(v->listener, VSOCK_BACKLOG) < 0)
        return -errno;
    v->listening = ops->fd_watch(v->plugin->instance, v->listener, RV_FD_READ, vsock_accept, v);
    return v->listening ? 0 : -ENOMEM;
}

void vsock_unlisten(struct vsock *v)
{
    if (v->listening)
        v->plugin->ops->fd_remove(v->plugin->instance, v->listening);
    if (v->listener >= 0)
        close(v->listener);
    if (v->bound)
        unlink(v->address.sun_path);
}
