/* SPDX-License-Identifier: BSD-2-Clause */
/* A network card that does nothing by itself: a test makes its calls. */
#include "tests/unit/support/plugins/template.h"

static const struct rv_property card_properties[] = {
    RV_NET_PROPERTIES,
    {0},
};

PLUGIN_CLASS(.name = "card", .properties = card_properties)
