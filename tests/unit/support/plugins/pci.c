/* SPDX-License-Identifier: BSD-2-Clause */
/* A device for either bus. Its BAR's registers are its state, and a write to two of them acts. */
#include "tests/unit/support/plugins/template.h"

#define PCI_LINE    0x10u /* write: the level of line 0 */
#define PCI_MESSAGE 0x18u /* write: a message of this vector; reads as its result */
#define PCI_WIDTH   0x20u /* reads as the region and the width of the last write */

static int pci_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                      uint32_t flags, void **device)
{
    const struct rv_pci_function function = {
        .size = sizeof(function),
        .class_code = 0xff0000,
        .vendor = 0x1234,
        .device = 0x5678,
        .vectors = 2,
    };
    bool forgets = ops->property_bool(instance, "forgets");
    int error = forgets ? 0 : ops->pci_function(instance, &function);

    if (error && error != -ENODEV)
        return error;
    return template_create(instance, ops, state, flags, device);
}

static int pci_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                     const struct rv_access *access)
{
    struct template *t = device;

    if (offset == PCI_LINE)
        t->ops->irq_set(t->instance, 0, value);
    if (offset == PCI_MESSAGE)
        value = (uint64_t)(int64_t)t->ops->irq_message(t->instance, (uint32_t)value);
    template_write(device, PCI_WIDTH, 8, access->region << 8 | size, access);
    return template_write(device, offset, 8, value, access);
}

static const struct rv_region pci_regions[] = {
    {.bytes = TEMPLATE_SIZE, .read = template_read, .write = pci_write},
    {0},
};

static const struct rv_property pci_properties[] = {
    RV_PROPERTY_BUS,
    {.name = "forgets", .type = RV_PROPERTY_BOOL, .value = "off", .help = "to say what it is"},
    {0},
};

PLUGIN_CLASS(.name = "pci", .irq_lines = 1, .irq_edge = 1, .pci_regions = pci_regions,
             .properties = pci_properties, .create = pci_create)
