/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap buffer that grows up to a limit. Zero-initialised is empty. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t size; /* bytes used */
    size_t room; /* bytes allocated */
};

/*
 * Makes room for at least one byte more: at least `hint` bytes in all, double
 * what it was, never above `limit`. 0; -EFBIG: `limit` bytes are in use; -ENOMEM.
 */
int buffer_grow(struct buffer *buffer, size_t hint, size_t limit);

/* Frees the bytes and leaves an empty buffer. */
void buffer_free(struct buffer *buffer);
