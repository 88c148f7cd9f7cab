/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/board/fdt_device.h"

#include <stdbool.h>
#include <string.h>

#include <libfdt.h>

#include "vmm/util/log.h"

#define DEPTH_MAX 8u

/* Devicetree Specification, 2.2.4.1: a property name has 1 to 31 characters of these. */
#define PROPERTY_NAME_CHARS NODE_NAME_CHARS "?#"

/* What a plugin's callback writes through; it ends with the callback. */
struct rv_fdt {
    struct fdt_writer *w;
    const struct fdt_device *device;
    unsigned index;
    bool root;
    unsigned depth;                 /* of the nodes that the callback has begun */
    bool has_child[DEPTH_MAX + 1u]; /* the node of that depth: its properties are over */
};

static void fail(struct rv_fdt *fdt, const char *what, const char *name)
{
    /* The first mistake only: those after may come of it. */
    if (fdt->w->error)
        return;
    log_error("device tree: device '%s': %s '%s': a bug of the plugin", fdt->device->node->name,
              what, name ? name : "");
    fdt->w->error = -FDT_ERR_BADSTRUCTURE;
}

static bool is_name(const char *name, const char *characters)
{
    size_t len = name ? strlen(name) : 0;

    return len > 0 && len <= NODE_NAME_MAX && strspn(name, characters) == len;
}

/* "name" or "name@unit-address" (2.2.1.1). */
static bool is_node_name(const char *name)
{
    const char *at = name ? strchr(name, '@') : NULL;
    size_t len = at ? (size_t)(at - name) : 0;

    if (!at)
        return is_name(name, NODE_NAME_CHARS);
    return len > 0 && len <= NODE_NAME_MAX && strspn(name, NODE_NAME_CHARS) == len &&
           is_name(at + 1, NODE_NAME_CHARS);
}

/* In the device's own node these are the vmm's. */
static bool is_taken(const char *name)
{
    static const char *const taken[] = {"compatible",    "reg",     "interrupts", "clocks",
                                        "clock-names",   "phandle", "status",     "dma-coherent",
                                        "wakeup-source", NULL};

    for (unsigned i = 0; taken[i]; i++)
        if (strcmp(name, taken[i]) == 0)
            return true;
    return false;
}

/* May a property of that name come here? */
static bool property(struct rv_fdt *fdt, const char *name)
{
    if (fdt->w->error)
        return false;
    if (!is_name(name, PROPERTY_NAME_CHARS))
        fail(fdt, "bad name of a property", name);
    else if (fdt->root && fdt->depth == 0)
        fail(fdt, "the root node gets no property", name);
    else if (fdt->has_child[fdt->depth])
        fail(fdt, "behind a child node there can be no property", name);
    else if (fdt->depth == 0 && is_taken(name))
        fail(fdt, "the vmm has written property", name);
    return fdt->w->error == 0;
}

static void op_begin(struct rv_fdt *fdt, const char *name)
{
    if (fdt->w->error)
        return;
    if (!is_node_name(name)) {
        fail(fdt, "bad name of a node", name);
    } else if (fdt->depth == DEPTH_MAX) {
        fail(fdt, "too deep is node", name);
    } else {
        fdt->has_child[fdt->depth++] = true;
        fdt->has_child[fdt->depth] = false;
        fdt_writer_begin(fdt->w, name);
    }
}

static void op_end(struct rv_fdt *fdt)
{
    if (fdt->w->error)
        return;
    if (fdt->depth == 0) {
        fail(fdt, "end without", "begin");
        return;
    }
    fdt->depth--;
    fdt_writer_end(fdt->w);
}

static void op_empty(struct rv_fdt *fdt, const char *name)
{
    if (property(fdt, name))
        fdt_writer_empty(fdt->w, name);
}

static void op_u32(struct rv_fdt *fdt, const char *name, uint32_t value)
{
    if (property(fdt, name))
        fdt_writer_u32(fdt->w, name, value);
}

static void op_u64(struct rv_fdt *fdt, const char *name, uint64_t value)
{
    if (property(fdt, name))
        fdt_writer_u64(fdt->w, name, value);
}

static void op_string(struct rv_fdt *fdt, const char *name, const char *value)
{
    if (property(fdt, name))
        fdt_writer_string(fdt->w, name, value);
}

static void op_strings(struct rv_fdt *fdt, const char *name, const char *const *list)
{
    if (property(fdt, name))
        fdt_writer_strings(fdt->w, name, list);
}

