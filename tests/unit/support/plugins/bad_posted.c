/* SPDX-License-Identifier: BSD-2-Clause */
/* A posted range that reaches out of the registers. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_range ranges[] = {{0, 4}, {TEMPLATE_SIZE - 4, 8}, {0, 0}};

static const struct rv_region regions[] = {
    {.bytes = TEMPLATE_SIZE, .read = template_read, .write = template_write, .posted = ranges},
    {0},
};

PLUGIN_CLASS(.name = "posted", .regions = regions)
