/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long to look at the rings before sleeping. A look costs a processor, a sleep costs the
 * guest a doorbell each way. While processors are free, it pays to look for as long as a disk
 * or a peer takes to answer. When other threads want them, looking takes the processor from
 * the very thread that is waited for: then look for as long as a reply takes, and no longer.
 *
 * Contention shows in the clocks: the thread did not sleep, but its CPU time fell behind.
 * Times are in nanoseconds: `now` of CLOCK_MONOTONIC, `cpu` of CLOCK_THREAD_CPUTIME_ID.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct polling {
    int64_t now, cpu;   /* at the last turn */
    int64_t found;      /* when something was found last */
    int64_t budget;     /* how long to look in vain: adapts */
    int64_t hold;       /* how long the next contention counts: doubles */
    int64_t hold_until; /* until then processors are taken to be scarce */
};

void polling_init(struct polling *polling, int64_t now, int64_t cpu);

/* After a round of looks; `found`: there was work. True: sleep now. */
bool polling_turn(struct polling *polling, int64_t now, int64_t cpu, bool found);

/* After a sleep that began at `from`. */
void polling_woke(struct polling *polling, int64_t from, int64_t now, int64_t cpu);

/* Are processors scarce? */
bool polling_contended(const struct polling *polling, int64_t now);
