/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that do what would block the loop. */
#pragma once

#include <pthread.h>
#include <signal.h>

/*
 * Signals are for the loop's thread: the new one gets none but SIGSYS, by which the sandbox reaches
 * each thread. 0 or -errno.
 */
static inline int thread_start(pthread_t *thread, void *(*main)(void *opaque), void *opaque)
{
    sigset_t all, old;
    int error;

    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(thread, NULL, main, opaque);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return -error;
}
