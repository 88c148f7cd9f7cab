/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that come in the loop's next pass. The loop can make them without a turn of libevent, which is two
 * system calls that would find nothing else; where nobody does that, libevent makes them.
 * All of it is the loop's thread.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

struct soon;

/* NULL: out of memory. */
struct soon *soon_new(struct event_base *base, void (*call)(void *opaque), void *opaque);
/* What is due does not come. NULL does nothing. */
void soon_free(struct soon *soon);

/* Make the call in the next pass; once, however often this is asked for until then. */
void soon_arm(struct soon *soon);
/* Make it after this time, if not sooner. */
void soon_arm_in(struct soon *soon, unsigned ms);
/* Is it to come after a time? */
bool soon_is_timed(const struct soon *soon);

/* Is any of this process due? */
bool soon_any(void);
/* Make the calls that are due. What they arm is left for the next pass. */
void soon_run(void);
