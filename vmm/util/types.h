/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of different spaces are of different types, so that they cannot be mixed up. */
#pragma once

#include <stdint.h>

/* Intermediate physical address: what the guest calls physical. */
typedef struct {
    uint64_t v;
} ipa_t;

/* Guest virtual address (stage 1 input). */
typedef struct {
    uint64_t v;
} gva_t;

static inline ipa_t ipa(uint64_t v)
{
    return (ipa_t){v};
}

static inline gva_t gva(uint64_t v)
{
    return (gva_t){v};
}
