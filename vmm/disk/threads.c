/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls by a few threads, for kernels without io_uring or with a policy
 * against it, and for calls that io_uring does not have. The threads see
 * nothing but the list of calls; a thread is made when all are busy.
 *
 * Shared folders have threads of their own (devices/virtio/fs/virtio_fs_pool.h), and these are
 * not for both: disk_drain() and disk_close() wait for `ready` without the loop, where post() of
 * the plugin ABI would bring the results, and a folder's threads differ from others by their umask.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/disk/engine_internal.h"
#include "vmm/util/thread.h"

#define THREADS_MAX 8u

struct threads {
    struct engine engine;
    pthread_mutex_t lock;
    pthread_cond_t work;
    /* Under the lock: */
    struct disk_list waiting;
    struct disk_list over;
    unsigned nr_waiting;
    unsigned nr_idle;
    bool ending;
    /* The loop's: */
    pthread_t threads[THREADS_MAX];
    unsigned nr_threads;
};

static ssize_t call_once(int fd, const struct disk_work *work)
{
    uint64_t range[2] = {work->at, work->piece};
    off_t at = (off_t)work->at, len = (off_t)work->piece;

    switch (work->call) {
    case ENGINE_READ: return preadv(fd, work->iov, (int)work->iov_count, at);
    case ENGINE_WRITE: return pwritev(fd, work->iov, (int)work->iov_count, at);
    case ENGINE_SYNC: return fdatasync(fd);
    case ENGINE_PUNCH: return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len);
    case ENGINE_ZERO: return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, at, len);
    case ENGINE_BLKDISCARD: return ioctl(fd, BLKDISCARD, range);
    }
    errno = ENOSYS;
    return -1;
}

static void *thread_main(void *arg)
{
    struct threads *t = arg;
    uint64_t one = 1;

    pthread_mutex_lock(&t->lock);
    for (;;) {
        struct disk_request *request = disk_list_pop(&t->waiting);

        if (!request) {
            if (t->ending)
                break;
            t->nr_idle++;
            pthread_cond_wait(&t->work, &t->lock);
            t->nr_idle--;
            continue;
        }
        t->nr_waiting--;
        pthread_mutex_unlock(&t->lock);
        ssize_t n = call_once(t->engine.fd, &request->work);
        request->work.result = n < 0 ? -errno : n;
        pthread_mutex_lock(&t->lock);
        /* Not empty: the one who put the first in has told the loop, which has not come yet. */
        bool tell = !t->over.first;
        disk_list_push(&t->over, request);
        if (tell) {
            while (write(t->engine.ready, &one, sizeof(one)) < 0 && errno == EINTR)
                ;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* -errno: there is no further thread to be had. */
static int threads_add(struct threads *t)
{
    int error = thread_start(&t->threads[t->nr_threads], thread_main, t);

    if (!error)
        t->nr_threads++;
    return error;
}

static void threads_submit(struct engine *engine, struct disk_request *request)
{
    struct threads *t = (struct threads *)engine;
    bool more;

    pthread_mutex_lock(&t->lock);
    disk_list_push(&t->waiting, request);
    t->nr_waiting++;
    more = t->nr_waiting > t->nr_idle && t->nr_threads < THREADS_MAX;
    pthread_cond_signal(&t->work);
    pthread_mutex_unlock(&t->lock);
    /* One thread is there from the start, so that it goes on, slower, if this fails. */
    if (more)
        threads_add(t);
}

static bool threads_kick(struct engine *engine)
{
    return true;
}

static bool threads_cancel(struct engine *engine, struct disk_request *request)
{
    struct threads *t = (struct threads *)engine;
    bool waits;

    pthread_mutex_lock(&t->lock);
    waits = disk_list_remove(&t->waiting, request);
    t->nr_waiting -= waits;
    pthread_mutex_unlock(&t->lock);
    return waits;
}

static void threads_reap(struct engine *engine, struct disk_list *over)
{
    struct threads *t = (struct threads *)engine;
    struct disk_request *request;
    uint64_t count;

    /* Emptied before the list is looked at: what comes after that rings again. */
    while (read(engine->ready, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&t->lock);
    while ((request = disk_list_pop(&t->over)))
        disk_list_push(over, request);
    pthread_mutex_unlock(&t->lock);
}

static void threads_close(struct engine *engine)
{
    struct threads *t = (struct threads *)engine;

    pthread_mutex_lock(&t->lock);
    t->ending = true;
    pthread_cond_broadcast(&t->work);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; i < t->nr_threads; i++)
        pthread_join(t->threads[i], NULL);
    pthread_cond_destroy(&t->work);
    pthread_mutex_destroy(&t->lock);
    close(engine->ready);
    free(t);
}

static const struct engine_ops threads_ops = {
    .name = "threads",
    .submit = threads_submit,
    .kick = threads_kick,
    .cancel = threads_cancel,
    .reap = threads_reap,
    .close = threads_close,
};

int engine_threads_open(int fd, struct engine **engine)
{
    struct threads *t = calloc(1, sizeof(*t));
    int error;

    if (!t)
        return -ENOMEM;
    t->engine.ops = &threads_ops;
    t->engine.fd = fd;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->work, NULL);
    t->engine.ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = t->engine.ready < 0 ? -errno : threads_add(t);
    if (error) {
        threads_close(&t->engine);
        return error;
    }
    *engine = &t->engine;
    return 0;
}
