/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that dies before any store to memory that outlives it: each store there is trapped,
 * and made by itself. On x86 only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* These bytes outlive it. */
void death_keep(void *at, size_t size);

/*
 * Calls live(), which ends before its `store`-th store to what is kept (from 1 on; 0: it lives).
 * True: it died. `*stores`: how many it made.
 */
bool death_run(unsigned store, void (*live)(void *opaque), void *opaque, unsigned *stores);

/* Within live(): others make the stores that follow, which do not count; or no longer. */
void death_pause(void);
void death_go_on(void);
