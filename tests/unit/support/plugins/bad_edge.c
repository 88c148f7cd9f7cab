/* SPDX-License-Identifier: BSD-2-Clause */
/* An edge on a line that it does not have. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "edge", .irq_lines = 2, .irq_edge = 4)
