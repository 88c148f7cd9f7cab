/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which CPUs of the host the loop's thread uses, on a machine whose pCPUs are threads of the same
 * host. A doorbell makes Linux put the thread that it wakes on the CPU of the one that rang, which
 * it takes for one that will sleep. A vCPU does not: it polls for the answer, which cannot come
 * before the stub gives up and sleeps. Each exit is two switches and a kick then, some 30 us in
 * place of 2, even while another CPU runs something that could wait. So a thread whose answers find
 * the stub asleep, one after the other, leaves the CPU that it is on.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* So many answers in a row found the stub asleep: it is time for placement_leave(). */
#define PLACEMENT_LATE 16u

struct placement {
    cpu_set_t allowed; /* what whoever started this process lets it use */
    cpu_set_t chosen;
    bool narrowed; /* `chosen` counts */
    int64_t last;  /* when it last left one, in ns of CLOCK_MONOTONIC */
    uint64_t moves;
};

void placement_init(struct placement *placement);

/* Use any other CPU than the current one, if there is one and the last time was not just now. */
void placement_leave(struct placement *placement, int64_t now);

/* Nothing is scarce: use any CPU again, some time after the last move. */
void placement_relax(struct placement *placement, int64_t now);
