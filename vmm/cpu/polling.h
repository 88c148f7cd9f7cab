/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long to poll the rings before sleeping. Polling occupies a host CPU; sleeping costs the
 * guest a doorbell each way. While host CPUs are free, it pays to poll for as long as a disk
 * or a peer takes to answer. When other threads want the CPU, polling can take it from the very
 * thread whose answer is awaited: then the vmm sleeps after one round of looks without an event.
 * A round is worth its time even then: a guest that runs on another CPU makes its next exit within
 * a few microseconds, and a sleep costs it ten times as much.
 *
 * Contention shows in two figures together: the thread's CPU time fell behind although it did
 * not sleep, and the kernel took the CPU from it (an involuntary switch). A system call that
 * blocks makes the CPU time fall behind, too, but by a voluntary switch.
 * Times are in nanoseconds: `now` of CLOCK_MONOTONIC, `cpu` of CLOCK_THREAD_CPUTIME_ID.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct polling {
    int64_t now, cpu;   /* at the last turn */
    int64_t found;      /* when polling last found work */
    int64_t budget;     /* how long to poll in vain; adapts */
    int64_t hold;       /* how long the next contention counts; doubles if the last was too short */
    int64_t hold_until; /* until then host CPUs are assumed to be scarce, ... */
    int64_t insist_until; /* ... but not before this */
    int64_t (*preemptions)(void);
    int64_t preempted; /* what that said when the CPU time last fell behind */
};

/* `preemptions`: how often the kernel has taken the CPU from this thread. */
void polling_init(struct polling *polling, int64_t now, int64_t cpu, int64_t (*preemptions)(void));

/*
 * Between two rounds of looks. `found`: there was work since the last time; `quiet`: there was
 * none in the last full round. True: sleep now.
 */
bool polling_turn(struct polling *polling, int64_t now, int64_t cpu, bool found, bool quiet);

/* After a sleep that began at `from`. */
void polling_woke(struct polling *polling, int64_t from, int64_t now, int64_t cpu);

/* Polling pays until then, scarce as CPUs may be. */
void polling_insist(struct polling *polling, int64_t until);

/* Are host CPUs scarce? */
bool polling_contended(const struct polling *polling, int64_t now);
