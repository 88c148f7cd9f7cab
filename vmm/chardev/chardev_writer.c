/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output to a regular file. A write to one can take seconds (a busy disk, a network file system)
 * and cannot be made not to block, so a thread writes, from a buffer that outlives this process. When the
 * buffer is full the guest waits for room like for any slow reader; no vCPU and no loop does.
 *
 * With a limit the file is renamed to PATH.1, in place of an older one, when it has that size, and
 * begun anew, at the end of a line if there is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/chardev/chardev_internal.h"
#include "vmm/chardev/chardev_output.h"
#include "vmm/sandbox/outside.h"
#include "vmm/util/log.h"
#include "vmm/util/thread.h"

#define WRITER_BUFFER 0x40000u /* bytes that wait for the thread */
#define WRITER_CHUNK  0x4000u  /* bytes of one write */
#define WRITER_END_S  1        /* for the last output to be written */

struct chardev_writer {
    struct chardev chardev; /* first */
    char *name;             /* for messages: "file:/tmp/log" */
    struct event *told;
    int tell; /* eventfd: the thread has something for the loop */
    pthread_t thread;
    bool has_thread;

    /* The thread's: */
    int fd;
    int rotate;     /* the task that begins a new file */
    uint64_t limit; /* 0: none */
    uint64_t size;

    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    /* Under the lock: */
    struct chardev_output *out;
    bool ending;
    bool out_short; /* the client waits for room */
    int error;      /* of a write, a rename or an open; 0: none that has not been told */
    bool failing;   /* the last write failed */
};

static struct chardev_writer *writer_of(struct chardev *chardev)
{
    return (struct chardev_writer *)(void *)chardev;
}

/*
 * The thread
 */

