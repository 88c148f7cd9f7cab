/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/device/plugin_check.h"

#include "vmm/board/board.h"
#include "vmm/device/property.h"

#define PLUGIN_IRQS_MAX  64u
#define PLUGIN_STATE_MAX 0x10000000u /* 256 MiB: more is a mistake, not a device */

static const char *check_region(const struct rv_device_class *class, const struct rv_region *region)
{
    if (!region->read || !region->write)
        return "read or write of a region is missing";
    if (class->place == RV_PLACE_FIXED &&
        region->fixed_base + (region->bytes - 1) < region->fixed_base)
        return "its fixed place is not in the address space";
    if (region->flags & ~(RV_REGION_MEMORY | RV_REGION_DATA))
        return "a region has a flag that is unknown";
    if ((region->flags & (RV_REGION_MEMORY | RV_REGION_DATA)) == RV_REGION_DATA)
        return "a region without memory has data in it";
    if (class->place == RV_PLACE_VIRTIO_MMIO && region->flags == RV_REGION_MEMORY)
        return "the memory of a virtio-mmio transport is data";
    if (class->place != RV_PLACE_VIRTIO_MMIO && region->flags & RV_REGION_MEMORY &&
        (region->bytes | region->fixed_base) % RV_PAGE_SIZE)
        return "the memory of a region is not whole pages";
    for (const struct rv_range *r = region->posted; r && r->size > 0; r++)
        if (r->start >= region->bytes || r->size > region->bytes - r->start)
            return "a posted range lies outside of its registers";
    return NULL;
}

static const char *check_regions(const struct rv_device_class *class)
{
    const char *wrong = NULL;
    unsigned count = 0;

    for (; class->regions && class->regions[count].bytes && !wrong; count++)
        wrong = check_region(class, &class->regions[count]);
    if (wrong)
        return wrong;
    if (count == 0)
        return "it has no registers (regions is empty)";
    if (class->place > RV_PLACE_PCI)
        return "its place is unknown";
    if (class->place == RV_PLACE_VIRTIO_MMIO &&
        (count > 1 || class->regions[0].bytes != BOARD_VIRTIO_STEP || class->irq_lines > 1))
        return "a virtio-mmio transport has one region of 0x200 bytes and one line";
    return NULL;
}

static const char *check_bars(const struct rv_device_class *class)
{
    const struct rv_region *bars =
        class->place == RV_PLACE_PCI ? class->regions : class->pci_regions;
    unsigned count = 0;

    for (; bars && bars[count].bytes; count++) {
        if (!bars[count].read || !bars[count].write)
            return "read or write of a BAR is missing";
        if (bars[count].flags)
            return "a BAR has no memory, and so no flag";
        if (bars[count].posted)
            return "all writes to a BAR are posted: name no ranges";
    }
    return bars && count == 0 ? "it has no BAR" : NULL;
}

static const char *check_lines(const struct rv_device_class *class)
{
    if (class->irq_lines > PLUGIN_IRQS_MAX)
        return "it has more than 64 interrupt lines";
    if (class->irq_lines < PLUGIN_IRQS_MAX && class->irq_edge >> class->irq_lines)
        return "irq_edge names a line that it does not have";
    return NULL;
}

static const char *check_commands(const struct rv_device_class *class)
{
    for (const struct rv_command_info *c = class->commands; c && c->name; c++)
        if (!property_name_valid(c->name) || !c->help)
            return "a command has no help, or its name is not 1 to 32 of a-z, 0-9, '-', '_' and "
                   "'.'";
    if (class->commands && class->commands->name && !class->command)
        return "it has commands, but no command()";
    return NULL;
}

const char *plugin_check(const struct rv_device_class *class)
{
    const char *wrong;

    if (!property_name_valid(class->name))
        return "its name is not 1 to 32 of a-z, 0-9, '-', '_' and '.'";
    if (!class->description)
        return "it has no description";
    if (!class->create || !class->destroy || !class->reset)
        return "create, destroy or reset is missing";
    if (class->state_size > PLUGIN_STATE_MAX)
        return "its state is larger than 256 MiB";
    if (!class->fdt && (class->fdt_node || class->fdt_root))
        return "fdt_node and fdt_root need a device tree node (fdt)";
    if (class->fdt && (!class->fdt->name || !class->fdt->compatible || !class->fdt->compatible[0]))
        return "its device tree node lacks name or compatible";
    if (class->fdt && class->fdt->size < PLUGIN_FDT_MIN)
        return "its device tree node has no size: set .size to sizeof(struct rv_fdt_node)";
    wrong = check_regions(class);
    if (!wrong)
        wrong = check_bars(class);
    if (!wrong)
        wrong = check_commands(class);
    if (!wrong)
        wrong = check_lines(class);
    return wrong ? wrong : property_check(class->properties);
}
