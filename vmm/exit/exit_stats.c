/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/exit_stats.h"

#include "vmm/util/clock.h"

#define TIMED_EVERY 16u

static unsigned exit_stats_bucket(uint64_t ns)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(ns | 1);

    if (bits <= EXIT_STATS_SHIFT)
        return 0;
    bits -= EXIT_STATS_SHIFT;
    return bits < EXIT_STATS_BUCKETS ? bits : EXIT_STATS_BUCKETS - 1;
}

int64_t exit_stats_begin(struct exit_stats *stats, unsigned kind)
{
    return stats->kind[kind].count++ % TIMED_EVERY ? 0 : clock_now_ns();
}

void exit_stats_end(struct exit_stats *stats, unsigned kind, int64_t begun)
{
    struct exit_stat *stat = &stats->kind[kind];
    uint64_t ns;

    if (!begun)
        return;
    ns = (uint64_t)(clock_now_ns() - begun);
    stat->timed++;
    stat->ns += ns;
    stat->bucket[exit_stats_bucket(ns)]++;
}

uint64_t exit_stats_total(const struct exit_stats *stats)
{
    uint64_t total = 0;

    for (unsigned kind = 0; kind < EXIT_STATS_KINDS; kind++)
        total += stats->kind[kind].count;
    return total;
}

/* The most frequent kind that has not been shown; EXIT_STATS_KINDS: none is left. */
static unsigned most_frequent(const struct exit_stats *stats, const bool *shown)
{
    unsigned best = EXIT_STATS_KINDS;

    for (unsigned kind = 0; kind < EXIT_STATS_KINDS; kind++) {
        if (!shown[kind] && stats->kind[kind].count &&
            (best == EXIT_STATS_KINDS || stats->kind[kind].count > stats->kind[best].count))
            best = kind;
    }
    return best;
}

void exit_stats_each(const struct exit_stats *stats,
                     void (*show)(void *opaque, const struct exit_stats_row *row), void *opaque)
{
    bool shown[EXIT_STATS_KINDS] = {false};
    uint64_t total = exit_stats_total(stats);
    unsigned kind;

    while ((kind = most_frequent(stats, shown)) != EXIT_STATS_KINDS) {
        const struct exit_stat *stat = &stats->kind[kind];
        const struct exit_stats_row row = {
            .name = kind == EXIT_STATS_POSTED ? "posted write" : decode_kind_name(kind),
            .count = stat->count,
            .permille = (unsigned)((double)stat->count * 1000 / (double)total),
            .mean_ns = stat->timed ? stat->ns / stat->timed : 0,
            .stat = stat,
        };

        shown[kind] = true;
        show(opaque, &row);
    }
}
