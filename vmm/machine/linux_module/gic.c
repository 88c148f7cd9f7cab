// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where the GICv3 is: its distributor, and the redistributor of each CPU (IHI 0069). */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/printk.h>
#include <linux/sizes.h>

#include "module.h"

#define GICR_TYPER_OFFSET 0x8
#define GICR_TYPER_VLPIS  BIT_ULL(1) /* GICv4: the frames of virtual LPIs follow */
#define GICR_TYPER_LAST   BIT_ULL(4)

#define MAINTENANCE_PPI 9 /* the interrupt of the GIC's node in the device tree */

/* The affinity of MPIDR_EL1, as GICR_TYPER has it. */
static u32 affinity_of(u64 mpidr)
{
    return (mpidr >> 8 & 0xff000000) | (mpidr & 0xffffff);
}

static void note_frame(struct rv_boot_page *boot, u64 typer, phys_addr_t base)
{
    u32 i;

    for (i = 0; i < boot->nr_pcpus; i++)
        if (affinity_of(boot->pcpu[i].mpidr) == typer >> 32)
            boot->pcpu[i].gicr_base = base;
}

/* The redistributors in one region. */
static int walk_region(struct rv_boot_page *boot, const struct resource *region, u64 stride)
{
    void __iomem *map = ioremap(region->start, resource_size(region));
    u64 at = 0, typer = 0;

    if (!map)
        return -ENOMEM;
    while (at + SZ_128K <= resource_size(region) && !(typer & GICR_TYPER_LAST)) {
        typer = readq_relaxed(map + at + GICR_TYPER_OFFSET);
        note_frame(boot, typer, region->start + at);
        at += stride ? stride : typer & GICR_TYPER_VLPIS ? SZ_256K : SZ_128K;
    }
    iounmap(map);
    return 0;
}

static int walk_regions(struct rv_boot_page *boot, struct device_node *node)
{
    struct resource region;
    u32 regions = 1, i;
    u64 stride = 0;
    int error;

    of_property_read_u32(node, "#redistributor-regions", &regions);
    of_property_read_u64(node, "redistributor-stride", &stride);
    error = of_address_to_resource(node, 0, &region);
    if (error)
        return error;
    boot->gicd_base = region.start;
    for (i = 0; i < regions && !error; i++) {
        error = of_address_to_resource(node, 1 + i, &region);
        if (!error)
            error = walk_region(boot, &region, stride);
    }
    return error;
}

int gic_find(struct rv_boot_page *boot)
{
    struct device_node *node = of_find_compatible_node(NULL, NULL, "arm,gic-v3");
    u32 interrupt[3] = {0, MAINTENANCE_PPI, 0}, i;
    int error;

    if (!node) {
        pr_err("the device tree has no GICv3 (firmware with ACPI only is not supported yet)\n");
        return -ENODEV;
    }
    of_property_read_u32_array(node, "interrupts", interrupt, ARRAY_SIZE(interrupt));
    boot->maintenance_intid = 16 + (interrupt[1] & 0xf);
    error = walk_regions(boot, node);
    of_node_put(node);
    if (error) {
        pr_err("the GICv3's addresses in the device tree cannot be used (%d)\n", error);
        return error;
    }
    for (i = 0; i < boot->nr_pcpus; i++) {
        if (!boot->pcpu[i].gicr_base) {
            pr_err("CPU with MPIDR %#llx has no redistributor\n", boot->pcpu[i].mpidr);
            return -ENXIO;
        }
        if (max(boot->gicd_base, boot->pcpu[i].gicr_base) >= STUB_PA_LIMIT) {
            pr_err("the GICv3 is not below %llu GiB\n", STUB_PA_LIMIT >> 30);
            return -ENXIO;
        }
    }
    return 0;
}
