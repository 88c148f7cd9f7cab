/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Character back ends: where a console's bytes go to and come from. A device
 * may open several. What a user types for one:
 *
 *   stdio           the vmm's standard input and output, for one device
 *   null            output is discarded, there is no input
 *   file:PATH       output is appended to a file, there is no input
 *   log:SIZE:PATH   the same; at SIZE the file becomes PATH.1 and a new one is begun
 *   pty, pty:LINK   a new pseudo-terminal; LINK is made a symbolic link to it
 *   socket:PATH     a Unix socket that is listened on, one connection at a time
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rv_chr;

/*
 * Called from the loop, never from inside of a chr_ call, with the `opaque` of
 * chr_open. Each may be NULL.
 *
 * Output: chr_write takes up to `len` bytes and returns how many it took, fewer
 * when the reader is slow; writable() is then called once when there is room
 * again. While nobody is connected, output is discarded.
 *
 * Input: receive() gets no more than can_receive() has said. After it said 0 no
 * input comes until chr_accept.
 */
struct rv_chr_callbacks {
    uint32_t size; /* sizeof(struct rv_chr_callbacks) */
    uint32_t reserved;
    uint64_t (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *data, uint64_t len);
    void (*writable)(void *opaque);
    /*
     * The other end came or went. It is taken to be there at chr_open: one that is
     * not is said to have gone in the loop's next pass.
     */
    void (*connected)(void *opaque, bool connected);
    /*
     * The terminal at the other end has this size: after chr_open, and when it
     * changes. Not called for what is no terminal.
     */
    void (*resized)(void *opaque, uint16_t columns, uint16_t rows);
};
