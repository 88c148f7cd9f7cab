/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a device tree: what the parts of fdt.c share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Devices that say so have PHANDLE_DEVICE and their index in struct fdt_config. */
#define PHANDLE_GIC    1u
#define PHANDLE_CLOCK  2u
#define PHANDLE_V2M    3u
#define PHANDLE_DEVICE 16u

/* Interrupt specifiers of arm,gic-v3: type, number within the type, flags. */
#define GIC_CELLS       3u
#define GIC_SPI         0u
#define GIC_PPI         1u
#define GIC_EDGE_RISING 1u
#define GIC_LEVEL_HIGH  4u

/* Devicetree Specification, 2.2.1: a node name has 1 to 31 characters of these. */
#define NODE_NAME_MAX   31u
#define NODE_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,._+-"

/* "name@" and 16 digits, and '/' for a path. */
#define NODE_PATH_SIZE (NODE_NAME_MAX + 19u)

/*
 * libfdt's sequential writer, and the first error that it gave. After that every
 * call does nothing, so the tree below reads as the list of what is in it.
 */
struct fdt_writer {
    void *fdt;
    int error;
};

void fdt_writer_begin(struct fdt_writer *w, const char *name);
void fdt_writer_end(struct fdt_writer *w);
void fdt_writer_begin_at(struct fdt_writer *w, const char *name, uint64_t address);
void fdt_writer_bytes(struct fdt_writer *w, const char *name, const void *data, size_t size);
void fdt_writer_empty(struct fdt_writer *w, const char *name);
void fdt_writer_u32(struct fdt_writer *w, const char *name, uint32_t value);
void fdt_writer_u64(struct fdt_writer *w, const char *name, uint64_t value);
void fdt_writer_string(struct fdt_writer *w, const char *name, const char *value);
/* `size` bytes to be filled in by the caller, or NULL after an error. */
void *fdt_writer_space(struct fdt_writer *w, const char *name, size_t size);
/* A NULL-terminated list as a stringlist. */
void fdt_writer_strings(struct fdt_writer *w, const char *name, const char *const *list);
/* Big-endian cells, as the format has them. */
void fdt_writer_cells(struct fdt_writer *w, const char *name, const uint32_t *cells,
                      unsigned count);
/* (address, size) pairs with two cells each, which is what the root node declares. */
void fdt_writer_reg(struct fdt_writer *w, const uint64_t *pairs, unsigned count);
