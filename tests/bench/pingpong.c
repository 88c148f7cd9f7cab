/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: pingpong CPU CPU SAMPLES
 *
 * What a cache line needs from one of the two CPUs to the other and back, in
 * nanoseconds, SAMPLES times, one a line. The other CPU does nothing but to
 * answer: no exchange of messages between the two can be faster.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/util/relax.h"

#define TRIPS       1024u /* in a sample: half a millisecond */
#define LINE        64
#define MAX_SAMPLES 100000l

/* Alone on its line, and on the pair of lines that a prefetcher takes for one. */
static struct {
    uint32_t v;
    uint8_t pad[2 * LINE - sizeof(uint32_t)];
} ball __attribute__((aligned(2 * LINE)));

static int pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* Odd numbers go there, even ones come back. Each acquire pairs with the other's release. */
static void wait_for(uint32_t value)
{
    while (__atomic_load_n(&ball.v, __ATOMIC_ACQUIRE) != value)
        relax();
}

static void put(uint32_t value)
{
    __atomic_store_n(&ball.v, value, __ATOMIC_RELEASE);
}

struct partner {
    unsigned cpu;
    uint32_t trips;
};

static void *answer(void *arg)
{
    const struct partner *partner = arg;
    int error = pin(partner->cpu);

    if (error) {
        fprintf(stderr, "pingpong: cannot run on CPU %u: %s\n", partner->cpu, strerror(error));
        exit(1);
    }
    for (uint32_t i = 0; i < partner->trips; i++) {
        wait_for(2 * i + 1);
        put(2 * i + 2);
    }
    return NULL;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int parse(const char *text, long max, long *value)
{
    char *end;

    *value = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *value <= max ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    long cpus[2], samples;
    struct partner partner;
    pthread_t thread;
    uint32_t sent = 0;
    int error;

    if (argc != 4 || parse(argv[1], CPU_SETSIZE - 1, &cpus[0]) ||
        parse(argv[2], CPU_SETSIZE - 1, &cpus[1]) || parse(argv[3], MAX_SAMPLES, &samples) ||
        cpus[0] == cpus[1] || samples == 0) {
        fprintf(stderr, "usage: pingpong CPU CPU SAMPLES\n");
        return 2;
    }
    partner = (struct partner){(unsigned)cpus[1], ((uint32_t)samples + 1) * TRIPS};
    error = pin((unsigned)cpus[0]);
    if (!error)
        error = pthread_create(&thread, NULL, answer, &partner);
    if (error) {
        fprintf(stderr, "pingpong: cannot run on CPU %ld: %s\n", cpus[0], strerror(error));
        return 1;
    }
    /* The first sample is the warm-up. */
    for (long i = 0; i <= samples; i++) {
        int64_t start = now_ns();

        for (unsigned n = 0; n < TRIPS; n++, sent++) {
            put(2 * sent + 1);
            wait_for(2 * sent + 2);
        }
        if (i > 0)
            printf("%.1f\n", (double)(now_ns() - start) / TRIPS);
    }
    pthread_join(thread, NULL);
    return 0;
}
