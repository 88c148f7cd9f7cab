/* SPDX-License-Identifier: BSD-2-Clause */
/* More registers than its place has. */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS(.name = "place", .place = RV_PLACE_VIRTIO_MMIO)
