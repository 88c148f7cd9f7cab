/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/board/fdt_pci.h"

#include <libfdt.h>

#include "vmm/board/board.h"

/* The first cell of a PCI address (2.2.1.1.4): the space; bits 15:11 of it are the device. */
#define SPACE_IO     0x01000000u
#define SPACE_MEMORY 0x02000000u
#define DEVICE_SHIFT 11u

#define MAP_CELLS 10u /* address (3), pin, controller, its address (2), interrupt (3) */

static void build_ranges(struct fdt_writer *w)
{
    const uint32_t ranges[] = {
        SPACE_IO,
        0,
        0,
        0,
        (uint32_t)BOARD_PCI_IO_BASE,
        0,
        (uint32_t)BOARD_PCI_IO_SIZE,
        SPACE_MEMORY,
        0,
        (uint32_t)BOARD_PCI_MMIO_BASE,
        0,
        (uint32_t)BOARD_PCI_MMIO_BASE,
        0,
        (uint32_t)BOARD_PCI_MMIO_SIZE,
    };

    fdt_writer_cells(w, "ranges", ranges, sizeof(ranges) / sizeof(ranges[0]));
}

/* Devices take turns at the lines: INTA of device n is line n, INTB the one after it. */
static void build_interrupt_map(struct fdt_writer *w)
{
    const uint32_t mask[] = {(BOARD_PCI_LINES - 1) << DEVICE_SHIFT, 0, 0, 7};
    uint32_t map[BOARD_PCI_LINES * BOARD_PCI_LINES * MAP_CELLS];
    unsigned at = 0;

    for (unsigned device = 0; device < BOARD_PCI_LINES; device++) {
        for (unsigned pin = 0; pin < BOARD_PCI_LINES; pin++) {
            const uint32_t entry[MAP_CELLS] = {
                device << DEVICE_SHIFT,
                0,
                0,
                1 + pin,
                PHANDLE_GIC,
                0,
                0,
                GIC_SPI,
                BOARD_PCI_SPI + (device + pin) % BOARD_PCI_LINES,
                GIC_LEVEL_HIGH,
            };

            for (unsigned i = 0; i < MAP_CELLS; i++)
                map[at++] = entry[i];
        }
    }
    fdt_writer_cells(w, "interrupt-map-mask", mask, sizeof(mask) / sizeof(mask[0]));
    fdt_writer_cells(w, "interrupt-map", map, at);
}

void fdt_pci_build(struct fdt_writer *w)
{
    fdt_writer_begin_at(w, "pcie", BOARD_PCI_MMIO_BASE);
    fdt_writer_string(w, "compatible", "pci-host-ecam-generic");
    fdt_writer_string(w, "device_type", "pci");
    fdt_writer_reg(w, (const uint64_t[]){BOARD_PCI_ECAM_BASE, BOARD_PCI_ECAM_SIZE}, 1);
    fdt_writer_u32(w, "#address-cells", 3);
    fdt_writer_u32(w, "#size-cells", 2);
    fdt_writer_u32(w, "#interrupt-cells", 1);
    fdt_writer_u32(w, "linux,pci-domain", 0);
    fdt_writer_cells(w, "bus-range", (const uint32_t[]){0, BOARD_PCI_BUSES - 1}, 2);
    build_ranges(w);
    build_interrupt_map(w);
    /* Every function, by its number on the bus, sends its messages to the frame. */
    fdt_writer_cells(w, "msi-map", (const uint32_t[]){0, PHANDLE_V2M, 0, 0x10000}, 4);
    fdt_writer_empty(w, "dma-coherent");
    fdt_writer_end(w);
}

void fdt_pci_build_v2m(struct fdt_writer *w)
{
    fdt_writer_begin_at(w, "v2m", BOARD_V2M_BASE);
    fdt_writer_string(w, "compatible", "arm,gic-v2m-frame");
    fdt_writer_empty(w, "msi-controller");
    fdt_writer_reg(w, (const uint64_t[]){BOARD_V2M_BASE, BOARD_V2M_SIZE}, 1);
    fdt_writer_u32(w, "phandle", PHANDLE_V2M);
    fdt_writer_end(w);
}
