/* SPDX-License-Identifier: BSD-2-Clause */
/* A property whose default is not of its type. */
#include "tests/unit/plugins/template.h"

static const struct rv_property properties[] = {
    {"count", RV_PROPERTY_UINT, "many", "how many"},
    {NULL, RV_PROPERTY_BOOL, NULL, NULL},
};

PLUGIN_CLASS(.name = "default", .properties = properties)
