/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/code_pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/boot.h"
#include "vmm/util/bits.h"

static uint64_t words_of(uint64_t ram_size)
{
    return BITS_WORDS(ram_size / RV_PAGE_SIZE);
}

size_t code_pages_size(uint64_t ram_size)
{
    return (2 + 2 * words_of(ram_size)) * sizeof(uint64_t);
}

void code_pages_place(struct code_pages *pages, uint64_t ram_size, void *memory, bool fresh)
{
    uint64_t *words = memory;

    *pages = (struct code_pages){
        .pending = words,
        .executable = words + 2,
        .stale = words + 2 + words_of(ram_size),
        .nr_pages = ram_size / RV_PAGE_SIZE,
    };
    if (!fresh)
        return;
    memset(memory, 0, code_pages_size(ram_size));
    bits_change(pages->executable, 0, pages->nr_pages, true);
}

int code_pages_init(struct code_pages *pages, uint64_t ram_size)
{
    void *memory = malloc(code_pages_size(ram_size));

    if (!memory)
        return -ENOMEM;
    code_pages_place(pages, ram_size, memory, true);
    pages->owned = memory;
    return 0;
}

void code_pages_free(struct code_pages *pages)
{
    free(pages->owned);
    *pages = (struct code_pages){0};
}

static struct code_run run_of(uint64_t page, uint64_t end)
{
    return (struct code_run){page * RV_PAGE_SIZE, (end - page) * RV_PAGE_SIZE};
}

/* Before the bits of these pages change, since the stub learns of it only later. */
static void pend(struct code_pages *pages, uint64_t page, uint64_t end)
{
    pages->pending[0] = page;
    __atomic_store_n(&pages->pending[1], end, __ATOMIC_RELEASE);
}

void code_pages_done(struct code_pages *pages)
{
    if (pages->pending)
        __atomic_store_n(&pages->pending[1], 0, __ATOMIC_RELEASE);
}

bool code_pages_left(struct code_pages *pages, struct code_run *run)
{
    uint64_t page = pages->pending[0], end = pages->pending[1];

    if (end > pages->nr_pages || page >= end)
        return false;
    bits_change(pages->stale, page, end, true);
    bits_change(pages->executable, page, end, false);
    *run = run_of(page, end);
    return true;
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
    bits_change(pages->stale, page, end, true);
    if (bits_next(pages->executable, page, end) == end)
        return false;
    page = page / region * region;
    end = (end + region - 1) / region * region;
    pend(pages, page, end);
    bits_change(pages->executable, page, end, false);
    *revoke = run_of(page, end);
    return true;
}

/* The first and the last page of the chunk, and one more. */
static void chunk_of(uint64_t offset, uint64_t *first, uint64_t *end)
{
    *first = offset / CODE_CHUNK * CODE_CHUNK / RV_PAGE_SIZE;
    *end = *first + CODE_CHUNK / RV_PAGE_SIZE;
}

bool code_pages_fetched(struct code_pages *pages, uint64_t offset, struct code_run *stale)
{
    uint64_t page = offset / RV_PAGE_SIZE, first, end, last;

    if (!bits_get(pages->stale, page))
        return false;
    chunk_of(offset, &first, &end);
    for (last = page + 1; last < end && bits_get(pages->stale, last); last++)
        ;
    while (page > first && bits_get(pages->stale, page - 1))
        page--;
    pend(pages, page, last);
    bits_change(pages->stale, page, last, false);
    *stale = run_of(page, last);
    return true;
}

/* Neither stale nor executable yet. */
static bool may_have_it(const struct code_pages *pages, uint64_t page)
{
    return !bits_get(pages->stale, page) && !bits_get(pages->executable, page);
}

bool code_pages_give(struct code_pages *pages, uint64_t offset, struct code_run *run)
{
    uint64_t page, end, last;

    chunk_of(offset, &page, &end);
    while (page < end && !may_have_it(pages, page))
        page++;
    for (last = page; last < end && may_have_it(pages, last); last++)
        ;
    if (last == page)
        return false;
    pend(pages, page, last);
    bits_change(pages->executable, page, last, true);
    *run = run_of(page, last);
    return true;
}
