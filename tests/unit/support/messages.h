/* SPDX-License-Identifier: BSD-2-Clause */
/* What the code under test writes to stderr between capture() and release(): `messages`. */
#pragma once

#include <sys/mman.h>
#include <unistd.h>

static char messages[16384];
static int saved_stderr, messages_fd;

static inline void capture(void)
{
    messages_fd = memfd_create("messages", 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(messages_fd, STDERR_FILENO);
}

static inline void release(void)
{
    ssize_t n = pread(messages_fd, messages, sizeof(messages) - 1, 0);

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(messages_fd);
    messages[n < 0 ? 0 : n] = '\0';
}
