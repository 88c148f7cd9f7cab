/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vhost-user back end for tests: a thread that answers on a socket, well or badly.
 * It serves no ring: a test does that by hand, with the descriptors that came.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define BACK_END_QUEUES 2u

enum back_end_evil {
    BACK_END_GOOD,
    BACK_END_SILENT,      /* no reply to `evil_at` */
    BACK_END_HANGS_UP,    /* closes instead of it */
    BACK_END_SHORT,       /* a payload that is too short */
    BACK_END_LONG,        /* one longer than any message */
    BACK_END_WRONG,       /* a reply to something else */
    BACK_END_DESCRIPTORS, /* twenty of them */
    BACK_END_GARBAGE,     /* 4 KiB of anything */
};

struct back_end {
    const char *path;
    int listener, connection;
    pthread_t thread;
    uint64_t features, protocol;
    enum back_end_evil evil;
    uint32_t evil_at; /* request */
    int channel;      /* its own requests */

    /* What it was told. Written by the thread, read when `settled` has been seen. */
    unsigned connections;
    unsigned requests; /* all of them */
    unsigned enabled;  /* bit n: ring n */
    unsigned stopped;  /* GET_VRING_BASE */
    uint64_t accepted; /* features */
    int rings;         /* a second piece of memory, or -1 */
    uint64_t rings_base, desc[BACK_END_QUEUES], avail[BACK_END_QUEUES], used[BACK_END_QUEUES];
    int memory, kick[BACK_END_QUEUES], call[BACK_END_QUEUES];
    uint64_t mmap_offset, region_bytes;
    uint16_t base[BACK_END_QUEUES]; /* as told, and as answered */
    unsigned inflight_asked, inflight_given;
    uint8_t wce;
    uint64_t capacity;
};

void back_end_start(struct back_end *back_end, const char *path);
void back_end_stop(struct back_end *back_end); /* as if it died; may be started again */

/* Reads what the thread writes. */
unsigned back_end_get(const unsigned *value);
