/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is no whole page. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_region regions[] = {
    {.bytes = TEMPLATE_SIZE + 16,
     .read = template_read,
     .write = template_write,
     .flags = RV_REGION_MEMORY},
    {0},
};

PLUGIN_CLASS(.name = "half-a-page", .regions = regions)
