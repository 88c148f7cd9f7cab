/* SPDX-License-Identifier: BSD-2-Clause */
/* A name that --device cannot take. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "na,me=x")
