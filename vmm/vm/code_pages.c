/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/code_pages.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/boot.h"

#define WORD_BITS 64u

static bool get(const uint64_t *bits, uint64_t page)
{
    return bits[page / WORD_BITS] >> page % WORD_BITS & 1u;
}

/* Set or clear the bits [page, end), a word at a time. */
static void change(uint64_t *bits, uint64_t page, uint64_t end, bool value)
{
    while (page < end) {
        uint64_t left = WORD_BITS - page % WORD_BITS;
        uint64_t n = left < end - page ? left : end - page;
        uint64_t mask = ~0ull >> (WORD_BITS - n) << page % WORD_BITS;
        uint64_t *word = &bits[page / WORD_BITS];

        *word = value ? *word | mask : *word & ~mask;
        page += n;
    }
}

static bool any(const uint64_t *bits, uint64_t page, uint64_t end)
{
    for (; page < end; page++) {
        if (page % WORD_BITS == 0 && end - page >= WORD_BITS && !bits[page / WORD_BITS])
            page += WORD_BITS - 1;
        else if (get(bits, page))
            return true;
    }
    return false;
}

int code_pages_init(struct code_pages *pages, uint64_t ram_size)
{
    uint64_t nr_pages = ram_size / RV_PAGE_SIZE;
    uint64_t words = (nr_pages + WORD_BITS - 1) / WORD_BITS;

    *pages = (struct code_pages){
        .executable = calloc(words, sizeof(uint64_t)),
        .stale = calloc(words, sizeof(uint64_t)),
        .nr_pages = nr_pages,
    };
    if (!pages->executable || !pages->stale) {
        code_pages_free(pages);
        return -ENOMEM;
    }
    change(pages->executable, 0, nr_pages, true);
    return 0;
}

void code_pages_free(struct code_pages *pages)
{
    free(pages->executable);
    free(pages->stale);
    *pages = (struct code_pages){0};
}

bool code_pages_written(struct code_pages *pages, uint64_t offset, uint64_t size,
                        struct code_run *revoke)
{
    const uint64_t region = CODE_REGION / RV_PAGE_SIZE;
    uint64_t page = offset / RV_PAGE_SIZE;
    uint64_t end;

    if (!pages->executable || !size || page >= pages->nr_pages)
        return false;
    end = (size - 1 > UINT64_MAX - offset ? UINT64_MAX : offset + size - 1) / RV_PAGE_SIZE + 1;
    if (end > pages->nr_pages)
        end = pages->nr_pages;
    change(pages->stale, page, end, true);
    if (!any(pages->executable, page, end))
        return false;
    page = page / region * region;
    end = (end + region - 1) / region * region;
    change(pages->executable, page, end, false);
    *revoke = (struct code_run){page * RV_PAGE_SIZE, (end - page) * RV_PAGE_SIZE};
    return true;
}

/* The first and the last page of the chunk, and one more. */
static void chunk_of(uint64_t offset, uint64_t *first, uint64_t *end)
{
    *first = offset / CODE_CHUNK * CODE_CHUNK / RV_PAGE_SIZE;
    *end = *first + CODE_CHUNK / RV_PAGE_SIZE;
}

static struct code_run run_of(uint64_t page, uint64_t end)
{
    return (struct code_run){page * RV_PAGE_SIZE, (end - page) * RV_PAGE_SIZE};
}

bool code_pages_fetched(struct code_pages *pages, uint64_t offset, struct code_run *stale)
{
    uint64_t page = offset / RV_PAGE_SIZE, first, end, last;

    if (!get(pages->stale, page))
        return false;
    chunk_of(offset, &first, &end);
    for (last = page + 1; last < end && get(pages->stale, last); last++)
        ;
    while (page > first && get(pages->stale, page - 1))
        page--;
    change(pages->stale, page, last, false);
    *stale = run_of(page, last);
    return true;
}

/* Neither stale nor executable yet. */
static bool may_have_it(const struct code_pages *pages, uint64_t page)
{
    return !get(pages->stale, page) && !get(pages->executable, page);
}

bool code_pages_give(struct code_pages *pages, uint64_t offset, struct code_run *run)
{
    uint64_t page, end, last;

    chunk_of(offset, &page, &end);
    while (page < end && !may_have_it(pages, page))
        page++;
    for (last = page; last < end && may_have_it(pages, last); last++)
        ;
    change(pages->executable, page, last, true);
    *run = run_of(page, last);
    return last > page;
}
