/* SPDX-License-Identifier: BSD-2-Clause */
/* A later ABI that still speaks ours. */
#include "tests/unit/plugins/template.h"

PLUGIN_CLASS(.name = "newer", .abi_max = RV_DEVICE_ABI + 3,
             .size = sizeof(struct rv_device_class) + 64)
