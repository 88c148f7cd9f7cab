/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls a function that nobody has: found by RTLD_NOW. */
#include "tests/unit/support/plugins/template.h"

int function_that_nobody_has(void);

static int undefined_read(void *device, uint64_t offset, uint32_t width, uint64_t *value,
                          const struct rv_access *access)
{
    return function_that_nobody_has();
}

static const struct rv_region regions[] = {
    {.bytes = TEMPLATE_SIZE, .read = undefined_read, .write = template_write},
    {0},
};

PLUGIN_CLASS(.name = "undefined", .regions = regions)
