/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/board/fdt_writer.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <libfdt.h>

void fdt_writer_begin(struct fdt_writer *w, const char *name)
{
    if (w->error == 0)
        w->error = fdt_begin_node(w->fdt, name);
}

void fdt_writer_end(struct fdt_writer *w)
{
    if (w->error == 0)
        w->error = fdt_end_node(w->fdt);
}

void fdt_writer_begin_at(struct fdt_writer *w, const char *name, uint64_t address)
{
    char full[NODE_PATH_SIZE];

    snprintf(full, sizeof(full), "%s@%" PRIx64, name, address);
    fdt_writer_begin(w, full);
}

void fdt_writer_bytes(struct fdt_writer *w, const char *name, const void *data, size_t size)
{
    if (w->error == 0)
        w->error = size > INT_MAX ? -FDT_ERR_NOSPACE : fdt_property(w->fdt, name, data, (int)size);
}

void fdt_writer_empty(struct fdt_writer *w, const char *name)
{
    fdt_writer_bytes(w, name, NULL, 0);
}

void fdt_writer_u32(struct fdt_writer *w, const char *name, uint32_t value)
{
    if (w->error == 0)
        w->error = fdt_property_u32(w->fdt, name, value);
}

void fdt_writer_u64(struct fdt_writer *w, const char *name, uint64_t value)
{
    if (w->error == 0)
        w->error = fdt_property_u64(w->fdt, name, value);
}

void fdt_writer_string(struct fdt_writer *w, const char *name, const char *value)
{
    fdt_writer_bytes(w, name, value, strlen(value) + 1);
}

/* `size` bytes to be filled in by the caller, or NULL after an error. */
void *fdt_writer_space(struct fdt_writer *w, const char *name, size_t size)
{
    void *space = NULL;

    if (w->error == 0)
        w->error = size > INT_MAX ? -FDT_ERR_NOSPACE
                                  : fdt_property_placeholder(w->fdt, name, (int)size, &space);
    return w->error == 0 ? space : NULL;
}

/* A NULL-terminated list as a stringlist. */
void fdt_writer_strings(struct fdt_writer *w, const char *name, const char *const *list)
{
    size_t size = 0;
    char *to;

    for (unsigned i = 0; list[i] != NULL; i++)
        size += strlen(list[i]) + 1;
    to = fdt_writer_space(w, name, size);
    for (unsigned i = 0; to != NULL && list[i] != NULL; i++)
        to = stpcpy(to, list[i]) + 1;
}

/* Big-endian cells, as the format has them. */
void fdt_writer_cells(struct fdt_writer *w, const char *name, const uint32_t *cells, unsigned count)
{
    fdt32_t *to = fdt_writer_space(w, name, count * sizeof(*cells));

    for (unsigned i = 0; to != NULL && i < count; i++)
        fdt32_st(&to[i], cells[i]);
}

/* (address, size) pairs with two cells each, which is what the root node declares. */
void fdt_writer_reg(struct fdt_writer *w, const uint64_t *pairs, unsigned count)
{
    fdt64_t *to = fdt_writer_space(w, "reg", count * 2 * sizeof(*pairs));

    for (unsigned i = 0; to != NULL && i < count * 2; i++)
        fdt64_st(&to[i], pairs[i]);
}
