/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Idle flows of UDP and ICMP make room for new ones. libslirp keeps each for four minutes
 * after its last packet, and a guest may open as many as it likes.
 */
#pragma once

#include <stdbool.h>

#include "vmm/net/user_poll.h"

/*
 * End the flows that have been idle for the longest time: about one of eight, at least one.
 * False: there is none. Not from inside of a callback of libslirp.
 */
bool user_evict(struct user_poll *poll);
