/* SPDX-License-Identifier: BSD-2-Clause */
/* Its properties are smaller than properties are. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_property properties[] = {{0}};

PLUGIN_CLASS(.name = "stride", .properties = properties, .property_size = 8)
