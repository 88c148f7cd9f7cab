/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many exits of each kind a VM has made, and how long the vmm took to answer them.
 * Counting costs an increment; every 16th exit of a kind is timed as well.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exit/decode.h"

/* Beside the kinds of decode.h: writes that the guest does not wait for. */
#define EXIT_STATS_POSTED EXIT_KINDS
#define EXIT_STATS_KINDS  (EXIT_KINDS + 1)

/* A histogram: bucket n has what took less than 2^(n + EXIT_STATS_SHIFT) ns, the last one the rest. */
#define EXIT_STATS_SHIFT   8u
#define EXIT_STATS_BUCKETS 20u

/* Plain bytes, so that another process can be shown them. */
struct exit_stats {
    struct exit_stat {
        uint64_t count;
        uint64_t timed; /* of these, so many were timed */
        uint64_t ns;    /* and took so long together */
        uint64_t bucket[EXIT_STATS_BUCKETS];
    } kind[EXIT_STATS_KINDS];
};

/* One line of the table. */
struct exit_stats_row {
    const char *name;
    uint64_t count;
    unsigned permille; /* of all exits, rounded down */
    uint64_t mean_ns;  /* from the event in the vmm's hands to the reply */
    const struct exit_stat *stat;
};

/*
 * Around the handling of an exit: what begin() returns goes to end(). 0: this one is not
 * timed.
 */
int64_t exit_stats_begin(struct exit_stats *stats, unsigned kind);
void exit_stats_end(struct exit_stats *stats, unsigned kind, int64_t begun);

/* All exits together. */
uint64_t exit_stats_total(const struct exit_stats *stats);

/* Calls `show` for each kind that occurred, the most frequent first. */
void exit_stats_each(const struct exit_stats *stats,
                     void (*show)(void *opaque, const struct exit_stats_row *row), void *opaque);
