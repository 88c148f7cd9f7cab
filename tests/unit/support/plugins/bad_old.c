/* SPDX-License-Identifier: BSD-2-Clause */
/* Built for an ABI before the first that is served. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "old", .abi_min = RV_DEVICE_ABI_MIN - 1, .abi_max = RV_DEVICE_ABI_MIN - 1)
