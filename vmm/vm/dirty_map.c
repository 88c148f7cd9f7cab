/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/dirty_map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/util/bits.h"

static size_t set_size(uint64_t nr_pages)
{
    return BITS_WORDS(nr_pages) * sizeof(uint64_t);
}

size_t dirty_map_size(uint64_t nr_pages)
{
    return sizeof(struct dirty_head) + 2 * set_size(nr_pages);
}

static void place(struct dirty_map *map, void *memory, uint64_t nr_pages)
{
    uint64_t *sets = (void *)((uint8_t *)memory + sizeof(struct dirty_head));

    *map = (struct dirty_map){
        .head = memory,
        .set = {sets, sets + BITS_WORDS(nr_pages)},
        .nr_pages = nr_pages,
    };
}

void dirty_map_new(struct dirty_map *map, void *memory, uint64_t nr_pages)
{
    place(map, memory, nr_pages);
    bits_change(map->set[0], 0, nr_pages, true);
}

int dirty_map_attach(struct dirty_map *map, void *memory, size_t size, uint64_t nr_pages)
{
    const struct dirty_head *head = memory;

    if (size != dirty_map_size(nr_pages) || head->counts > 1 ||
        !memchr(head->base[head->counts], '\0', DIRTY_BASE_MAX))
        return -EINVAL;
    place(map, memory, nr_pages);
    return 0;
}

static unsigned counting(const struct dirty_map *map)
{
    return map->head->counts & 1u;
}

/* The set since the last cut. */
static unsigned newest(const struct dirty_map *map)
{
    return counting(map) ^ map->cut;
}

void dirty_map_add(struct dirty_map *map, uint64_t page, uint64_t end)
{
    if (end > map->nr_pages)
        end = map->nr_pages;
    bits_change(map->set[counting(map)], page, end, true);
    if (map->cut)
        bits_change(map->set[newest(map)], page, end, true);
}

bool dirty_map_has(const struct dirty_map *map, uint64_t page)
{
    return page < map->nr_pages && bits_get(map->set[newest(map)], page);
}

const uint64_t *dirty_map_pages(const struct dirty_map *map)
{
    return map->set[counting(map)];
}

const char *dirty_map_base(const struct dirty_map *map)
{
    return map->head->base[counting(map)];
}

void dirty_map_cut(struct dirty_map *map)
{
    memset(map->set[counting(map) ^ 1u], 0, set_size(map->nr_pages));
    map->cut = true;
}

void dirty_map_commit(struct dirty_map *map, const char *base)
{
    unsigned next = newest(map);

    snprintf(map->head->base[next], DIRTY_BASE_MAX, "%s", base);
    map->cut = false;
    __atomic_store_n(&map->head->counts, next, __ATOMIC_RELEASE);
}

void dirty_map_abort(struct dirty_map *map)
{
    map->cut = false;
}
