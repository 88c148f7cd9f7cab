/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots that build on each other: the memory of one that has a base is what the base has, and the
 * pages that have changed since (ram_image.h). Each one names its base by folder and checksum, so a
 * base that is another one than it was is refused, and so is a loop.
 */
#pragma once

#include <stdint.h>

#include "vmm/snapshot/manifest.h"
#include "vmm/snapshot/ram_image.h"

#define CHAIN_MAX 256u /* snapshots */

struct chain;

/*
 * The snapshot in the folder, which is open and called `path`, and all that it builds on. Their
 * manifests are read and checked. 0 or -errno after a message.
 */
int chain_open(struct chain **chain, int folder, const char *path, const struct manifest *manifest);

/* How many there are. */
unsigned chain_length(const struct chain *chain);

/* All of the memory, which is zeroed. `overlay` and `pages` are the chain's. 0 or -errno after a message. */
int chain_load(struct chain *chain, const struct ram_memory *memory);

/*
 * The same piece by piece, see ram_image_open(). chain_begin(): 0 or -errno after a message.
 * chain_load_piece() may be called by any thread, one at a time, and says nothing: its error is for
 * chain_complain(), which says it and returns it.
 */
int chain_begin(struct chain *chain, const struct ram_memory *memory);
int chain_load_piece(struct chain *chain, uint64_t offset, uint64_t size);
int chain_complain(const struct chain *chain, int error);

void chain_close(struct chain *chain); /* NULL is allowed */

/* What the manifest in `folder` is to call its base, whose path is `base`: free() it. NULL: no memory. */
char *chain_name_base(const char *folder, const char *base);
