/* SPDX-License-Identifier: BSD-2-Clause */
/* A choice of nothing. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_property properties[] = {
    {.name = "shape", .type = RV_PROPERTY_ENUM, .value = "round", .help = "which"},
    {0},
};

PLUGIN_CLASS(.name = "enum", .properties = properties)
