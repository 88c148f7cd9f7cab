/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "file:PATH": output is appended to a file, a FIFO or a device. "log:SIZE:PATH": to a file that
 * does not grow without bound. There is no input.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/chardev/chardev_stream.h"
#include "vmm/util/log.h"
#include "vmm/util/size.h"

#define LOG_MIN 4096u

/* A FIFO's reader has left, or the file system is gone: for good. */
static void file_lost(struct chardev_stream *s)
{
    log_error("console '%s': it cannot be written to any more: output is discarded from here on",
              s->name);
    chardev_stream_disconnect(s);
}

static void file_nothing(struct chardev_stream *s)
{
}

static const struct chardev_stream_kind file_kind = {
    .lost = file_lost,
    .looked = file_nothing,
    .free = file_nothing,
};

/* A descriptor for appending, and what it is of; or -errno after a message. */
static int file_open(const char *kind, const char *path, struct stat *st)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0666);
    int error = fd < 0 || fstat(fd, st) ? -errno : 0;

    if (error) {
        log_error("console '%s%s': %s", kind, path,
                  error == -ENXIO ? "nobody reads this FIFO: start the reader first"
                                  : strerror(-error));
    } else if (S_ISBLK(st->st_mode)) {
        log_error("console '%s%s': it is a block device: give a file, a FIFO or a terminal", kind,
                  path);
        error = -EINVAL;
    }
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}

int chardev_file_open(struct event_base *base, const char *path, struct chardev **chardev)
{
    struct chardev_stream *s;
    char name[PATH_MAX];
    struct stat st;
    int fd, error;

    if (!path || !*path) {
        log_error("chardev 'file': give a path: file:PATH");
        return -EINVAL;
    }
    fd = file_open("file:", path, &st);
    if (fd < 0)
        return fd;
    if (S_ISREG(st.st_mode)) {
        snprintf(name, sizeof(name), "file:%s", path);
        return chardev_writer_open(base, name, path, fd, 0, chardev);
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        log_error("console 'file:%s': out of memory", path);
        close(fd);
        return -ENOMEM;
    }
    error = chardev_stream_init(s, base, &file_kind, "file", path);
    if (error)
        close(fd);
    else
        error = chardev_stream_connect(s, fd, false);
    if (error) {
        chardev_free(&s->chardev);
        return error;
    }
    *chardev = &s->chardev;
    return 0;
}

/* "SIZE:PATH" */
int chardev_log_open(struct event_base *base, const char *argument, struct chardev **chardev)
{
    const char *path = argument ? strchr(argument, ':') : NULL;
    char name[PATH_MAX], size[32];
    uint64_t limit = 0;
    struct stat st;
    int fd;

    if (path && path[1] && (size_t)(path - argument) < sizeof(size)) {
        memcpy(size, argument, (size_t)(path - argument));
        size[path - argument] = '\0';
        if (size_parse(size, &limit))
            limit = 0;
        path++;
    }
    if (limit < LOG_MIN) {
        log_error("chardev 'log': give a size from %u bytes on and a path: log:SIZE:PATH, for "
                  "example log:16M:/tmp/console",
                  LOG_MIN);
        return -EINVAL;
    }
    fd = file_open("log:", path, &st);
    if (fd < 0)
        return fd;
    if (!S_ISREG(st.st_mode)) {
        log_error("console 'log:%s': no regular file: it cannot be renamed when it is full", path);
        close(fd);
        return -EINVAL;
    }
    snprintf(name, sizeof(name), "log:%s", path);
    return chardev_writer_open(base, name, path, fd, limit, chardev);
}
