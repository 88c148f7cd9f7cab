/* SPDX-License-Identifier: BSD-2-Clause */
/* A later ABI that still speaks ours: its structs are longer. */
#include "tests/unit/support/plugins/template.h"

static const struct newer_property {
    struct rv_property known;
    uint64_t more[3];
} properties[] = {
    {{.name = "first", .type = RV_PROPERTY_BOOL, .value = "on", .help = "a switch"}, {1, 2, 3}},
    {{.name = "second", .type = RV_PROPERTY_UINT, .value = "2", .help = "a number"}, {4, 5, 6}},
    {{0}, {0}},
};

PLUGIN_CLASS(.name = "newer", .abi_max = RV_DEVICE_ABI + 3,
             .size = sizeof(struct rv_device_class) + 64, .properties = &properties[0].known,
             .property_size = sizeof(properties[0]))
