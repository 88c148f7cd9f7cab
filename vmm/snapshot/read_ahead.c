/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/read_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "vmm/util/thread.h"

#define NOT_READ 1 /* what no `read` says */

struct read_ahead {
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool reading;     /* somebody, without the lock */
    unsigned waiting; /* of the owner's: the thread lets it go first */
    bool over;        /* the thread is to end */
    uint64_t next;    /* the thread's */
    int (*read)(void *opaque, uint64_t index);
    void *opaque;
    uint64_t nr_pieces;
    int result[]; /* of each piece, or NOT_READ */
};

/* With the lock, and while nobody reads. */
static void read_piece(struct read_ahead *ahead, uint64_t index)
{
    int result;

    ahead->reading = true;
    pthread_mutex_unlock(&ahead->lock);
    result = ahead->read(ahead->opaque, index);
    pthread_mutex_lock(&ahead->lock);
    ahead->reading = false;
    ahead->result[index] = result;
    pthread_cond_broadcast(&ahead->changed);
}

static void *work(void *opaque)
{
    struct read_ahead *ahead = opaque;
    int error = 0;

    pthread_mutex_lock(&ahead->lock);
    while (!ahead->over && !error && ahead->next < ahead->nr_pieces) {
        if (ahead->reading || ahead->waiting) {
            pthread_cond_wait(&ahead->changed, &ahead->lock);
        } else if (ahead->result[ahead->next] != NOT_READ) {
            ahead->next++;
        } else {
            read_piece(ahead, ahead->next);
            error = ahead->result[ahead->next];
        }
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

int read_ahead_start(uint64_t nr_pieces, int (*read)(void *opaque, uint64_t index), void *opaque,
                     struct read_ahead **ahead)
{
    struct read_ahead *new = calloc(1, sizeof(*new) + nr_pieces * sizeof(new->result[0]));
    int error;

    *ahead = NULL;
    if (!new)
        return -ENOMEM;
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->changed, NULL);
    new->read = read;
    new->opaque = opaque;
    new->nr_pieces = nr_pieces;
    for (uint64_t i = 0; i < nr_pieces; i++)
        new->result[i] = NOT_READ;
    error = thread_start(&new->thread, work, new);
    if (error)
        free(new);
    else
        *ahead = new;
    return error;
}

int read_ahead_need(struct read_ahead *ahead, uint64_t index)
{
    int result;

    pthread_mutex_lock(&ahead->lock);
    ahead->waiting++;
    while (ahead->reading)
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    ahead->waiting--;
    if (ahead->result[index] == NOT_READ)
        read_piece(ahead, index);
    else
        pthread_cond_broadcast(&ahead->changed);
    result = ahead->result[index];
    pthread_mutex_unlock(&ahead->lock);
    return result;
}

bool read_ahead_has(struct read_ahead *ahead, uint64_t index)
{
    bool has;

    pthread_mutex_lock(&ahead->lock);
    has = ahead->result[index] != NOT_READ;
    pthread_mutex_unlock(&ahead->lock);
    return has;
}

void read_ahead_end(struct read_ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->over = true;
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}
