/* SPDX-License-Identifier: BSD-2-Clause */
/* Says that it is "good", whose file comes first. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "good", .description = "The second of its name")