static void op_cells(struct rv_fdt *fdt, const char *name, const uint32_t *cells, unsigned count)
{
    if (property(fdt, name))
        fdt_writer_cells(fdt->w, name, cells, count);
}

static void op_bytes(struct rv_fdt *fdt, const char *name, const void *data, size_t len)
{
    if (property(fdt, name))
        fdt_writer_bytes(fdt->w, name, data, len);
}

static uint32_t op_phandle(struct rv_fdt *fdt, uint32_t which)
{
    switch (which) {
    case RV_FDT_CLOCK: return PHANDLE_CLOCK;
    case RV_FDT_GIC: return PHANDLE_GIC;
    case RV_FDT_SELF:
        if (fdt->device->node->phandle)
            return PHANDLE_DEVICE + fdt->index;
    }
    fail(fdt, "no phandle without", "rv_fdt_node.phandle");
    return 0;
}

static uint32_t op_spi(struct rv_fdt *fdt, unsigned line)
{
    if (line < fdt->device->nr_spis)
        return fdt->device->spis[line];
    fail(fdt, "the SPI of a line that it does not have", "");
    return 0;
}

static const struct rv_fdt_ops ops = {
    .size = sizeof(ops),
    .begin = op_begin,
    .end = op_end,
    .empty = op_empty,
    .u32 = op_u32,
    .u64 = op_u64,
    .string = op_string,
    .strings = op_strings,
    .cells = op_cells,
    .bytes = op_bytes,
    .phandle = op_phandle,
    .spi = op_spi,
};

static void call(struct fdt_writer *w, const struct fdt_config *config, unsigned index, bool root)
{
    const struct fdt_device *device = &config->devices[index];
    void (*add)(void *, struct rv_fdt *, const struct rv_fdt_ops *) =
        root ? device->fdt_root : device->fdt_node;
    struct rv_fdt fdt = {.w = w, .device = device, .index = index, .root = root};

    if (!add)
        return;
    add(device->device, &fdt, &ops);
    if (fdt.depth)
        fail(&fdt, "a node that it has begun is not ended", "");
}

static void interrupts(struct fdt_writer *w, const struct fdt_device *device)
{
    fdt32_t *to;

    if (device->nr_spis == 0)
        return;
    to = fdt_writer_space(w, "interrupts", device->nr_spis * GIC_CELLS * sizeof(*to));
    for (unsigned i = 0; to != NULL && i < device->nr_spis; i++) {
        fdt32_st(&to[i * GIC_CELLS], GIC_SPI);
        fdt32_st(&to[i * GIC_CELLS + 1], device->spis[i]);
        fdt32_st(&to[i * GIC_CELLS + 2],
                 device->irq_edge >> i & 1 ? GIC_EDGE_RISING : GIC_LEVEL_HIGH);
    }
}

static void clocks(struct fdt_writer *w, const struct rv_fdt_node *node)
{
    unsigned count = 0;
    fdt32_t *to;

    while (node->clocks != NULL && node->clocks[count] != NULL)
        count++;
    if (count == 0)
        return;
    to = fdt_writer_space(w, "clocks", count * sizeof(*to));
    for (unsigned i = 0; to != NULL && i < count; i++)
        fdt32_st(&to[i], PHANDLE_CLOCK);
    fdt_writer_strings(w, "clock-names", node->clocks);
}

void fdt_device_build(struct fdt_writer *w, const struct fdt_config *config, unsigned index)
{
    const struct fdt_device *device = &config->devices[index];
    const struct rv_fdt_node *node = device->node;

    uint64_t reg[1 + FDT_MORE_MAX][2] = {{device->base.v, device->size}};

    for (unsigned i = 0; i < device->nr_more && i < FDT_MORE_MAX; i++) {
        reg[1 + i][0] = device->more[i].base.v;
        reg[1 + i][1] = device->more[i].size;
    }
    fdt_writer_begin_at(w, node->name, device->base.v);
    fdt_writer_strings(w, "compatible", node->compatible);
    fdt_writer_reg(w, reg[0], 1 + device->nr_more);
    interrupts(w, device);
    clocks(w, node);
    if (node->dma_coherent)
        fdt_writer_empty(w, "dma-coherent");
    if (node->wakeup_source)
        fdt_writer_empty(w, "wakeup-source");
    if (node->phandle)
        fdt_writer_u32(w, "phandle", PHANDLE_DEVICE + index);
    call(w, config, index, false);
    fdt_writer_end(w);
}

void fdt_device_build_root(struct fdt_writer *w, const struct fdt_config *config, unsigned index)
{
    call(w, config, index, true);
}
