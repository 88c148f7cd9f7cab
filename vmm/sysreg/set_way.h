/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance by set and way. A guest does it for each set and way of each cache, to clean all of
 * memory, before it turns its caches on or off (Arm ARM B2.7, "Cache maintenance operations by
 * set/way"). The caches are not the guest's, so all of its memory is cleaned instead: once for
 * each such loop, at its first operation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The loop that a vCPU is in. All zeros: none. */
struct set_way {
    uint64_t first;  /* the operand of its first operation */
    int64_t last_ns; /* CLOCK_MONOTONIC, at the end of its latest one */
    uint16_t key;    /* of the instruction; 0: no loop yet */
};

/* An operation, at the time `now_ns`. Does a new loop begin? */
bool set_way_begins(struct set_way *loop, uint16_t key, uint64_t operand, int64_t now_ns);
