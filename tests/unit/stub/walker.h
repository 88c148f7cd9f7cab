/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stage 2 walker as the architecture describes it (Arm ARM D8.2, D8.3), for a
 * 4 KiB granule, and the first level and the bits of IPA that VTCR_EL2 names: its root is of
 * concatenated tables. It shares nothing with el2stub/pgtable.c, not even the names of the bits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct walk {
    bool valid;
    unsigned level;
    uint64_t size; /* of what the entry maps, or leaves unmapped */
    uint64_t pa;   /* for this very address */
    unsigned s2ap; /* bit 0: read, bit 1: write */
    bool xn;
    bool sound; /* access flag, inner shareable, normal write-back; no other bit */
};

static inline struct walk walker(uint64_t vtcr, const uint64_t *root, uint64_t ipa)
{
    const unsigned first = 2 - (unsigned)(vtcr >> 6 & 3); /* SL0 */
    const uint64_t *table = root;
    struct walk result = {.size = 1ull << 30};

    if (ipa >> (64 - (vtcr & 0x3f))) /* T0SZ: a fault */
        return result;
    for (unsigned level = first; level <= 3; level++) {
        unsigned shift = level == 1 ? 30 : level == 2 ? 21 : 12;
        uint64_t index = level == first ? ipa >> shift : ipa >> shift & 511;
        uint64_t entry = table[index];

        result.level = level;
        result.size = 1ull << shift;
        if ((entry & 1) == 0)
            return result;
        if (level < 3 && (entry & 2) != 0) {
            table = (const uint64_t *)(entry & 0xfffffffff000ull);
            continue;
        }
        if (level == 3 && (entry & 2) == 0)
            return result; /* reserved encoding: a fault */
        result.valid = true;
        result.pa = (entry & 0xfffffffff000ull & ~(result.size - 1)) | (ipa & (result.size - 1));
        result.s2ap = entry >> 6 & 3;
        result.xn = (entry >> 54 & 1) != 0;
        result.sound = (entry >> 2 & 15) == 15 && (entry >> 8 & 3) == 3 && (entry >> 10 & 1) == 1 &&
                       (entry & 0xffbf000000000800ull) == 0 &&
                       (entry & 0xfffffffff000ull & (result.size - 1)) == 0;
        return result;
    }
    return result;
}
