/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/util/log.h"
#include "vmm/util/write_all.h"

#define SPOOL_CHUNK ((size_t)65536)
#define LOOK_MS     100 /* between looks whether the wait for a pipe is over */

void input_error(const struct input *input, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_error("%s '%s': %s", input->what, input->path, text);
}

static int input_failed(const struct input *input, const char *doing, int error)
{
    input_error(input, "cannot %s it: %s", doing, strerror(error));
    return -error;
}

static int input_too_big(const struct input *input, uint64_t limit)
{
    input_error(input, "bigger than the %" PRIu64 " KiB of RAM that it can go to: give more RAM",
                limit / 1024);
    return -EFBIG;
}

static int input_empty(const struct input *input)
{
    input_error(input, "empty");
    return -ENODATA;
}

/* From a pipe that does not block, but waited for. Bytes, 0 at the end, or -errno. */
static ssize_t read_some(int fd, uint8_t *data, size_t room, const struct input_wait *wait)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    for (;;) {
        /* One that nobody has opened for writing yet is not at its end, as read() would say. */
        ssize_t n = poll(&ready, 1, LOOK_MS) > 0 ? read(fd, data, room) : -1;

        if (n >= 0)
            return n;
        if (ready.revents && errno != EINTR && errno != EAGAIN)
            return -errno;
        if (wait && wait->is_over(wait->opaque))
            return -ECANCELED;
    }
}

static ssize_t pread_some(int fd, uint8_t *data, size_t room, size_t offset)
{
    ssize_t n;

    do {
        n = pread(fd, data, room, (off_t)offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Copies the pipe `from` to the memory file `to`. */
static int input_spool(const struct input *input, int from, int to, uint64_t limit,
                       const struct input_wait *wait)
{
    uint8_t chunk[SPOOL_CHUNK];
    uint64_t total = 0;

    for (;;) {
        ssize_t n = read_some(from, chunk, sizeof(chunk), wait);
        int error;

        if (n == -ECANCELED)
            return -ECANCELED;
        if (n < 0)
            return input_failed(input, "read", (int)-n);
        if (n == 0)
            return total == 0 ? input_empty(input) : 0;
        total += (uint64_t)n;
        if (total > limit)
            return input_too_big(input, limit);
        error = write_all(to, chunk, (size_t)n);
        if (error != 0)
            return input_failed(input, "keep a copy of", -error);
    }
}

/* Puts a memory file with the pipe's bytes in the place of the pipe. */
static int input_replace_pipe(struct input *input, uint64_t limit, const struct input_wait *wait)
{
    int fd = memfd_create("ringvisor-input", MFD_CLOEXEC);
    int error;

    if (fd < 0)
        return input_failed(input, "keep a copy of", errno);
    error = input_spool(input, input->fd, fd, limit, wait);
    if (error != 0) {
        close(fd);
        return error;
    }
    close(input->fd);
    input->fd = fd;
    return 0;
}

static int input_check(struct input *input, uint64_t limit, const struct input_wait *wait)
{
    struct stat st;

    if (fstat(input->fd, &st) < 0)
        return input_failed(input, "look at", errno);
    if (S_ISDIR(st.st_mode)) {
        input_error(input, "a directory: give a file");
        return -EISDIR;
    }
    if (S_ISFIFO(st.st_mode))
        return input_replace_pipe(input, limit, wait);
    if (!S_ISREG(st.st_mode)) {
        input_error(input, "a device or a socket: give a file or a pipe");
        return -EINVAL;
    }
    /* A first look only: the file may still grow, and reading it is bounded too. */
    if ((uint64_t)st.st_size > limit)
        return input_too_big(input, limit);
    return 0;
}

int input_open(struct input *input, const char *what, const char *path, uint64_t limit,
               const struct input_wait *wait)
{
    int error;

    *input = (struct input){.what = what, .path = path, .fd = -1};
    input->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (input->fd < 0)
        return input_failed(input, "open", errno);
    error = input_check(input, limit, wait);
    if (error != 0)
        input_close(input);
    return error;
}

void input_close(struct input *input)
{
    if (input->fd >= 0)
        close(input->fd);
    input->fd = -1;
}

/* One byte past `size` can be read. */
static int input_has_more(const struct input *input, size_t size, bool *more)
{
    uint8_t byte;
    ssize_t n = pread_some(input->fd, &byte, 1, size);

    if (n < 0)
        return input_failed(input, "read", (int)-n);
    *more = n > 0;
    return 0;
}

int input_read(const struct input *input, uint8_t *data, size_t room, size_t *size)
{
    size_t total = 0;
    bool more;
    int error;

    while (total < room) {
        ssize_t n = pread_some(input->fd, data + total, room - total, total);

        if (n < 0)
            return input_failed(input, "read", (int)-n);
        if (n == 0)
            break;
        total += (size_t)n;
    }
    error = input_has_more(input, total, &more);
    if (error != 0)
        return error;
    if (more)
        return input_too_big(input, room);
    if (total == 0)
        return input_empty(input);
    *size = total;
    return 0;
}

int input_slurp(const struct input *input, size_t limit, struct buffer *buffer)
{
    struct stat st;
    size_t hint = 0;

    /* One byte of room more than the file has: that byte finds the end without another growth. */
    if (fstat(input->fd, &st) == 0 && (uint64_t)st.st_size < SIZE_MAX)
        hint = (size_t)st.st_size + 1;
    for (;;) {
        bool more;
        ssize_t n;
        int error = buffer_grow(buffer, hint, limit);

        if (error == -EFBIG) {
            error = input_has_more(input, buffer->size, &more);
            if (error == 0 && more)
                error = input_too_big(input, limit);
            return error;
        }
        if (error != 0)
            return input_failed(input, "read", -error);
        n = pread_some(input->fd, buffer->data + buffer->size, buffer->room - buffer->size,
                       buffer->size);
        if (n < 0)
            return input_failed(input, "read", (int)-n);
        if (n == 0)
            return buffer->size == 0 ? input_empty(input) : 0;
        buffer->size += (size_t)n;
    }
}
