/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the host's CPUs the vmm is on, where pCPUs are threads of the same host. A doorbell makes
 * Linux put the thread that it wakes on the CPU of the one that rang, which it takes for one that is
 * about to sleep. A vCPU is not: it polls for the answer, which cannot come before the stub gives up
 * and sleeps. Each exit is two switches and a kick then, some 30 us in place of 1.2, even while another
 * CPU runs something that could wait, and nothing ends it. So a vmm whose answers find the stub
 * asleep one after the other, without a pause between them, goes to another CPU once. Afterwards
 * the scheduler may put it anywhere again.
 *
 * There it shares the CPU with others, and polls. Where many want each CPU, it and the vCPU are
 * seldom on theirs at the same time, and two threads that sleep politely get further. So what a move
 * has brought is looked at some time slices later.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* For so long a move counts: some time slices of two threads that share a CPU. */
#define PLACEMENT_NS 20000000

struct placement {
    unsigned late;    /* so many answers in a row found the stub asleep, */
    int64_t since;    /* the first of them then */
    bool tried;       /* a move was made, and what it brought is not known yet */
    int64_t moved;    /* when, */
    unsigned answers; /* and so many since then */
    int64_t pause;    /* so long from one move to the next, because the last ones did not pay */
    int64_t next;     /* not sooner */
};

/* An answer to an exit came in time. */
static inline void placement_in_time(struct placement *placement)
{
    placement->answers++;
    placement->late = 0;
}

/*
 * An answer found the stub asleep, at `now`, in ns of CLOCK_MONOTONIC. True: this thread is on another
 * CPU now. Which CPUs it may use is as before, but they count as asked for: of CPUs that its cpuset gets
 * later it uses none.
 */
bool placement_late(struct placement *placement, int64_t now);
