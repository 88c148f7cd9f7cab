/* SPDX-License-Identifier: BSD-2-Clause */
/* Resource /exits: which exits the guest made, and how long the vmm took to answer them. */
#include <inttypes.h>

#include "vmm/control/control_internal.h"

/* Each bucket by what its times are less than; null: the others. Those after the last are left out. */
static json_t *histogram(const struct exit_stat *stat)
{
    json_t *list = json_array();
    unsigned end = EXIT_STATS_BUCKETS;

    while (end && !stat->bucket[end - 1])
        end--;
    for (unsigned i = 0; i < end; i++) {
        json_t *below = i < EXIT_STATS_BUCKETS - 1
                            ? json_integer((json_int_t)1 << (i + EXIT_STATS_SHIFT))
                            : json_null();

        json_array_append_new(list, json_pack("{s:o,s:o}", "below_ns", below, "count",
                                              control_number(stat->bucket[i])));
    }
    return list;
}

static void add_kind(void *opaque, const struct exit_stats_row *row)
{
    json_array_append_new(
        opaque, json_pack("{s:s,s:o,s:o,s:o,s:o}", "kind", row->name, "count",
                          control_number(row->count), "timed", control_number(row->stat->timed),
                          "mean_ns", control_number(row->mean_ns), "times", histogram(row->stat)));
}

void control_exits_list(struct control_call *call)
{
    const struct exit_stats *stats = &call->target->vm->exits.stats;
    json_t *list = json_array();

    exit_stats_each(stats, add_kind, list);
    control_answer(
        call, CONTROL_OK,
        json_pack("{s:o,s:o}", "total", control_number(exit_stats_total(stats)), "exits", list));
}
