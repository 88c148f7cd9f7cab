/* SPDX-License-Identifier: BSD-2-Clause */
/* Built for a later ABI only. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "abi", .abi_min = RV_DEVICE_ABI + 1, .abi_max = RV_DEVICE_ABI + 2)
