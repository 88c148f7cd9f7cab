/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance. Memory that one side reads or writes with its caches off, or
 * that another CPU fetches as code, needs it (Arm ARM B2, "Mismatched memory
 * attributes" and "Concurrent modification and execution of instructions").
 */
#include "arch.h"
#include "el2stub/stub.h"

/*
 * Write the range back to the point of coherency, and drop it from all data caches.
 * It is never the clean alone: Cortex-A53 errata 819472, 824069, 826319 and 827319
 * make that one unsafe, and cleaning to here includes the point of unification.
 */
void cache_clean(uint64_t start, uint64_t size)
{
    /* CTR_EL0.DminLine: log2 of the number of words in the smallest data cache line. */
    uint64_t line = 4ull << (read_sysreg(ctr_el0) >> 16 & 0xf);

    for (uint64_t at = start & ~(line - 1); at < start + size; at += line)
        dc_clean_invalidate(at);
    dsb_sy();
}

/* The range was written, and any CPU may execute it or read it with its caches off. */
void cache_code_changed(uint64_t start, uint64_t size)
{
    cache_clean(start, size);
    ic_invalidate_all();
    dsb_ish();
    isb();
}
