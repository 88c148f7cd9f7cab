/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/service.h"

#include <inttypes.h>
#include <stdint.h>

#include <systemd/sd-daemon.h>

#define US_PER_S 1000000u

static void alive(evutil_socket_t fd, short what, void *opaque)
{
    sd_notify(0, "WATCHDOG=1");
}

struct event *service_ready(struct event_base *base)
{
    uint64_t limit_us;
    struct timeval period;
    struct event *timer;

    sd_notify(0, "READY=1");
    if (sd_watchdog_enabled(0, &limit_us) <= 0)
        return NULL;
    period.tv_sec = (time_t)(limit_us / 2 / US_PER_S);
    period.tv_usec = (suseconds_t)(limit_us / 2 % US_PER_S);
    timer = event_new(base, -1, EV_PERSIST, alive, NULL);
    if (timer)
        event_add(timer, &period);
    return timer;
}

void service_stopping(unsigned seconds)
{
    sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, (uint64_t)seconds * US_PER_S);
}
