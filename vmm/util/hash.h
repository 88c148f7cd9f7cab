/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers made of texts, the same in each run: not for secrets. */
#pragma once

#include <stdint.h>

#define HASH_START UINT64_C(14695981039346656037)

/* FNV-1a, 64 bits, over a text and the NUL at its end. */
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    while (*text++);
    return hash;
}

/* SplitMix64's last step: each bit of the input changes half of the output's. */
static inline uint64_t hash_mix(uint64_t hash)
{
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}
