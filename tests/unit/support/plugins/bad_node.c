/* SPDX-License-Identifier: BSD-2-Clause */
/* A device tree node without its size. */
#include "tests/unit/support/plugins/template.h"

static const char *const compatible[] = {"test,node", NULL};
static const struct rv_fdt_node node = {.name = "node", .compatible = compatible};

PLUGIN_CLASS(.name = "node", .fdt = &node)
