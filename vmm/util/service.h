/* SPDX-License-Identifier: BSD-2-Clause */
/* What a service tells systemd, if systemd has started it; nothing happens otherwise. */
#pragma once

#include <event2/event.h>

/* Connect to systemd before the sandbox refuses it. */
void service_open(void);
void service_close(void);

/*
 * The service is ready. If the unit has WatchdogSec=, a timer in `base` tells systemd twice in
 * that time that the loop still goes round: free it by event_free(). NULL: there is none.
 */
struct event *service_ready(struct event_base *base);

/* The service ends, within `seconds` from now. */
void service_stopping(unsigned seconds);
