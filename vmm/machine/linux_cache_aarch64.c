/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/linux_cache.h"

#define CTR_DMINLINE(ctr) ((ctr) >> 16 & 0xf) /* log2 of the words in the smallest line */

/* Linux lets processes do this, or does it for them (SCTLR_EL1.UCI). */
void linux_cache_clean(const void *start, uint64_t size)
{
    uint64_t at = (uint64_t)start, end = at + size, ctr, line;

    __asm__("mrs %0, ctr_el0" : "=r"(ctr));
    line = 4ull << CTR_DMINLINE(ctr);
    for (at &= ~(line - 1); at < end; at += line)
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb sy" : : : "memory");
}
