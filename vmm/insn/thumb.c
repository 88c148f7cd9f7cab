/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/insn/thumb.h"

#include "proto/arm/esr.h"

/* SPSR_ELx of AArch32: IT[1:0] are bits 26 and 25, IT[7:2] bits 15 to 10. */
#define PSTATE_IT_LOW  0x06000000u
#define PSTATE_IT_HIGH 0x0000fc00u

static unsigned thumb_it(uint64_t pstate)
{
    return (unsigned)((pstate & PSTATE_IT_HIGH) >> 8 | (pstate & PSTATE_IT_LOW) >> 25);
}

bool thumb_in_it_block(uint64_t pstate)
{
    return (pstate & PSTATE_nRW) && thumb_it(pstate) != 0;
}

uint64_t thumb_it_advance(uint64_t pstate)
{
    unsigned it = thumb_it(pstate);

    it = it & 7u ? (it & 0xe0u) | (it << 1 & 0x1fu) : 0;
    pstate &= ~(uint64_t)(PSTATE_IT_HIGH | PSTATE_IT_LOW);
    return pstate | (uint64_t)(it & 0xfcu) << 8 | (uint64_t)(it & 3u) << 25;
}
