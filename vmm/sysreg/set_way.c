/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/sysreg/set_way.h"

/* Between two operations of a loop there are a few instructions, and an exit. */
#define GAP_NS 1000000

bool set_way_begins(struct set_way *loop, uint16_t key, uint64_t operand, int64_t now_ns)
{
    /* No operand comes twice in a loop: the first one again is the next loop, however soon. */
    bool begins = key != loop->key || operand == loop->first || now_ns - loop->last_ns > GAP_NS;

    loop->last_ns = now_ns;
    if (begins) {
        loop->key = key;
        loop->first = operand;
    }
    return begins;
}
