/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer and the reader of a recording share. */
#pragma once

#include <stdint.h>

#define RECORD_MAGIC     0x4443455256474e52ull /* "RNGVRECD" */
#define RECORD_BLOCK_MAX 0x40000u              /* bytes of a block before it is compressed */

/* The first bytes of the file. */
struct record_magic {
    uint64_t magic;
    uint32_t version;              /* RECORD_VERSION */
    uint16_t abi_major, abi_minor; /* of the messages and pages in it: RV_ABI_MAJOR and MINOR */
};

/* Before each block. */
struct record_block {
    uint32_t packed; /* bytes in the file, of one zstd frame; not 0 */
    uint32_t size;   /* bytes when it is unpacked; 1 to RECORD_BLOCK_MAX */
};
