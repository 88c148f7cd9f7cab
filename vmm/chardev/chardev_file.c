/* SPDX-License-Identifier: BSD-2-Clause */
/* "file:PATH": output is appended to a file, a FIFO or a device. There is no input. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/chardev/chardev_stream.h"
#include "vmm/util/log.h"

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

static const struct chardev_stream_kind file_kind = {file_lost, file_nothing, file_nothing};

int chardev_file_open(struct event_base *base, const char *path, struct chardev **chardev)
{
    struct chardev_stream *s;
    struct stat st;
    int fd, error;

    if (!path || !*path) {
        log_error("chardev 'file': give a path: file:PATH");
        return -EINVAL;
    }
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0) {
        error = -errno;
        log_error("console 'file:%s': %s", path,
                  error == -ENXIO ? "nobody reads this FIFO: start the reader first"
                                  : strerror(errno));
        return error;
    }
    if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode)) {
        log_error("console 'file:%s': it is a block device: give a file, a FIFO or a terminal",
                  path);
        close(fd);
        return -EINVAL;
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
