/* SPDX-License-Identifier: BSD-2-Clause */
/* SMBIOS tables (DMTF DSP0134, version 3.0), which EDK2 takes from fw_cfg for the guest. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What a user can say of the system: its table's strings, in the order of the table. */
enum fw_cfg_smbios_text {
    FW_CFG_SMBIOS_MANUFACTURER,
    FW_CFG_SMBIOS_PRODUCT,
    FW_CFG_SMBIOS_VERSION,
    FW_CFG_SMBIOS_SERIAL,
    FW_CFG_SMBIOS_SKU,
    FW_CFG_SMBIOS_FAMILY,
    FW_CFG_SMBIOS_TEXTS,
};

#define FW_CFG_SMBIOS_TEXT_MAX   128u
#define FW_CFG_SMBIOS_MAX        4096u /* bytes of all tables, with the longest texts */
#define FW_CFG_SMBIOS_ENTRY_SIZE 24u

struct fw_cfg_smbios {
    const char *text[FW_CFG_SMBIOS_TEXTS]; /* NULL: none. FW_CFG_SMBIOS_TEXT_MAX at most */
    uint8_t uuid[16];                      /* as the text has them; zeros: none */
    uint64_t memory;                       /* bytes from `memory_base` on */
    uint64_t memory_base;
    uint16_t cpus;
};

/* Writes the tables; how many bytes they have. */
size_t fw_cfg_smbios_tables(const struct fw_cfg_smbios *about, uint8_t to[FW_CFG_SMBIOS_MAX]);

/* The entry point of tables of this size. The firmware puts in their address. */
void fw_cfg_smbios_entry(uint8_t to[FW_CFG_SMBIOS_ENTRY_SIZE], size_t tables_size);

/* "01234567-89ab-cdef-0123-456789abcdef". 0 or -EINVAL. */
int fw_cfg_smbios_uuid(const char *text, uint8_t uuid[16]);
