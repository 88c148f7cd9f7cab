/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/plugins/template.h"

static const struct rv_region bars[] = {{.bytes = TEMPLATE_SIZE, .read = template_read}, {0}};

PLUGIN_CLASS(.name = "bad-bar", .pci_regions = bars)
