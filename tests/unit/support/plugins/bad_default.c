/* SPDX-License-Identifier: BSD-2-Clause */
/* A property whose default is not of its type. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_property properties[] = {
    {.name = "count", .type = RV_PROPERTY_UINT, .value = "many", .help = "how many"},
    {0},
};

PLUGIN_CLASS(.name = "default", .properties = properties)
