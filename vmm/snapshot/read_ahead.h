/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pieces of a file that a thread reads in their order, while another thread, the owner's, can ask
 * for any of them at any time. Each is read once, and one at a time: who asks comes next.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct read_ahead;

/* `read` gets piece `index`, on any thread. 0 or -errno, after which the thread reads no more. */
int read_ahead_start(uint64_t nr_pieces, int (*read)(void *opaque, uint64_t index), void *opaque,
                     struct read_ahead **ahead);

/* Waits until the piece has been read, or reads it. 0, or what `read` said. */
int read_ahead_need(struct read_ahead *ahead, uint64_t index);

/* Would that neither wait nor read? */
bool read_ahead_has(struct read_ahead *ahead, uint64_t index);

/* NULL is allowed. */
void read_ahead_end(struct read_ahead *ahead);
