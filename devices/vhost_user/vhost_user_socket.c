/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/vhost_user/vhost_user_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The longest that anybody sends to us. */
#define PAYLOAD_MAX (VHOST_USER_CONFIG_HEADER + VHOST_USER_CONFIG_MAX)
_Static_assert(PAYLOAD_MAX <= sizeof(union vhost_user_payload), "room for it");

#define HEADER sizeof(struct vhost_user_header)

void vhost_user_socket_init(struct vhost_user_socket *socket, int fd)
{
    *socket = (struct vhost_user_socket){.fd = fd};
}

void vhost_user_socket_close(struct vhost_user_socket *socket)
{
    vhost_user_socket_done(socket);
    if (socket->fd >= 0)
        close(socket->fd);
    vhost_user_socket_init(socket, -1);
}

int vhost_user_socket_connect(const char *path, int *fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct stat is;
    int error = 0;

    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    strcpy(addr.sun_path, path);
    /* connect() says of anything else what it says of a socket that nobody listens to. */
    if (stat(path, &is))
        return -errno;
    if (!S_ISSOCK(is.st_mode))
        return -ENOTSOCK;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return -errno;
    if (connect(*fd, (const struct sockaddr *)&addr, sizeof(addr))) {
        error = -errno;
        close(*fd);
        *fd = -1;
    }
    return error;
}

/* The `at`th byte of a message, whose header and payload are not one piece of memory. */
static void vhost_user_socket_parts(struct vhost_user_message *message, size_t from, size_t to,
                                    struct iovec *iov, size_t *count)
{
    *count = 0;
    if (from < HEADER) {
        size_t end = to < HEADER ? to : HEADER;

        iov[(*count)++] = (struct iovec){(uint8_t *)&message->header + from, end - from};
        from = end;
    }
    if (from < to)
        iov[(*count)++] = (struct iovec){(uint8_t *)&message->payload + (from - HEADER), to - from};
}

int vhost_user_socket_flush(struct vhost_user_socket *socket)
{
    while (vhost_user_socket_sending(socket)) {
        union {
            struct cmsghdr align;
            uint8_t bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_REGIONS_MAX)];
        } control = {0};
        struct iovec iov[2];
        struct msghdr msg = {.msg_iov = iov};
        size_t bytes = socket->out.nr_fds * sizeof(int);
        ssize_t n;

        vhost_user_socket_parts(&socket->out, socket->sent, socket->to_send, iov, &msg.msg_iovlen);
        /* They go with the first byte. */
        if (bytes && socket->sent == 0) {
            struct cmsghdr *cmsg;

            msg.msg_control = control.bytes;
            msg.msg_controllen = CMSG_SPACE(bytes);
            cmsg = CMSG_FIRSTHDR(&msg);
            cmsg->cmsg_level = SOL_SOCKET;
            cmsg->cmsg_type = SCM_RIGHTS;
            cmsg->cmsg_len = CMSG_LEN(bytes);
            memcpy(CMSG_DATA(cmsg), socket->out.fds, bytes);
        }
        n = sendmsg(socket->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        socket->sent += (size_t)n;
    }
    return 0;
}

int vhost_user_socket_send(struct vhost_user_socket *socket,
                           const struct vhost_user_message *message)
{
    socket->out = *message;
    socket->sent = 0;
    socket->to_send = HEADER + message->header.size;
    return vhost_user_socket_flush(socket);
}

/* Keep them, or close what there is no room for: then the message is bad. */
static bool vhost_user_socket_take_fds(struct vhost_user_socket *socket, struct msghdr *msg)
{
    bool all = !(msg->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
            if (socket->in.nr_fds < VHOST_USER_REGIONS_MAX) {
                socket->in.fds[socket->in.nr_fds++] = fd;
            } else {
                close(fd);
                all = false;
            }
        }
    }
    return all;
}

int vhost_user_socket_receive(struct vhost_user_socket *socket)
{
    for (;;) {
        union {
            struct cmsghdr align;
            uint8_t bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_REGIONS_MAX)];
        } control;
        struct iovec iov[2];
        struct msghdr msg = {
            .msg_iov = iov, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
        size_t want = HEADER;
        ssize_t n;

        if (socket->got >= HEADER) {
            if (socket->in.header.size > PAYLOAD_MAX)
                return -EBADMSG;
            want += socket->in.header.size;
        }
        if (socket->got >= HEADER && socket->got == want)
            return 0;
        vhost_user_socket_parts(&socket->in, socket->got, want, iov, &msg.msg_iovlen);
        n = recvmsg(socket->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        if (!vhost_user_socket_take_fds(socket, &msg))
            return -EBADMSG;
        if (n == 0)
            return -ECONNRESET;
        socket->got += (size_t)n;
    }
}

void vhost_user_socket_done(struct vhost_user_socket *socket)
{
    for (unsigned i = 0; i < socket->in.nr_fds; i++)
        close(socket->in.fds[i]);
    socket->in = (struct vhost_user_message){0};
    socket->got = 0;
}
