/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long to poll the rings before sleeping. Polling occupies a host CPU; sleeping costs the
 * guest a doorbell each way. While host CPUs are free, it pays to poll for as long as a disk
 * or a peer takes to answer. When other threads want the CPU, polling can take it from the very
 * thread whose answer is awaited: then the vmm sleeps after one round of polls in vain.
 *
 * The clocks show contention: the thread did not sleep, but its CPU time fell behind.
 * Times are in nanoseconds: `now` of CLOCK_MONOTONIC, `cpu` of CLOCK_THREAD_CPUTIME_ID.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct polling {
    int64_t now, cpu;   /* at the last turn */
    int64_t found;      /* when polling last found work */
    int64_t budget;     /* how long to poll in vain; adapts */
    int64_t hold;       /* how long the next contention counts; doubles */
    int64_t hold_until; /* until then host CPUs are assumed to be scarce */
};

void polling_init(struct polling *polling, int64_t now, int64_t cpu);

/* After a round of polls; `found`: there was work. True: sleep now. */
bool polling_turn(struct polling *polling, int64_t now, int64_t cpu, bool found);

/* After a sleep that began at `from`. */
void polling_woke(struct polling *polling, int64_t from, int64_t now, int64_t cpu);

/* Are host CPUs scarce? */
bool polling_contended(const struct polling *polling, int64_t now);
