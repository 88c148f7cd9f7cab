/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/fd_message.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(FD_MESSAGE_MAX * sizeof(int))];
};

int fd_message_send(int socket, const void *data, size_t size, const int *fds, unsigned nr_fds)
{
    union control control = {0};
    struct iovec iov = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    if (nr_fds > FD_MESSAGE_MAX)
        return -E2BIG;
    if (nr_fds) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, nr_fds * sizeof(int));
    }
    do
        n = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static unsigned take_fds(struct msghdr *message, int fds[FD_MESSAGE_MAX])
{
    unsigned nr = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        nr = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), nr * sizeof(int));
    }
    return nr;
}

ssize_t fd_message_receive(int socket, void *data, size_t size, int *fds, unsigned *nr_fds)
{
    union control control;
    struct iovec iov = {data, size};
    struct msghdr message = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    int got[FD_MESSAGE_MAX];
    unsigned most = *nr_fds, nr;
    ssize_t n;

    *nr_fds = 0;
    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    nr = take_fds(&message, got);
    if (nr > most || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (nr)
            close(got[--nr]);
        return -EMSGSIZE;
    }
    memcpy(fds, got, nr * sizeof(int));
    *nr_fds = nr;
    return n;
}
