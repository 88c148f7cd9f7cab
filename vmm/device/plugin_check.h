/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a device class in order? It is code in our own process, so this is no defence: it is to find a
 * mistake where it was made.
 */
#pragma once

#include <ringvisor/device.h>
#include <stddef.h>

/* What the structs of version 1 end with: the oldest that are served. */
#define PLUGIN_END(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
#define PLUGIN_CLASS_MIN        PLUGIN_END(struct rv_device_class, command)
#define PLUGIN_PROPERTY_MIN     PLUGIN_END(struct rv_property, max)
#define PLUGIN_COMMAND_MIN      PLUGIN_END(struct rv_command_info, help)
#define PLUGIN_REGION_MIN       PLUGIN_END(struct rv_region, posted)
#define PLUGIN_RANGE_MIN        PLUGIN_END(struct rv_range, size)
#define PLUGIN_FDT_MIN          PLUGIN_END(struct rv_fdt_node, clocks)

/* What is wrong with it, or NULL. */
const char *plugin_check(const struct rv_device_class *class);
