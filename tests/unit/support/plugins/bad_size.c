/* SPDX-License-Identifier: BSD-2-Clause */
/* Its class struct is too small to be one. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "size", .size = 16)
