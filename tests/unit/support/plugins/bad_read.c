/* SPDX-License-Identifier: BSD-2-Clause */
/* A required callback is missing. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_region regions[] = {
    {.bytes = TEMPLATE_SIZE, .write = template_write},
    {0},
};

PLUGIN_CLASS(.name = "read", .regions = regions)
