/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation tables with the 4 KiB granule (Arm ARM D8.3), for stage 2 and for
 * the stub's own stage 1: the descriptors have one layout, only the attributes
 * differ. Level 1 entries map 1 GiB, level 2 ones 2 MiB, level 3 ones 4 KiB.
 *
 * The caller has checked that addresses and sizes are multiples of 4 KiB, do
 * not wrap, and fit into the root table.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define ENTRIES 512u

/* Table pages: those never used yet, and those given back. */
static uint64_t pool_next, pool_end;
static uint64_t *pool_free;

void pgtable_pool(uint64_t start, uint64_t end)
{
    pool_next = start;
    pool_end = end;
    pool_free = NULL;
}

static uint64_t *table_alloc(void)
{
    uint64_t *table = pool_free;

    if (table) {
        pool_free = (uint64_t *)table[0];
    } else if (pool_end - pool_next >= RV_PAGE_SIZE) {
        table = (uint64_t *)pool_next;
        pool_next += RV_PAGE_SIZE;
    } else {
        return NULL;
    }
    for (unsigned i = 0; i < ENTRIES; i++)
        table[i] = 0;
    return table;
}

static uint64_t level_size(unsigned level)
{
    return 1ull << (39 - 9 * level);
}

static bool is_table(uint64_t pte, unsigned level)
{
    return level < 3 && (pte & 3) == PTE_TABLE;
}

/* A walker may read an entry while it is written: one single store. */
static void pte_set(uint64_t *pte, uint64_t value)
{
    __atomic_store_n(pte, value, __ATOMIC_RELEASE);
}

/* The entry for `in` at `*level` or, if the walk ends before, where it ends. */
static uint64_t *walk(uint64_t *root, uint64_t in, unsigned *level)
{
    unsigned want = *level;
    uint64_t *pte = &root[in >> 30];

    for (*level = 1; *level < want && is_table(*pte, *level); ++*level) {
        uint64_t *table = (uint64_t *)(*pte & PTE_ADDR);

        pte = &table[in >> (30 - 9 * *level) & (ENTRIES - 1)];
    }
    return pte;
}

/* The same, and missing tables are made. NULL: none left, or a block is in the way. */
static uint64_t *walk_alloc(uint64_t *root, uint64_t in, unsigned want)
{
    for (;;) {
        unsigned level = want;
        uint64_t *pte = walk(root, in, &level);

        if (level == want)
            return pte;
        uint64_t *table = *pte & PTE_VALID ? NULL : table_alloc();
        if (!table)
            return NULL;
        pte_set(pte, (uint64_t)table | PTE_TABLE);
    }
}

/* The highest level whose entries can map what is left, and is not a table there yet. */
static unsigned leaf_level(uint64_t *root, uint64_t in, uint64_t out, uint64_t left,
                           bool pages_only)
{
    unsigned level = pages_only ? 3 : 1;

    for (; level < 3; level++) {
        unsigned at = level;
        uint64_t pte = *walk(root, in, &at);

        if (((in | out) & (level_size(level) - 1)) == 0 && left >= level_size(level) &&
            !(at == level && is_table(pte, level)))
            break;
    }
    return level;
}

/*
 * Map `size` bytes from `in` to `out`. All of it must be unmapped before: the
 * first pass makes the tables and looks, the second writes the entries.
 * 0, RV_REFUSED_OVERLAP, or -1: no table page left; then nothing is mapped.
 */
int pgtable_map(uint64_t *root, uint64_t in, uint64_t out, uint64_t size, uint64_t attr,
                bool pages_only)
{
    for (int commit = 0; commit <= 1; commit++) {
        for (uint64_t done = 0; done < size;) {
            unsigned level = leaf_level(root, in + done, out + done, size - done, pages_only);
            unsigned at = level;

            if (*walk(root, in + done, &at) & PTE_VALID)
                return RV_REFUSED_OVERLAP;
            uint64_t *pte = walk_alloc(root, in + done, level);
            if (!pte)
                return -1;
            if (commit)
                pte_set(pte, (out + done) | attr | (level == 3 ? PTE_TABLE : PTE_VALID));
            done += level_size(level);
        }
    }
    dsb_ish(); /* the entries are visible to the walkers before anyone relies on them */
    return 0;
}

/*
 * If a block reaches across `in`, replace it by a table of smaller entries, until
 * an entry begins at `in`. An entry is invalid, and out of the TLBs, before it
 * changes its size (break-before-make, Arm ARM D8.14.1). 0, or -1: no page left.
 */
int pgtable_split(uint64_t *root, uint64_t in)
{
    for (;;) {
        unsigned level = 3;
        uint64_t *pte = walk(root, in, &level);
        uint64_t old = *pte;

        if (level == 3 || !(old & PTE_VALID) || (in & (level_size(level) - 1)) == 0)
            return 0;
        uint64_t *table = table_alloc();
        if (!table)
            return -1;
        for (unsigned i = 0; i < ENTRIES; i++)
            table[i] = (old + i * level_size(level + 1)) | (level == 2 ? PTE_TABLE : PTE_VALID);
        pte_set(pte, 0);
        tlb_flush_vm();
        pte_set(pte, (uint64_t)table | PTE_TABLE);
        dsb_ish();
    }
}

/* Is every byte of the range mapped, and do entries begin and end at its ends? */
bool pgtable_covers(uint64_t *root, uint64_t in, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        unsigned level = 3;

        if (!(*walk(root, in + done, &level) & PTE_VALID))
            return false;
        done += level_size(level) - ((in + done) & (level_size(level) - 1));
    }
    return true;
}

/*
 * For every mapped entry in the range: keep the bits in `keep`, set those in
 * `set`. With both 0 the range is unmapped. The ends have been split before.
 */
void pgtable_update(uint64_t *root, uint64_t in, uint64_t size, uint64_t keep, uint64_t set)
{
    for (uint64_t done = 0; done < size;) {
        unsigned level = 3;
        uint64_t *pte = walk(root, in + done, &level);

        if (*pte & PTE_VALID)
            pte_set(pte, (*pte & keep) | set);
        done += level_size(level) - ((in + done) & (level_size(level) - 1));
    }
    tlb_flush_vm();
}

static void table_free(uint64_t *table)
{
    table[0] = (uint64_t)pool_free;
    pool_free = table;
}

/* Give back all tables below a root, which is empty then. */
void pgtable_free(uint64_t *root, unsigned entries)
{
    for (unsigned i = 0; i < entries; i++) {
        uint64_t *table = is_table(root[i], 1) ? (uint64_t *)(root[i] & PTE_ADDR) : NULL;

        pte_set(&root[i], 0);
        if (!table)
            continue;
        for (unsigned j = 0; j < ENTRIES; j++) {
            if (is_table(table[j], 2))
                table_free((uint64_t *)(table[j] & PTE_ADDR));
        }
        table_free(table);
    }
}
