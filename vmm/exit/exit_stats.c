/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/exit_stats.h"

#include <string.h>

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

/* A guest chooses the addresses: the search is short however it does. */
#define PLACE_PROBES 8u

static unsigned place_slot(unsigned kind, bool write, uint64_t what)
{
    uint64_t key = what ^ (uint64_t)kind << 56 ^ (uint64_t)write << 55;

    return (unsigned)(key * 0x9e3779b97f4a7c15ull >> 57) % EXIT_STATS_PLACES;
}

/*
 * A guest touches hundreds of registers once while it starts, and a few all the time later: a
 * new place takes the room of the rarest one that it meets.
 */
void exit_stats_at(struct exit_stats *stats, unsigned kind, bool write, uint64_t what)
{
    unsigned slot = place_slot(kind, write, what);
    struct exit_stats_place *rarest = &stats->place[slot];

    if (!stats->by_place)
        return;
    for (unsigned i = 0; i < PLACE_PROBES; i++, slot = (slot + 1) % EXIT_STATS_PLACES) {
        struct exit_stats_place *place = &stats->place[slot];

        if (place->count && place->kind == kind && place->write == write && place->what == what) {
            place->count++;
            return;
        }
        if (place->count < rarest->count)
            rarest = place;
    }
    stats->elsewhere += rarest->count;
    *rarest =
        (struct exit_stats_place){.kind = (uint8_t)kind, .write = write, .what = what, .count = 1};
}

unsigned exit_stats_places(const struct exit_stats *stats, struct exit_stats_place *out, unsigned n)
{
    unsigned used = 0;

    for (unsigned i = 0; i < EXIT_STATS_PLACES; i++) {
        unsigned at = used < n ? used : n;

        while (at > 0 && out[at - 1].count < stats->place[i].count)
            at--;
        if (!stats->place[i].count || at == n)
            continue;
        used += used < n;
        memmove(out + at + 1, out + at, (used - at - 1) * sizeof(*out));
        out[at] = stats->place[i];
    }
    return used;
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

static const char *kind_name(unsigned kind)
{
    switch (kind) {
    case EXIT_STATS_POSTED: return "posted write";
    case EXIT_STATS_EOI: return "end of interrupt";
    default: return decode_kind_name(kind);
    }
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
            .name = kind_name(kind),
            .count = stat->count,
            .permille = (unsigned)((double)stat->count * 1000 / (double)total),
            .mean_ns = stat->timed ? stat->ns / stat->timed : 0,
            .stat = stat,
        };

        shown[kind] = true;
        show(opaque, &row);
    }
}
