/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of numbers: a bit for each, in words of 64. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BITS_WORD        64u
#define BITS_WORDS(bits) (((bits) + BITS_WORD - 1) / BITS_WORD)

static inline bool bits_get(const uint64_t *bits, uint64_t i)
{
    return bits[i / BITS_WORD] >> i % BITS_WORD & 1u;
}

/* Set or clear the bits [i, end), a word at a time. */
static inline void bits_change(uint64_t *bits, uint64_t i, uint64_t end, bool value)
{
    while (i < end) {
        uint64_t left = BITS_WORD - i % BITS_WORD;
        uint64_t n = left < end - i ? left : end - i;
        uint64_t mask = ~0ull >> (BITS_WORD - n) << i % BITS_WORD;
        uint64_t *word = &bits[i / BITS_WORD];

        *word = value ? *word | mask : *word & ~mask;
        i += n;
    }
}

/* The first bit of [i, end) that is set, or `end`. */
static inline uint64_t bits_next(const uint64_t *bits, uint64_t i, uint64_t end)
{
    while (i < end) {
        uint64_t word = bits[i / BITS_WORD] >> i % BITS_WORD;

        if (word) {
            i += (uint64_t)__builtin_ctzll(word);
            return i < end ? i : end;
        }
        i = (i / BITS_WORD + 1) * BITS_WORD;
    }
    return end;
}
