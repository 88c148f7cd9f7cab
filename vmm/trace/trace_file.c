/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/trace/trace_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/keyval.h"
#include "vmm/util/log.h"
#include "vmm/util/write_all.h"

#define TRACE_TAIL 8192u /* more than a line */

/* A pipe without a reader would hold the start up: it is opened for both ends. */
static int open_new(const char *path)
{
    struct stat is;

    if (stat(path, &is) == 0 && S_ISFIFO(is.st_mode))
        return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return open(path, O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0666);
}

/*
 * Cut off what the process before has left behind its last whole line: the ending; or, if it was
 * killed while it wrote, a part of a line. A comma before the next line is that line's.
 */
static void cut(struct trace_file *file, uint64_t size)
{
    char tail[TRACE_TAIL];
    size_t length = size < sizeof(tail) ? (size_t)size : sizeof(tail);
    size_t ending = file->ending ? strlen(file->ending) : 0;

    if (pread(file->fd, tail, length, (off_t)(size - length)) != (ssize_t)length)
        length = 0;
    file->at = size - length;
    if (ending && length >= ending && memcmp(tail + length - ending, file->ending, ending) == 0) {
        length -= ending;
    } else {
        while (length && tail[length - 1] != '\n')
            length--;
        while (ending && length && strchr("\n,", tail[length - 1]))
            length--;
    }
    file->at += length;
    if (ftruncate(file->fd, (off_t)file->at))
        log_warn("trace '%s': %s", file->path, strerror(errno));
}

int trace_file_open(struct trace_file *file, const char *spec, const char *ending,
                    struct trace_origin *origin, struct trace_filter *filter)
{
    struct keyval keyval;
    struct stat is;
    int found, error = 0;

    *file = (struct trace_file){.fd = origin->fd, .ending = ending, .goes_on = origin->fd >= 0};
    if (!file->goes_on)
        origin->zero = clock_now_ns();
    while (!error && (found = keyval_next(&spec, &keyval)) != 0) {
        if (found < 0)
            return found;
        if (!file->path && !keyval.value) {
            file->path = keyval.key;
            keyval.key = NULL;
        } else {
            error = trace_filter_set(filter, keyval.key, keyval.value ? keyval.value : "");
        }
        keyval_free(&keyval);
    }
    if (error)
        return error;
    if (!file->path || !*file->path) {
        log_error("a trace needs a file: FILE[,FILTER...]");
        return -EINVAL;
    }
    if (!file->goes_on)
        file->fd = open_new(file->path);
    if (file->fd < 0 || fstat(file->fd, &is)) {
        error = -errno;
        log_error("trace '%s': %s", file->path, strerror(errno));
        return error;
    }
    file->regular = S_ISREG(is.st_mode);
    if (file->goes_on && file->regular)
        cut(file, (uint64_t)is.st_size);
    origin->fd = file->fd;
    return 0;
}

void trace_file_of_client(struct trace_file *file, int fd)
{
    *file = (struct trace_file){.fd = fd, .quiet = true};
}

static void fail(struct trace_file *file, int error)
{
    if (!file->quiet)
        log_error("trace '%s': %s: it ends here", file->path, strerror(error));
    file->failed = true;
}

static void put_at(struct trace_file *file, const char *data, size_t len, uint64_t at)
{
    while (len && !file->failed) {
        ssize_t n = pwrite(file->fd, data, len, (off_t)at);

        if (n < 0 && errno != EINTR) {
            fail(file, errno);
        } else if (n > 0) {
            data += n;
            len -= (size_t)n;
            at += (uint64_t)n;
        }
    }
}

static void put(struct trace_file *file, const char *data, size_t len, uint64_t at)
{
    int error = 0;

    if (file->regular)
        put_at(file, data, len, at);
    else if (!file->failed)
        error = write_to_reader(file->fd, data, len, &file->hurry);
    if (error)
        fail(file, -error);
}

void trace_file_complete(struct trace_file *file)
{
    file->complete = file->used;
}

/*
 * The ending goes out in the same write: the file is whole when the process ends, unless it is
 * killed while the kernel copies the pages of that write.
 */
void trace_file_flush(struct trace_file *file)
{
    size_t ending = file->regular && file->ending ? strlen(file->ending) : 0;
    char *end = file->buffer + file->complete;
    char kept[TRACE_ENDING_MAX];

    if (!file->complete)
        return;
    memcpy(kept, end, sizeof(kept));
    memcpy(end, file->ending ? file->ending : "", ending);
    put(file, file->buffer, file->complete + ending, file->at);
    memcpy(end, kept, sizeof(kept));
    file->at += file->complete;
    file->used -= file->complete;
    memmove(file->buffer, end, file->used);
    file->complete = 0;
}

void trace_file_print(struct trace_file *file, const char *fmt, ...)
{
    va_list args;
    size_t room;
    int len;

    for (unsigned attempt = 0; attempt < 2; attempt++) {
        room = TRACE_BUFFER - TRACE_ENDING_MAX - file->used;
        va_start(args, fmt);
        len = vsnprintf(file->buffer + file->used, room, fmt, args);
        va_end(args);
        if (len >= 0 && (size_t)len < room) {
            file->used += (size_t)len;
            return;
        }
        trace_file_flush(file);
    }
}

void trace_file_hurry(struct trace_file *file)
{
    __atomic_store_n(&file->hurry, true, __ATOMIC_RELAXED);
}

void trace_file_close(struct trace_file *file)
{
    if (file->fd >= 0) {
        trace_file_flush(file);
        if (!file->regular && file->ending)
            put(file, file->ending, strlen(file->ending), 0);
        if (close(file->fd) && !file->failed)
            fail(file, errno);
    }
    file->fd = -1;
    free(file->path);
    file->path = NULL;
}
