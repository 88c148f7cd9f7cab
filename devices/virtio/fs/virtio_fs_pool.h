/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A few threads for requests that may have to wait for a disk or a server.
 *
 * They are not those of vmm/disk/threads.c. These have a umask of their own (fs_thread_begin),
 * which no other work may get, and they end with their folder. A pool in the vmm could only
 * bring results to the loop by post(), and a folder that goes waits for them outside of it.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FS_POOL_THREADS 4u

struct fs_pool_job {
    struct fs_pool_job *next;
    void (*run)(struct fs_pool_job *job); /* in one of the threads */
};

struct fs_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, over;
    pthread_t threads[FS_POOL_THREADS];
    unsigned nr_threads, idle;
    struct fs_pool_job *todo, **todo_last;
    struct fs_pool_job *done, **done_last;
    unsigned in_progress; /* queued or running: not in `done` yet */
    int event;            /* eventfd: readable when something is in `done` */
    bool ending;
};

/* 0 or -errno. */
int fs_pool_init(struct fs_pool *pool);

/* Waits for all jobs that are in progress. */
void fs_pool_destroy(struct fs_pool *pool);

void fs_pool_add(struct fs_pool *pool, struct fs_pool_job *job);

/* The first job that is done, or NULL. */
struct fs_pool_job *fs_pool_take(struct fs_pool *pool);

/* Waits for `ms` at most until no job is in progress. False: some still are. */
bool fs_pool_wait(struct fs_pool *pool, unsigned ms);
