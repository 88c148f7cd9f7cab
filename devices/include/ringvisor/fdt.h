/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device tree node of an instance. The core makes name, reg, interrupts and
 * what struct rv_fdt_node says; what a plain MMIO device needs. The rest is for
 * the callbacks fdt_node and fdt_root, which write through struct rv_fdt_ops.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rv_fdt; /* the tree that is being written; of no use after the callback */

struct rv_fdt_node {
    size_t size;                   /* sizeof(struct rv_fdt_node) */
    const char *name;              /* node name without the unit address: "pl011" */
    const char *const *compatible; /* NULL-terminated */
    const char *const *clocks;     /* NULL-terminated clock names, all of them 24 MHz; or NULL */
    bool stdout_path;              /* can be /chosen/stdout-path */
    bool dma_coherent;             /* "dma-coherent" */
    bool wakeup_source;            /* "wakeup-source" */
    bool phandle;                  /* other nodes point to this one: RV_FDT_SELF */
};

enum rv_fdt_phandle {
    RV_FDT_SELF,  /* the instance's own node, if its rv_fdt_node says `phandle` */
    RV_FDT_CLOCK, /* the board's fixed clock of 24 MHz */
    RV_FDT_GIC,   /* the interrupt controller: cells are type (0: SPI), number, trigger */
};

/*
 * A node's properties come before its children. A mistake (a bad name, a
 * property behind a child, nodes that are not closed) makes the start of the
 * guest fail with a message, so no call returns an error.
 */
struct rv_fdt_ops {
    size_t size; /* of this struct in the core that runs */
    void (*begin)(struct rv_fdt *fdt, const char *name);
    void (*end)(struct rv_fdt *fdt);
    void (*empty)(struct rv_fdt *fdt, const char *name);
    void (*u32)(struct rv_fdt *fdt, const char *name, uint32_t value);
    void (*u64)(struct rv_fdt *fdt, const char *name, uint64_t value);
    void (*string)(struct rv_fdt *fdt, const char *name, const char *value);
    void (*strings)(struct rv_fdt *fdt, const char *name, const char *const *list);
    void (*cells)(struct rv_fdt *fdt, const char *name, const uint32_t *cells, unsigned count);
    void (*bytes)(struct rv_fdt *fdt, const char *name, const void *data, size_t len);

    /* A number for a cell of another node. 0, and the start fails: there is none. */
    uint32_t (*phandle)(struct rv_fdt *fdt, enum rv_fdt_phandle which);

    /* SPI number of the instance's line, as the second cell of an interrupt has it. */
    uint32_t (*spi)(struct rv_fdt *fdt, unsigned line);
};
