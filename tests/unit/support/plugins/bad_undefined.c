/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls a function that nobody has: found by RTLD_NOW. */
#include "tests/unit/support/plugins/template.h"

int function_that_nobody_has(void);

static int undefined_read(void *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device;
    (void)offset;
    (void)size;
    (void)value;
    return function_that_nobody_has();
}

PLUGIN_CLASS(.name = "undefined", .read = undefined_read)
