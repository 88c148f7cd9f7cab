/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libslirp has no call that ends a flow, but it ends those whose time is over, by the clock
 * that we give it. So for a moment that clock is set ahead, by as much as the oldest flows
 * have left. TCP does not notice much: its timers count at most one tick for each change of
 * the clock, which is why several flows end at once.
 */
#include "vmm/net/user_evict.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVICT_SECONDS_MAX 240u /* libslirp's own limit for a flow */
#define EVICT_SHARE       8u   /* one of so many flows ends */
#define EVICT_STEP_MS     50u
#define EVICT_RETRY_NS    UINT64_C(100000000) /* after there was none */

static int evict_watch_nothing(int fd, int events, void *opaque)
{
    return -1;
}

static int evict_nothing_is_ready(int index, void *opaque)
{
    return 0;
}

/* libslirp reads its clock, and ends the flows whose time is over. */
static void evict_at(struct user_poll *poll, unsigned ahead_ms)
{
    uint32_t timeout_ms = UINT32_MAX;

    poll->clock_ahead_ms = ahead_ms;
    slirp_pollfds_poll(poll->slirp, 1, evict_nothing_is_ready, NULL);
    slirp_pollfds_fill(poll->slirp, &timeout_ms, evict_watch_nothing, NULL);
}

/* Seconds, rounded down, that the oldest flows have left. False: there is no flow. */
static bool evict_oldest(Slirp *slirp, unsigned *seconds)
{
    unsigned with[EVICT_SECONDS_MAX + 1] = {0}, flows = 0, left, older = 0;
    char *info = slirp_connection_info(slirp);
    char *rest = info;

    for (char *line = strtok_r(info, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, " UDP[%u", &left) != 1 && sscanf(line, " ICMP[%u", &left) != 1)
            continue;
        with[left < EVICT_SECONDS_MAX ? left : EVICT_SECONDS_MAX]++;
        flows++;
    }
    free(info);
    for (left = 0; left < EVICT_SECONDS_MAX; left++) {
        older += with[left];
        if (older > flows / EVICT_SHARE)
            break;
    }
    *seconds = left;
    return flows != 0;
}

bool user_evict(struct user_poll *poll)
{
    uint64_t now = poll->ops->now_ns(poll->instance);
    unsigned before = poll->open, seconds;

    if (now < poll->evict_again)
        return false;
    evict_at(poll, 0); /* what is over in any case */
    if (poll->open == before && evict_oldest(poll->slirp, &seconds)) {
        for (unsigned ms = 0; ms <= 1000 && poll->open == before; ms += EVICT_STEP_MS)
            evict_at(poll, seconds * 1000 + ms);
        evict_at(poll, 0);
    }
    if (poll->open < before)
        return true;
    poll->evict_again = now + EVICT_RETRY_NS;
    return false;
}
