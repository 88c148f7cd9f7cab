/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/stdio_fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

int stdio_fd_reopen(int fd, int flags)
{
    struct stat st;
    char path[32];

    /* A file opened anew would start at its beginning, and never blocks anyway. */
    if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || isatty(fd)))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

bool stdio_fd_is_pollable(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int probe = epoll_create1(EPOLL_CLOEXEC);
    bool pollable;

    if (probe < 0)
        return true;
    pollable = epoll_ctl(probe, EPOLL_CTL_ADD, fd, &event) == 0;
    close(probe);
    return pollable;
}
