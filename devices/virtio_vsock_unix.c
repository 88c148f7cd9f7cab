/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: the host's Unix sockets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio_vsock.h"

#define VSOCK_BACKLOG 128

int vsock_connect(const struct vsock *v, uint32_t port)
{
    struct sockaddr_un address = v->address;
    size_t len = strlen(address.sun_path);
    int fd;

    if ((size_t)snprintf(address.sun_path + len, sizeof(address.sun_path) - len, "_%u", port) >=
        sizeof(address.sun_path) - len)
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = -errno;

        close(fd);
        return error;
    }
    return fd;
}

/* "CONNECT <port>\n": the port, or 0. */
static uint32_t vsock_port(const char *line)
{
    unsigned long long port;
    char *end;

    if (strncmp(line, "CONNECT ", 8) != 0 || line[8] < '0' || line[8] > '9')
        return 0;
    port = strtoull(line + 8, &end, 10);
    if (*end == '\r')
        end++;
    return *end == '\n' && port <= UINT32_MAX ? (uint32_t)port : 0;
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
    char line[VSOCK_LINE_MAX + 1];
    ssize_t n = recv(c->fd, line, VSOCK_LINE_MAX, MSG_PEEK | MSG_DONTWAIT);
    struct vsock_conn *asking;
    char *end;
    uint32_t port;
    int fd;

    if (n < 0 && errno == EAGAIN)
        return;
    line[n > 0 ? n : 0] = '\0';
    end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
    if (!end && n > 0 && n < (ssize_t)VSOCK_LINE_MAX) {
        /* The rest is on its way, and no event would tell of it: the beginning is ready already. */
        v->plugin->ops->fd_change(v->plugin->host, c->watch, 0);
        c->events = 0;
        c->until = v->plugin->ops->now_ns(v->plugin->host) + 1000000;
        v->plugin->ops->timer_set(v->plugin->host, v->timer, c->until);
        return;
    }
    port = end ? vsock_port(line) : 0;
    fd = port ? dup(c->fd) : -1;
    if (fd < 0 || recv(c->fd, line, (size_t)(end - line) + 1, MSG_DONTWAIT) < 0) {
        if (fd >= 0)
            close(fd);
        vsock_conn_end(c);
        return;
    }
    vsock_conn_end(c);
    do
        v->next_port = v->next_port < VSOCK_FIRST_PORT ? VSOCK_FIRST_PORT : v->next_port + 1;
    while (vsock_port_is_used(v, v->next_port));
    asking = vsock_conn_new(v, fd, VSOCK_ASKING, v->next_port, port);
    if (!asking) {
        close(fd);
        return;
    }
    vsock_conn_due(asking, VSOCK_DUE_REQUEST);
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
    int fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    /* Its own number until it has said to which port, so that none is found by mistake. */
    if (!vsock_conn_new(v, fd, VSOCK_HELLO, 0, 0))
        close(fd);
}

int vsock_listen(struct vsock *v)
{
    const struct rv_host_ops *ops = v->plugin->ops;
    const char *path = v->address.sun_path;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;
    int error;

    if (probe < 0)
        return -errno;
    error = connect(probe, (struct sockaddr *)&v->address, sizeof(v->address)) < 0 ? errno : 0;
    close(probe);
    if (error == 0 || error == EAGAIN) {
        ops->log(v->plugin->host, RV_LOG_ERROR, "path '%s': another program listens there", path);
        return -EADDRINUSE;
    }
    /* A socket that was left behind. Anything else is not ours to remove. */
    if (error == ECONNREFUSED && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    v->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (v->listener < 0 ||
        bind(v->listener, (struct sockaddr *)&v->address, sizeof(v->address)) < 0) {
        error = -errno;
        ops->log(v->plugin->host, RV_LOG_ERROR, "path '%s': %s", path, strerror(errno));
        return error;
    }
    v->bound = true;
    if (listen(v->listener, VSOCK_BACKLOG) < 0)
        return -errno;
    v->listening = ops->fd_watch(v->plugin->host, v->listener, RV_FD_READ, vsock_accept, v);
    return v->listening ? 0 : -ENOMEM;
}

void vsock_unlisten(struct vsock *v)
{
    if (v->listening)
        v->plugin->ops->fd_remove(v->plugin->host, v->listening);
    if (v->listener >= 0)
        close(v->listener);
    if (v->bound)
        unlink(v->address.sun_path);
}
