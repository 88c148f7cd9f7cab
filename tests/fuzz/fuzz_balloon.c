/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory balloon, with somebody at its control channel. */
#include "tests/fuzz/plugin_fuzzer.h"

const struct plugin_host_property plugin_fuzzer_properties[] = {{"control", "null"}, {0}};

void plugin_fuzzer_begin(struct rv_instance *host)
{
}

void plugin_fuzzer_end(struct rv_instance *host)
{
}

void plugin_fuzzer_sent(unsigned queue, uint8_t *data, size_t size)
{
}

void plugin_fuzzer_peer(struct rv_instance *host, const uint8_t *data, size_t size)
{
    plugin_host_chr_clear(&host->chr[0]);
    plugin_host_chr_input(&host->chr[0], data, size);
}
