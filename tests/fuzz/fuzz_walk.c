/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: registers, an access, and table words that are handed out in order.
 * Checked: that the walk ends, reads only what is aligned and inside of the
 * physical addresses, and gives a result that fits together.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/check.h"
#include "vmm/insn/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint64_t sctlr, tcr, ttbr0, ttbr1, mair, pstate, address;
    uint8_t pa_bits, access, unprivileged, swap;
    uint8_t pad[4];
    uint64_t words[32];
};

struct tables {
    struct input in;
    unsigned pa_bits, reads, swaps;
};

static int read_word(void *opaque, ipa_t addr, uint64_t *word)
{
    struct tables *t = opaque;

    CHECK(addr.v % 8 == 0 && addr.v >> t->pa_bits == 0);
    CHECK(t->reads < 32);
    *word = t->in.words[t->reads++];
    return *word == 0xeeeeeeeeeeeeeeeeull ? -ENXIO : 0;
}

static int swap_word(void *opaque, ipa_t addr, uint64_t old, uint64_t new)
{
    static const int says[4] = {0, -EAGAIN, -EFAULT, 0};
    struct tables *t = opaque;

    CHECK(addr.v % 8 == 0 && old != new && t->swaps < 8);
    CHECK(t->reads != 0 && t->in.words[t->reads - 1] == old);
    return says[t->in.swap >> t->swaps++ % 4 * 2 & 3u];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned pa_sizes[] = {32, 36, 40, 42, 44, 48};
    struct tables t = {0};
    struct walk_memory memory = {.opaque = &t, .read = read_word};
    struct walk_request request;
    struct walk_result result;
    struct walk_regs regs;
    enum walk_fault fault;

    memcpy(&t.in, data, size < sizeof(t.in) ? size : sizeof(t.in));
    t.pa_bits = pa_sizes[t.in.pa_bits % 6];
    regs = (struct walk_regs){
        .sctlr = t.in.sctlr,
        .tcr = t.in.tcr,
        .ttbr0 = t.in.ttbr0,
        .ttbr1 = t.in.ttbr1,
        .mair = t.in.mair,
        .pstate = t.in.pstate,
        .pa_bits = t.pa_bits,
    };
    if (t.in.unprivileged & 2u)
        memory.swap = swap_word;
    request = (struct walk_request){
        .addr = gva(t.in.address),
        .access = (enum walk_access)(t.in.access % 3),
        .unprivileged = t.in.unprivileged & 1u,
    };
    memset(&result, 0xff, sizeof(result));
    fault = walk(&regs, &memory, &request, &result);
    CHECK(fault == result.fault && fault <= WALK_ATOMIC_UPDATE);
    CHECK(result.level >= 0 && result.level <= 3);
    CHECK(walk_fsc(&result) < 64);
    if (fault == WALK_OK) {
        CHECK(result.ipa.v >> t.pa_bits == 0);
        CHECK(result.bits >= 12 && result.bits <= 48);
        CHECK(((result.ipa.v ^ t.in.address) & 0xfffu) == 0);
        CHECK(result.may & 1u << request.access);
    }
    if (fault == WALK_PERMISSION)
        CHECK(!(result.may & 1u << request.access));
    return 0;
}
