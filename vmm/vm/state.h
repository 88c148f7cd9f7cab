/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest-visible state: plain bytes in the shared memory object, in named,
 * versioned blocks. What a vmm that is restarted, or a snapshot, needs of the
 * GIC, of PSCI or of a device is in its block and nowhere else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STATE_NAME_MAX 40u

struct state_area {
    uint8_t *base;
    size_t size;
};

/* An empty area over zeroed memory. */
void state_init(struct state_area *area, void *base, size_t size);

/*
 * A new block of zeroed bytes, 64-byte aligned, or NULL after a message: no
 * room, or the name is taken or too long.
 */
void *state_alloc(struct state_area *area, const char *name, uint32_t version, size_t size);
