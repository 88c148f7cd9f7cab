/* SPDX-License-Identifier: BSD-2-Clause */
/* A property that must be given, but need not. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_property properties[] = {
    {.name = "text", .type = RV_PROPERTY_STRING, .required = true, .value = "x", .help = "a text"},
    {0},
};

PLUGIN_CLASS(.name = "required", .properties = properties)
