/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest-visible state: plain bytes in shared memory, in named, versioned blocks. What a
 * vmm that is restarted, or a snapshot, needs of the GIC, of PSCI or of a device is in its
 * blocks and nowhere else.
 *
 * The area is a memory object of its own, which the stub never sees. It grows with its blocks,
 * and blocks do not move: their addresses hold until they are resized.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_NAME_MAX 80u /* a device's name, '@', its address, '/', the block's name, NUL */

struct state_area {
    int fd; /* the memory object: what the next vmm, or a snapshot, takes */
    uint8_t *base;
    size_t size;     /* of the object, so far */
    size_t reserved; /* of addresses: what it can grow to */
};

struct state_found {
    void *at;
    size_t size;
    uint32_t version;
};

/* A new, empty area. 0 or -errno after a message. */
int state_create(struct state_area *area);

/*
 * The area in the memory object `fd`, which becomes the area's. Blocks of an update that was
 * not finished are dropped. 0, or -errno after a message: not a state area, or damaged.
 */
int state_attach(struct state_area *area, int fd);

/* A memory object with the same bytes, or -errno. */
int state_copy(int fd);

/* All blocks whose names begin so are asked for. */
void state_claim(const struct state_area *area, const char *beginning);

/* The memory object is closed. Does nothing to an area that is all zeros. */
void state_close(struct state_area *area);

/*
 * A new block of zeroed bytes, 64-byte aligned, or NULL after a message: no memory, or the name
 * is taken or too long.
 */
void *state_alloc(struct state_area *area, const char *name, uint32_t version, size_t size);

/*
 * For a block of one version: a new one as from state_alloc(), or with `resume` the one that is
 * there, if it has this version and size. NULL after a message.
 */
void *state_open(struct state_area *area, bool resume, const char *name, uint32_t version,
                 size_t size);

/* After all of a VM was taken over: a block that nobody has asked for, or NULL. */
const char *state_unclaimed(const struct state_area *area);

/* Bytes from the start of the area that are its state: what a snapshot copies. */
size_t state_used(const struct state_area *area);

/* In a copy of those bytes the block is free, if it is there. */
void state_omit(void *copy, const char *name);

/* The block of that name, as it is. */
bool state_lookup(const struct state_area *area, const char *name, struct state_found *found);

/*
 * A successor of the block `old`, zeroed, of the same name: it counts from state_commit() on,
 * and `old` until then, also for a vmm that attaches. NULL after a message.
 */
void *state_begin(struct state_area *area, const void *old, uint32_t version, size_t size);
void state_commit(struct state_area *area, void *old, void *new);
void state_abort(void *new);

/*
 * Another size: the new address, with the old bytes up to the shorter size and zeros
 * behind; NULL after a message, and the old block stays.
 */
void *state_resize(struct state_area *area, void *block, size_t size);

size_t state_size(const void *block);
