/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/stale.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/boot.h"

#define WORD_BITS 64u

static uint64_t words(const struct stale *stale)
{
    return (stale->nr_pages + WORD_BITS - 1) / WORD_BITS;
}

static bool is_set(const struct stale *stale, uint64_t page)
{
    return stale->bits[page / WORD_BITS] >> page % WORD_BITS & 1u;
}

static void clear(struct stale *stale, uint64_t page)
{
    stale->bits[page / WORD_BITS] &= ~(1ull << page % WORD_BITS);
    stale->count--;
}

int stale_init(struct stale *stale, uint64_t ram_size)
{
    *stale = (struct stale){.nr_pages = ram_size / RV_PAGE_SIZE};
    stale->bits = calloc(words(stale), sizeof(*stale->bits));
    return stale->bits ? 0 : -ENOMEM;
}

void stale_free(struct stale *stale)
{
    free(stale->bits);
    stale->bits = NULL;
}

void stale_mark(struct stale *stale, uint64_t offset, uint64_t size)
{
    uint64_t page = offset / RV_PAGE_SIZE;
    uint64_t end = (offset + size - 1) / RV_PAGE_SIZE + 1;

    if (!stale->bits || !size)
        return;
    if (end > stale->nr_pages)
        end = stale->nr_pages;
    /* A word at a time: all of RAM may be marked for each piece of code that the guest loads. */
    while (page < end) {
        uint64_t n =
            WORD_BITS - page % WORD_BITS < end - page ? WORD_BITS - page % WORD_BITS : end - page;
        uint64_t mask = ~0ull >> (WORD_BITS - n) << page % WORD_BITS;
        uint64_t *word = &stale->bits[page / WORD_BITS];

        stale->count += (uint64_t)__builtin_popcountll(mask & ~*word);
        *word |= mask;
        page += n;
    }
}

bool stale_take(struct stale *stale, uint64_t offset)
{
    uint64_t page = offset / RV_PAGE_SIZE;

    if (!stale->count || page >= stale->nr_pages || !is_set(stale, page))
        return false;
    clear(stale, page);
    return true;
}

bool stale_take_run(struct stale *stale, uint64_t *offset, uint64_t *size)
{
    uint64_t page = *offset / RV_PAGE_SIZE;

    if (!stale->count)
        return false;
    while (page < stale->nr_pages && !is_set(stale, page)) {
        if (page % WORD_BITS == 0 && !stale->bits[page / WORD_BITS])
            page += WORD_BITS;
        else
            page++;
    }
    *offset = page * RV_PAGE_SIZE;
    *size = 0;
    for (; page < stale->nr_pages && is_set(stale, page); page++) {
        clear(stale, page);
        *size += RV_PAGE_SIZE;
    }
    return *size != 0;
}

void stale_clear(struct stale *stale)
{
    if (stale->bits)
        memset(stale->bits, 0, words(stale) * sizeof(*stale->bits));
    stale->count = 0;
}
