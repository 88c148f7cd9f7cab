/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the vmm needs done after it has given up the right to do it itself: by a process of its
 * own that stays outside of the sandbox.
 *
 * A task is a function with its data. All tasks are told before outside_seal(), while no guest
 * runs; from then on the vmm can only name one of them by its number. A vmm that a guest has
 * taken over so gets no more than what its user configured: the helper of a disk started again,
 * a log's next file, its own sockets removed.
 *
 * Without outside_start() the caller does the tasks itself. So it is in the tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OUTSIDE_FDS      4u
#define OUTSIDE_DATA_MAX (32u << 10)

struct outside_result {
    int value;
    int fds[OUTSIDE_FDS]; /* the receiver's, closed on exec */
    unsigned nr_fds;
};

/* `away`: in the other process, whose parent is the vmm. 0 or -errno. */
typedef int outside_task(const void *data, size_t size, bool away, struct outside_result *result);

/* Call it before there are threads. 0 or -errno. */
int outside_start(void);

/* No task can be added any more. */
void outside_seal(void);

/*
 * A copy of `data` is kept. `at_end`: it is done once; at the latest when the vmm has ended,
 * however that ended, if outside_start() was called. The task's number, or -errno.
 */
int outside_add(outside_task *task, const void *data, size_t size, bool at_end);

/* Waits for it. From any thread. 0 or -errno; `result` may be NULL. */
int outside_do(int number, struct outside_result *result);

/* It is not needed any more, and not done at the end either. A negative number does nothing. */
void outside_forget(int number);

/* Do what is to be done at the end, and wait for it. */
void outside_end(void);
