/* SPDX-License-Identifier: BSD-2-Clause */
/* PE files (Microsoft PE format, "COFF File Header", "Section Table"): kernels and UKIs are some. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_MACHINE_ARM64 0xaa64u

struct pe {
    const uint8_t *data;
    size_t size;
    uint64_t sections; /* offset of the section table; `nr` headers are inside of `size` */
    unsigned nr;
    uint16_t machine;
};

struct pe_section {
    const uint8_t *name; /* 8 bytes, padded with NUL */
    uint64_t memory_size;
    uint64_t start; /* in the file */
    uint64_t size;  /* in the file, with padding */
};

/*
 * 0: a PE file whose section table is complete. -ENOENT: no PE file. A positive number:
 * the bytes that the file must have, and does not, for its section table.
 */
int64_t pe_open(struct pe *pe, const uint8_t *data, size_t size);

/* Nothing in it has been checked but that the header is there. */
struct pe_section pe_section(const struct pe *pe, unsigned index);
