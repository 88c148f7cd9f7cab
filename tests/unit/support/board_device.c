/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/board_device.h"

#include "tests/unit/support/check.h"

struct rv_instance host;

void board_start(const char *property, const char *value)
{
    plugin_host_init(&host, NULL, 0, 0);
    if (property)
        plugin_host_set(&host, property, value);
    CHECK(plugin_host_start(&host, 0) == 0);
}

int board_setup(void **state)
{
    board_start(NULL, NULL);
    return 0;
}

int board_teardown(void **state)
{
    plugin_host_stop(&host);
    return 0;
}

void pass(uint64_t ns)
{
    plugin_host_pass(&host, ns);
}

uint32_t get(uint64_t offset)
{
    return plugin_host_get(&host, offset);
}

void put(uint64_t offset, uint32_t value)
{
    plugin_host_put(&host, offset, value);
}

void every_access(uint64_t size)
{
    uint64_t value;

    for (uint64_t offset = 0; offset < size; offset++) {
        for (unsigned width = 1; width <= 8; width *= 2) {
            if (offset % width || offset + width > size)
                continue;
            ringvisor_device.regions[0].read(host.device, offset, width, &value, NULL);
            ringvisor_device.regions[0].write(host.device, offset, width, ~0ull, NULL);
            ringvisor_device.regions[0].write(host.device, offset, width, 0, NULL);
        }
    }
}
