/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation tables with the 4 KiB granule (Arm ARM D8.3), for stage 2 and for
 * the stub's own stage 1: the descriptors have one layout, only the attributes
 * differ. Level 1 entries map 1 GiB, level 2 ones 2 MiB, level 3 ones 4 KiB.
 *
 * `first` is the level of the root table, 1 or 2. The caller has checked that addresses and
 * sizes are multiples of 4 KiB, do not wrap, and fit into the root table.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define ENTRIES 512u

uint64_t pgtable_next, pgtable_end;

/* An empty table of `size` bytes, a power of two, aligned to it; or NULL. */
uint64_t *pgtable_alloc(uint64_t size)
{
    uint64_t start = (pgtable_next + size - 1) & ~(size - 1);
    uint64_t *table = (uint64_t *)start;

    if (!range_inside(start, size, pgtable_next, pgtable_end - pgtable_next))
        return NULL;
    pgtable_next = start + size;
    for (uint64_t i = 0; i < size / sizeof(*table); i++)
        table[i] = 0;
    return table;
}

#define LEVEL_SIZE(level)    (1ull << (39 - 9 * (level)))
#define IS_TABLE(pte, level) ((level) < 3 && ((pte)&3) == PTE_TABLE)

/* A walker may read an entry while it is written: one single store. */
static void pte_set(uint64_t *pte, uint64_t value)
{
    __atomic_store_n(pte, value, __ATOMIC_RELEASE);
}

/* The entry for `in` at `*level` or, if the walk ends before, where it ends. */
static uint64_t *walk(uint64_t *root, unsigned first, uint64_t in, unsigned *level)
{
    unsigned want = *level;
    uint64_t *pte = &root[in / LEVEL_SIZE(first)];

    for (*level = first; *level < want && IS_TABLE(*pte, *level); ++*level) {
        uint64_t *table = (uint64_t *)(*pte & PTE_ADDR);

        pte = &table[in >> (30 - 9 * *level) & (ENTRIES - 1)];
    }
    return pte;
}

/*
 * The level, from `level` on, of the largest entry that may begin at both addresses and maps no
 * more than `size`.
 */
static unsigned choose_level(unsigned level, uint64_t in, uint64_t out, uint64_t size)
{
    while (level < 3 && (size < LEVEL_SIZE(level) || (in | out) % LEVEL_SIZE(level)))
        level++;
    return level;
}

/*
 * Map `size` bytes from `in` to `out`. All of it must be unmapped before: the
 * first pass looks and makes the tables, the second writes the entries. It takes at most
 * `steps` entries and tables. 0, RV_REFUSED_OVERLAP, RV_REFUSED_RANGE: more steps are
 * needed, or NO_ROOM: no table page left; then nothing is mapped.
 */
int pgtable_map(uint64_t *root, unsigned first, uint64_t in, uint64_t out, uint64_t size,
                uint64_t attr, bool pages_only, uint32_t steps)
{
    for (int commit = 0; commit <= 1; commit++) {
        for (uint64_t done = 0; done < size;) {
            unsigned level =
                pages_only ? 3 : choose_level(first, in + done, out + done, size - done);
            unsigned at = level;
            uint64_t *pte = walk(root, first, in + done, &at);

            while (IS_TABLE(*pte, at)) { /* a level further down there may be room */
                at = ++level;
                pte = walk(root, first, in + done, &at);
            }
            if (*pte & PTE_VALID)
                return RV_REFUSED_OVERLAP;
            if (!commit && steps-- == 0)
                return RV_REFUSED_RANGE;
            if (at < level) {
                uint64_t *table = pgtable_alloc(RV_PAGE_SIZE);

                if (!table)
                    return NO_ROOM;
                pte_set(pte, (uint64_t)table | PTE_TABLE);
                continue; /* one level further down */
            }
            if (commit)
                pte_set(pte, (out + done) | attr | (level == 3 ? PTE_TABLE : PTE_VALID));
            done += LEVEL_SIZE(level);
        }
    }
    dsb_ish(); /* the entries are there for the walkers before anyone relies on them */
    return 0;
}

/*
 * Give every entry of the range, of stage 2, the permissions in `attr`. All of it must be mapped, by
 * entries that do not reach beyond it: the first pass looks. `attr` 0: unmap it; what is not mapped
 * stays so. 0, RV_REFUSED_OVERLAP, or RV_REFUSED_RANGE: more than RV_MAX_ENTRIES.
 */
int pgtable_protect(uint64_t *root, unsigned first, uint64_t in, uint64_t size, uint64_t attr)
{
    uint32_t steps = RV_MAX_ENTRIES;

    for (int commit = 0; commit <= 1; commit++) {
        for (uint64_t done = 0; done < size;) {
            unsigned level = 3;
            uint64_t *pte = walk(root, first, in + done, &level);

            if (!commit && steps-- == 0)
                return RV_REFUSED_RANGE;
            if (!attr && !(*pte & PTE_VALID)) {
                done += LEVEL_SIZE(level) - ((in + done) & (LEVEL_SIZE(level) - 1));
                continue;
            }
            if (!(*pte & PTE_VALID) || (in + done) & (LEVEL_SIZE(level) - 1) ||
                size - done < LEVEL_SIZE(level))
                return RV_REFUSED_OVERLAP;
            done += LEVEL_SIZE(level);
            if (commit)
                pte_set(pte, attr ? (*pte & ~S2_PERMISSIONS) | attr : 0);
        }
    }
    return 0;
}