static void writer_tell(struct chardev_writer *w)
{
    uint64_t one = 1;

    while (write(w->tell, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void writer_failed(struct chardev_writer *w, int error)
{
    pthread_mutex_lock(&w->lock);
    if (!w->failing)
        w->error = error;
    w->failing = true;
    pthread_mutex_unlock(&w->lock);
    writer_tell(w);
}

/* A task: the file gets its other name, and a new one is opened. The data are both names. */
static int writer_begin_anew(const void *data, size_t size, bool away,
                             struct outside_result *result)
{
    const char *path = data, *old_path = path + strlen(path) + 1;
    int fd;

    if (rename(path, old_path))
        return -errno;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        return -errno;
    result->fds[result->nr_fds++] = fd;
    return 0;
}

/* Without a new file the old one goes on, larger than it should. */
static void writer_rotate(struct chardev_writer *w)
{
    struct outside_result result;
    int error;

    w->size = 0; /* not again with each byte, if it fails */
    error = outside_do(w->rotate, &result);
    if (error || result.nr_fds != 1) {
        writer_failed(w, -error);
        return;
    }
    close(w->fd);
    w->fd = result.fds[0];
}

static int writer_add_rotate(const char *path)
{
    char *both = NULL;
    int size = asprintf(&both, "%s%c%s.1", path, '\0', path), number;

    if (size < 0)
        return -ENOMEM;
    number = outside_add(writer_begin_anew, both, (size_t)size + 1, false);
    free(both);
    return number;
}

static void writer_put(struct chardev_writer *w, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = write(w->fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            writer_failed(w, n < 0 ? errno : EIO);
            return; /* discarded */
        }
        data += n;
        len -= (size_t)n;
        w->size += (uint64_t)n;
        if (w->failing) {
            pthread_mutex_lock(&w->lock);
            w->failing = false;
            pthread_mutex_unlock(&w->lock);
        }
    }
}

static void writer_write(struct chardev_writer *w, const uint8_t *data, size_t len)
{
    while (w->limit && len > w->limit - w->size) {
        size_t part = (size_t)(w->limit - w->size);
        const uint8_t *line = memrchr(data, '\n', part);

        if (line)
            part = (size_t)(line - data) + 1;
        else if (w->size)
            part = 0; /* the line is in the new file as a whole, if it fits there */
        writer_put(w, data, part);
        data += part;
        len -= part;
        writer_rotate(w);
    }
    writer_put(w, data, len);
}

static void *writer_main(void *opaque)
{
    struct chardev_writer *w = opaque;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        const uint8_t *data;
        size_t len = chardev_output_peek(w->out, &data);

        if (len == 0) {
            pthread_cond_signal(&w->idle);
            if (w->ending)
                break;
            pthread_cond_wait(&w->work, &w->lock);
            continue;
        }
        if (len > WRITER_CHUNK)
            len = WRITER_CHUNK;
        pthread_mutex_unlock(&w->lock);
        writer_write(w, data, len);
        pthread_mutex_lock(&w->lock);
        chardev_output_drop(w->out, len);
        if (w->out_short)
            writer_tell(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int writer_start(struct chardev_writer *w)
{
    int error = thread_start(&w->thread, writer_main, w);

    w->has_thread = error == 0;
    return error;
}

/*
 * The loop
 */

static size_t writer_take(struct chardev *chardev, const uint8_t *data, size_t len)
{
    struct chardev_writer *w = writer_of(chardev);
    size_t taken;

    pthread_mutex_lock(&w->lock);
    taken = chardev_output_put(w->out, data, len);
    w->out_short |= taken < len;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    return taken;
}

static void writer_on_told(evutil_socket_t fd, short what, void *opaque)
{
    struct chardev_writer *w = opaque;
    bool has_room;
    uint64_t count;
    int error;

    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&w->lock);
    error = w->error;
    w->error = 0;
    has_room = w->out_short && chardev_output_room(w->out) > 0;
    if (has_room)
        w->out_short = false;
    pthread_mutex_unlock(&w->lock);
    if (error)
        log_error("console '%s': %s: output is discarded until that is over", w->name,
                  strerror(error));
    if (has_room && w->chardev.client && w->chardev.client->writable)
        w->chardev.client->writable(w->chardev.opaque);
}

static void writer_attached(struct chardev *chardev)
{
    struct chardev_writer *w = writer_of(chardev);

    if (chardev->client)
        return; /* a file is there, as a client takes it to be */
    pthread_mutex_lock(&w->lock);
    w->out_short = false;
    pthread_mutex_unlock(&w->lock);
}

static void writer_accept(struct chardev *chardev)
{
}

/* False: the thread hangs in the kernel. What it uses must stay. */
static bool writer_stop(struct chardev_writer *w)
{
    struct timespec end;
    int error = 0;

    if (!w->has_thread)
        return true;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WRITER_END_S;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->work);
    while (chardev_output_used(w->out) > 0 && !error)
        error = pthread_cond_timedwait(&w->idle, &w->lock, &end);
    if (error)
        log_warn("console '%s': the disk is too slow: its last output may be lost", w->name);
    pthread_mutex_unlock(&w->lock);
    if (error)
        pthread_detach(w->thread);
    else
        pthread_join(w->thread, NULL);
    return !error;
}

static void writer_free(struct chardev *chardev)
{
    struct chardev_writer *w = writer_of(chardev);

    if (w->told)
        event_free(w->told);
    if (!writer_stop(w))
        return;
    chardev_output_free(w->out);
    if (w->tell >= 0)
        close(w->tell);
    close(w->fd);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    outside_forget(w->rotate);
    free(w->name);
    free(w);
}

static const struct chardev_ops writer_ops = {
    .attached = writer_attached,
    .write = writer_take,
    .accept = writer_accept,
    .free = writer_free,
};

int chardev_writer_open(struct event_base *base, const char *name, const char *path, int fd,
                        uint64_t limit, struct chardev **chardev)
{
    struct chardev_writer *w = calloc(1, sizeof(*w));
    struct stat st;

    if (!w) {
        close(fd);
        goto no_memory;
    }
    w->chardev.ops = &writer_ops;
    w->fd = fd;
    w->limit = limit;
    w->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (limit && w->size > limit)
        w->size = limit; /* the first output goes to a new file */
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->idle, NULL);
    w->name = strdup(name);
    w->rotate = limit ? writer_add_rotate(path) : -1;
    w->out = chardev_output_new(WRITER_BUFFER);
    w->tell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->tell >= 0)
        w->told = event_new(base, w->tell, EV_READ | EV_PERSIST, writer_on_told, w);
    if (w->name && (w->rotate >= 0 || !limit) && w->out && w->told && !event_add(w->told, NULL) &&
        !writer_start(w)) {
        *chardev = &w->chardev;
        return 0;
    }
    writer_free(&w->chardev);
no_memory:
    log_error("console '%s': out of memory", name);
    return -ENOMEM;
}
