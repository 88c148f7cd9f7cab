/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network device on the user network: what the guest sends goes all the way into
 * libslirp, which reaches nothing outside (restrict=on).
 */
#include "tests/fuzz/plugin_fuzzer.h"
#include "tests/unit/support/plugin_net.h"

const struct plugin_host_property plugin_fuzzer_properties[] = {
    {"backend", "user"}, {"restrict", "on"}, {"mac", "52:54:00:12:34:56"}, {0}};

void plugin_fuzzer_begin(struct rv_instance *host)
{
    plugin_net_init(host);
}

void plugin_fuzzer_end(struct rv_instance *host)
{
}

void plugin_fuzzer_sent(unsigned queue, uint8_t *data, size_t size)
{
}

/* Its answers are what comes from the other side. */
void plugin_fuzzer_peer(struct rv_instance *host, const uint8_t *data, size_t size)
{
    plugin_host_turn(host, 1);
}
