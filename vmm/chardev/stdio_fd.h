/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors of this process that others may have, too: standard input and output. */
#pragma once

#include <stdbool.h>

/* A description of our own, where O_NONBLOCK is nobody else's business; or -1. */
int stdio_fd_reopen(int fd, int flags);

/* Files and some character devices (/dev/null) are always ready: epoll refuses them. */
bool stdio_fd_is_pollable(int fd);
