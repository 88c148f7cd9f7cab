/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many exits of each kind a VM has made, and how long the vmm took to answer them.
 * Counting costs an increment; every 16th exit of a kind is timed as well. On request
 * exits are also counted by what the guest accessed: a device's register, a system
 * register, a firmware function.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exit/decode.h"

/* Beside the kinds of decode.h: messages for which the guest does not wait. */
#define EXIT_STATS_POSTED EXIT_KINDS       /* writes */
#define EXIT_STATS_EOI    (EXIT_KINDS + 1) /* ends of interrupts */
#define EXIT_STATS_KINDS  (EXIT_KINDS + 2)

/* A power of two. The rarest of what the guest accesses beyond that is counted together. */
#define EXIT_STATS_PLACES 128u

/* What an exit accessed. */
struct exit_stats_place {
    uint8_t kind;  /* enum exit_kind, EXIT_STATS_POSTED or EXIT_STATS_EOI */
    bool write;    /* data abort, system register */
    uint64_t what; /* IPA, EXIT_SYSREG_KEY, function or INTID */
    uint64_t count;
};

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
    bool by_place; /* count by place, too */
    uint64_t elsewhere;
    struct exit_stats_place place[EXIT_STATS_PLACES];
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

/* Count an exit of this kind by what it accessed. Without `by_place` this does nothing. */
void exit_stats_at(struct exit_stats *stats, unsigned kind, bool write, uint64_t what);

/* All exits together. */
uint64_t exit_stats_total(const struct exit_stats *stats);

/* The `n` most frequent places, the most frequent first, in `out`. How many these are. */
unsigned exit_stats_places(const struct exit_stats *stats, struct exit_stats_place *out,
                           unsigned n);

/* Calls `show` for each kind that occurred, the most frequent first. */
void exit_stats_each(const struct exit_stats *stats,
                     void (*show)(void *opaque, const struct exit_stats_row *row), void *opaque);
