/* SPDX-License-Identifier: BSD-2-Clause */
/* A required callback is missing. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "read", .read = NULL)
