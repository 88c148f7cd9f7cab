/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes characters, but does not say how many. */
#include "tests/unit/plugins/template.h"

static void chr_receive(void *device, const uint8_t *data, size_t len)
{
    (void)device;
    (void)data;
    (void)len;
}

PLUGIN_CLASS(.name = "chr", .chr_receive = chr_receive)
