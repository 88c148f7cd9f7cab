/* SPDX-License-Identifier: BSD-2-Clause */
/* The fuzzer's input as a stream of numbers, least significant byte first. Behind its end: 0. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *data;
    size_t size;
};

static inline uint64_t take64(struct input *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && in->size != 0; i++, in->size--)
        value |= (uint64_t)*in->data++ << 8 * i;
    return value;
}

static inline uint32_t take(struct input *in, unsigned bytes)
{
    return (uint32_t)take64(in, bytes);
}
