/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/fs/virtio_fs_pool.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/virtio/fs/fs.h"

int fs_pool_init(struct fs_pool *pool)
{
    pthread_condattr_t monotonic;

    *pool = (struct fs_pool){.event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (pool->event < 0)
        return -errno;
    pool->todo_last = &pool->todo;
    pool->done_last = &pool->done;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &monotonic);
    pthread_cond_init(&pool->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

static struct fs_pool_job *fs_pool_pop(struct fs_pool_job **first, struct fs_pool_job ***last)
{
    struct fs_pool_job *job = *first;

    if (job) {
        *first = job->next;
        if (!*first)
            *last = first;
    }
    return job;
}

static void *fs_pool_thread(void *opaque)
{
    struct fs_pool *pool = opaque;

    fs_thread_begin();
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct fs_pool_job *job;

        while (!pool->todo && !pool->ending) {
            pool->idle++;
            pthread_cond_wait(&pool->work, &pool->lock);
            pool->idle--;
        }
        job = fs_pool_pop(&pool->todo, &pool->todo_last);
        if (!job)
            break;
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        job->next = NULL;
        if (!pool->done)
            eventfd_write(pool->event, 1);
        *pool->done_last = job;
        pool->done_last = &job->next;
        if (--pool->in_progress == 0)
            pthread_cond_broadcast(&pool->over);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* The new thread takes no signals: the loop does. SIGSYS is the sandbox's. */
static void fs_pool_grow(struct fs_pool *pool)
{
    sigset_t all, before;

    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&pool->threads[pool->nr_threads], NULL, fs_pool_thread, pool) == 0)
        pool->nr_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fs_pool_add(struct fs_pool *pool, struct fs_pool_job *job)
{
    pthread_mutex_lock(&pool->lock);
    job->next = NULL;
    *pool->todo_last = job;
    pool->todo_last = &job->next;
    pool->in_progress++;
    if (!pool->idle && pool->nr_threads < FS_POOL_THREADS)
        fs_pool_grow(pool);
    pthread_cond_signal(&pool->work);
    if (pool->nr_threads == 0) {
        /* No thread can be created: the loop waits rather than that nothing is done. */
        fs_pool_pop(&pool->todo, &pool->todo_last);
        job->run(job);
        job->next = NULL;
        *pool->done_last = job;
        pool->done_last = &job->next;
        pool->in_progress--;
        eventfd_write(pool->event, 1);
    }
    pthread_mutex_unlock(&pool->lock);
}

struct fs_pool_job *fs_pool_take(struct fs_pool *pool)
{
    struct fs_pool_job *job;

    pthread_mutex_lock(&pool->lock);
    job = fs_pool_pop(&pool->done, &pool->done_last);
    pthread_mutex_unlock(&pool->lock);
    return job;
}

bool fs_pool_wait(struct fs_pool *pool, unsigned ms)
{
    struct timespec until;
    bool over;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    pthread_mutex_lock(&pool->lock);
    while (pool->in_progress && pthread_cond_timedwait(&pool->over, &pool->lock, &until) == 0)
        ;
    over = pool->in_progress == 0;
    pthread_mutex_unlock(&pool->lock);
    return over;
}

void fs_pool_destroy(struct fs_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->nr_threads; i++)
        pthread_join(pool->threads[i], NULL);
    close(pool->event);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->over);
    pthread_mutex_destroy(&pool->lock);
}
