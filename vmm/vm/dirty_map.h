/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of a VM's memory were written since its last snapshot, the base of the next one.
 *
 * There are two sets of pages, and a base for each. One of them counts. While the next snapshot is
 * made, the other set is filled as well, from the moment of that snapshot's cut on. It counts as soon
 * as the snapshot is whole: one store says so. If the snapshot fails, or this process dies, the set
 * that counts still has every page.
 *
 * Who lets the guest write a page adds it before. So what stage 2 lets the guest write is in the set
 * that counts, at any moment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIRTY_BASE_MAX 80u /* bytes of a base's name, with its NUL */

/* At the start of the memory, which outlives this process. */
struct dirty_head {
    uint32_t counts; /* the set that does: 0 or 1 */
    uint8_t pad[28];
    char base[2]
             [DIRTY_BASE_MAX]; /* of each set; empty: there is none, and every page is in the set */
};
_Static_assert(sizeof(struct dirty_head) == 192, "state block layout");

struct dirty_map {
    struct dirty_head *head; /* NULL: nothing is tracked */
    uint64_t *set[2];        /* a bit for each page */
    uint64_t nr_pages;
    bool cut; /* from dirty_map_cut() to its end */
};

size_t dirty_map_size(uint64_t nr_pages);

/* In new memory, zeroed, of dirty_map_size() bytes: without a base. */
void dirty_map_new(struct dirty_map *map, void *memory, uint64_t nr_pages);

/* As another process has left it: a cut that was not ended then has failed. 0, or -EINVAL: damaged. */
int dirty_map_attach(struct dirty_map *map, void *memory, size_t size, uint64_t nr_pages);

/* The pages [page, end) are written, or may be from now on. */
void dirty_map_add(struct dirty_map *map, uint64_t page, uint64_t end);

/* Was the page added, since the cut if there is one? */
bool dirty_map_has(const struct dirty_map *map, uint64_t page);

/* The pages that were written since the base, and its name. They hold until dirty_map_commit(). */
const uint64_t *dirty_map_pages(const struct dirty_map *map);
const char *dirty_map_base(const struct dirty_map *map);

/*
 * The snapshot has what the memory has now: no page is written since. It ends with a commit, and
 * then is the base of that name, or with an abort.
 */
void dirty_map_cut(struct dirty_map *map);
void dirty_map_commit(struct dirty_map *map, const char *base);
void dirty_map_abort(struct dirty_map *map);
