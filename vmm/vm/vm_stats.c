/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_stats.h"

#include <inttypes.h>
#include <stdio.h>

#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

#define PLACES 16u

static void show_kind(void *opaque, const struct exit_stats_row *row)
{
    log_debug("%12" PRIu64 " %3u.%u %% %8" PRIu64 " ns  %s", row->count, row->permille / 10,
              row->permille % 10, row->mean_ns, row->name);
}

/* "read of pl011@9000000 + 0x18" */
static void name_place(const struct vm *vm, const struct exit_stats_place *place, char *text,
                       size_t size)
{
    const char *how = place->write ? "write" : "read";
    uint16_t key = (uint16_t)place->what;
    const char *name;
    uint64_t offset;

    switch (place->kind) {
    case EXIT_STATS_POSTED:
        how = "posted write";
        /* fall through */
    case EXIT_DATA_ABORT:
        name = bus_name(vm->bus, ipa(place->what), &offset);
        snprintf(text, size, "%s of %s + 0x%" PRIx64, how, name ? name : "nothing at", offset);
        break;
    case EXIT_SYSREG:
        name = sysreg_name(key);
        snprintf(text, size, "%s of S%u_%u_C%u_C%u_%u (%s)", how, key >> 14, key >> 11 & 7u,
                 key >> 7 & 15u, key >> 3 & 15u, key & 7u, name ? name : "not emulated");
        break;
    case EXIT_STATS_EOI: snprintf(text, size, "end of interrupt %" PRIu64, place->what); break;
    default:
        snprintf(text, size, "%s, function 0x%" PRIx64, decode_kind_name(place->kind), place->what);
        break;
    }
}

static void show_places(const struct vm *vm)
{
    const struct exit_stats *stats = &vm->exits.stats;
    struct exit_stats_place places[PLACES];
    unsigned n = exit_stats_places(stats, places, PLACES);
    uint64_t rest = exit_stats_total(stats);
    char text[128];

    if (!stats->by_place || !n)
        return;
    log_debug("of these:");
    for (unsigned i = 0; i < n; i++) {
        name_place(vm, &places[i], text, sizeof(text));
        log_debug("%12" PRIu64 "  %s", places[i].count, text);
        rest -= places[i].count;
    }
    log_debug("%12" PRIu64 "  others", rest);
}

void vm_stats_show(const struct vm *vm)
{
    const struct exit_stats *stats = &vm->exits.stats;

    log_debug("%12" PRIu64 " exits: count, share, mean time until the answer",
              exit_stats_total(stats));
    exit_stats_each(stats, show_kind, NULL);
    show_places(vm);
}
