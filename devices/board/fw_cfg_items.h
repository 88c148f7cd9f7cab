/* SPDX-License-Identifier: BSD-2-Clause */
/* What the firmware configuration device has to read: items by key, and the files' directory. */
#pragma once

#include <ringvisor/device.h>
#include <stdint.h>

struct fw_cfg_item {
    uint16_t key;
    uint32_t size;
    uint8_t *data;
};

struct fw_cfg_items;

extern const struct rv_property fw_cfg_properties[];

/* From the instance's properties; files are read now. 0 or -errno after a message. */
int fw_cfg_items_new(struct rv_instance *instance, const struct rv_vmm_ops *ops,
                     struct fw_cfg_items **items);

/* NULL is none. */
void fw_cfg_items_free(struct fw_cfg_items *items);

/* NULL: there is no item of this key; it reads as zeros. */
const struct fw_cfg_item *fw_cfg_items_find(const struct fw_cfg_items *items, uint16_t key);
