/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"

#define KEEPER_HEAD offsetof(struct keeper_message, text)

union keeper_control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(KEEPER_FDS_MAX * sizeof(int))];
};

void keeper_fds_close(struct keeper_fds *fds)
{
    for (unsigned i = 0; i < fds->count; i++)
        close(fds->fd[i]);
    fds->count = 0;
}

int keeper_send(int socket, struct keeper_message *message, const struct keeper_fds *fds)
{
    union keeper_control control = {0};
    struct iovec iov = {message, KEEPER_HEAD + message->length};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    message->protocol = KEEPER_PROTOCOL;
    if (fds && fds->count) {
        struct cmsghdr *rights;

        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(fds->count * sizeof(int));
        rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds->count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds->fd, fds->count * sizeof(int));
    }
    do
        n = sendmsg(socket, &header, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *header, struct keeper_fds *fds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        fds->count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds->fd, CMSG_DATA(c), fds->count * sizeof(int));
    }
}

static bool is_whole(const struct keeper_message *message, size_t size, int flags)
{
    return !(flags & (MSG_TRUNC | MSG_CTRUNC)) && size >= KEEPER_HEAD &&
           message->protocol == KEEPER_PROTOCOL && message->length == size - KEEPER_HEAD &&
           memchr(message->name, '\0', sizeof(message->name)) &&
           (!message->length || !message->text[message->length - 1]);
}

int keeper_receive(int socket, struct keeper_message *message, struct keeper_fds *fds)
{
    union keeper_control control;
    struct iovec iov = {message, sizeof(*message)};
    struct msghdr header = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t n;

    fds->count = 0;
    do
        n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? 0 : -errno;
    if (n == 0)
        return 0;
    take_fds(&header, fds);
    if (is_whole(message, (size_t)n, header.msg_flags))
        return 1;
    keeper_fds_close(fds);
    return -EPROTO;
}
