/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device tree node of an instance. The vmm writes the node's name, "reg" (all regions
 * of registers, in order), "interrupts" and what struct rv_fdt_node says, which is what a
 * plain MMIO device needs. The rest is for the callbacks fdt_node and fdt_root, which write
 * through struct rv_fdt_ops.
 */
#pragma once

#include <stdint.h>

struct rv_fdt; /* the tree that is being written; of no use after the callback */

struct rv_fdt_node {
    uint32_t size;                 /* sizeof(struct rv_fdt_node) */
    uint8_t stdout_path;           /* can be /chosen/stdout-path */
    uint8_t dma_coherent;          /* "dma-coherent" */
    uint8_t wakeup_source;         /* "wakeup-source" */
    uint8_t phandle;               /* other nodes point to this one: RV_FDT_SELF */
    const char *name;              /* node name without the unit address: "pl011" */
    const char *const *compatible; /* NULL-terminated */
    const char *const *clocks;     /* NULL-terminated clock names, all of them 24 MHz; or NULL */
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
    uint32_t size; /* of this struct in the vmm that runs */
    uint32_t reserved;
    void (*begin)(struct rv_fdt *fdt, const char *name);
    void (*end)(struct rv_fdt *fdt);
    void (*empty)(struct rv_fdt *fdt, const char *name);
    void (*u32)(struct rv_fdt *fdt, const char *name, uint32_t value);
    void (*u64)(struct rv_fdt *fdt, const char *name, uint64_t value);
    void (*string)(struct rv_fdt *fdt, const char *name, const char *value);
    void (*strings)(struct rv_fdt *fdt, const char *name, const char *const *list);
    void (*cells)(struct rv_fdt *fdt, const char *name, const uint32_t *cells, uint32_t count);
    void (*bytes)(struct rv_fdt *fdt, const char *name, const void *data, uint64_t len);

    /*
     * A number for a cell of another node; `which` is an enum rv_fdt_phandle. 0, and the
     * start fails: there is none.
     */
    uint32_t (*phandle)(struct rv_fdt *fdt, uint32_t which);

    /* SPI number of the instance's line, as the second cell of an interrupt has it. */
    uint32_t (*spi)(struct rv_fdt *fdt, uint32_t line);
};
