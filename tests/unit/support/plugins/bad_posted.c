/* SPDX-License-Identifier: BSD-2-Clause */
/* A posted range that reaches out of the registers. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_range ranges[] = {{0, 4}, {TEMPLATE_SIZE - 4, 8}, {0, 0}};

PLUGIN_CLASS(.name = "posted", .posted = ranges)
