/* SPDX-License-Identifier: BSD-2-Clause */
/* The clocks of this host. */
#pragma once

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S  1000000000
#define CLOCK_NS_PER_MS 1000000

static inline int64_t clock_read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * (int64_t)CLOCK_NS_PER_S + now.tv_nsec;
}

/* Nanoseconds since some moment in the past; never goes backwards: for intervals and deadlines. */
static inline int64_t clock_now_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/* Nanoseconds since 1970-01-01 UTC; may be set. */
static inline int64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

/* Nanoseconds that this thread has run on a processor. */
static inline int64_t clock_thread_ns(void)
{
    return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static inline int64_t clock_now_ms(void)
{
    return clock_now_ns() / CLOCK_NS_PER_MS;
}
