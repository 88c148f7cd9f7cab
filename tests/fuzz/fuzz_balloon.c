/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory balloon, with somebody at its control channel. */
#include "tests/fuzz/plugin_fuzzer.h"

const struct plugin_host_property plugin_fuzzer_properties[] = {{"control", "null"}, {0}};

void plugin_fuzzer_begin(struct rv_instance *host)
{
    (void)host;
}

void plugin_fuzzer_end(struct rv_instance *host)
{
    (void)host;
}

void plugin_fuzzer_sent(unsigned queue, uint8_t *data, size_t size)
{
    (void)queue;
    (void)data;
    (void)size;
}

void plugin_fuzzer_peer(struct rv_instance *host, const uint8_t *data, size_t size)
{
    host->chr_got[0] = '\0';
    while (size) {
        size_t room = host->chr.can_receive(host->chr_opaque);
        size_t n = size < room ? size : room;

        if (n == 0)
            break;
        host->chr.receive(host->chr_opaque, data, n);
        data += n;
        size -= n;
    }
}
