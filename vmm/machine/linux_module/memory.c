// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Memory of a process that a VM gets. It is in huge pages, so that stage 2 needs few tables;
 * each is pinned by its first page, and stays where it is until memory_release().
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "module.h"

#define PAGES_AT_ONCE 1024 /* then others may have the CPU */

/* A guest's stage 2 has 40 bits of output address (VTCR_EL2.PS), as its IPAs have. */
#define PA_LIMIT (1ull << RV_IPA_BITS)

/* Is it the start of 2 MiB or more of memory in one piece? */
static bool is_block(struct page *page)
{
    return PageHuge(page) && compound_nr(compound_head(page)) >= RV_BLOCK_SIZE / PAGE_SIZE &&
           page_to_phys(page) % RV_BLOCK_SIZE == 0;
}

void memory_release(struct memory *memory)
{
    u64 i;

    for (i = 0; i < memory->nr_blocks; i++) {
        /* What the guest has stored past the caches must be what the kernel finds. */
        stub_clean_range(page_address(memory->block[i]), RV_BLOCK_SIZE);
        unpin_user_page(memory->block[i]);
        if (i % PAGES_AT_ONCE == 0)
            cond_resched();
    }
    kvfree(memory->block);
    memory->block = NULL;
    memory->nr_blocks = 0;
}

int memory_pin(struct memory *memory, u64 address, u64 size)
{
    u64 nr = size / RV_BLOCK_SIZE;
    long got = 0;

    if ((address | size) % RV_BLOCK_SIZE || !size || address + size < address)
        return -EINVAL;
    if (nr > totalram_pages() / (RV_BLOCK_SIZE / PAGE_SIZE))
        return -ENOMEM;
    memory->block = kvcalloc(nr, sizeof(*memory->block), GFP_KERNEL_ACCOUNT);
    if (!memory->block)
        return -ENOMEM;
    while (memory->nr_blocks < nr) {
        struct page **block = &memory->block[memory->nr_blocks];

        got = pin_user_pages_fast(address + memory->nr_blocks * RV_BLOCK_SIZE, 1,
                                  FOLL_WRITE | FOLL_LONGTERM, block);
        if (got != 1)
            break;
        memory->nr_blocks++;
        if (!is_block(*block) || fatal_signal_pending(current)) {
            got = -EINVAL;
            break;
        }
        if (page_to_phys(*block) >= PA_LIMIT) {
            got = -ERANGE;
            break;
        }
        /* A guest starts with its MMU off, and reads past the caches (Arm ARM B2.7). */
        stub_clean_range(page_address(*block), RV_BLOCK_SIZE);
        cond_resched();
    }
    if (got == 1)
        return 0;
    memory_release(memory);
    return got < 0 ? got : -EFAULT;
}

/* The physical address of an offset, whose block has that many bytes left. */
phys_addr_t memory_at(const struct memory *memory, u64 offset, u64 *left)
{
    *left = RV_BLOCK_SIZE - offset % RV_BLOCK_SIZE;
    return page_to_phys(memory->block[offset / RV_BLOCK_SIZE]) + offset % RV_BLOCK_SIZE;
}
