/* SPDX-License-Identifier: BSD-2-Clause */
/* The vmm's network back ends, for a network card on plugin_host. */
#pragma once

#include "tests/unit/support/plugin_host.h"

/* The loop of listeners, which plugin_host_turn() knows nothing of. It lives for ever. */
extern struct event_base *plugin_net_base;

/* After plugin_host_init(): the device's network operations lead to vmm/net/. */
void plugin_net_init(struct rv_instance *host);
