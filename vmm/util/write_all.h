/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* A part of it, which is taken off; none if a signal came. 0 or -errno. */
static inline int write_part(int fd, const uint8_t **at, size_t *size)
{
    ssize_t n = write(fd, *at, *size);

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    *at += n;
    *size -= (size_t)n;
    return 0;
}

/* All of it, to a descriptor that blocks. 0 or -errno. */
static inline int write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    int error = 0;

    while (size > 0 && !error)
        error = write_part(fd, &at, &size);
    return error;
}

/* How long a write whose reader takes nothing goes on after `hurry`. */
#define WRITE_LAST_MS 100

/*
 * The same to one that does not block, however long its reader takes; but from `*hurry` on, which
 * another thread sets, one that makes no room gets nothing more: -EAGAIN.
 */
static inline int write_to_reader(int fd, const void *data, size_t size, const bool *hurry)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    const uint8_t *at = data;
    int error = 0;

    while (size > 0 && !error) {
        error = write_part(fd, &at, &size);
        if (error == -EAGAIN) {
            bool last = __atomic_load_n(hurry, __ATOMIC_RELAXED);

            if (poll(&wait, 1, WRITE_LAST_MS) > 0 || !last)
                error = 0;
        }
    }
    return error;
}
