/* SPDX-License-Identifier: BSD-2-Clause */
/* An instance that is a function of the PCI bus. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/device/property.h"
#include "vmm/util/log.h"

#define BLOCK "pci" /* its state */

/* Did the user choose PCI, for a class that can be there? */
static bool device_pci_chosen(struct rv_instance *instance)
{
    const struct rv_property *all = instance->class->properties;
    int i = all ? property_find(all, "bus", strlen("bus")) : -1;

    return i >= 0 && all[i].type == RV_PROPERTY_ENUM &&
           strcmp(all[i].choices[device_property_enum(instance, "bus")], "pci") == 0;
}

const struct rv_region *device_pci_regions(struct rv_instance *instance)
{
    const struct rv_device_class *class = instance->class;

    if (class->place == RV_PLACE_PCI)
        return class->regions;
    return class->pci_regions && device_pci_chosen(instance) ? class->pci_regions : NULL;
}

int device_pci_place(struct rv_instance *instance)
{
    if (!instance->env.pci) {
        log_error("device '%s': there is no PCI bus", instance->class->name);
        return -ENODEV;
    }
    instance->pci = calloc(1, sizeof(*instance->pci));
    if (!instance->pci)
        return -ENOMEM;
    instance->pci_slot = pci_host_take_slot(instance->env.pci);
    return instance->pci_slot ? 0 : -ENOSPC;
}

static int device_pci_read(void *opaque, unsigned bar, uint64_t offset, unsigned width,
                           uint64_t *value)
{
    struct rv_instance *instance = opaque;

    return device_bus_ops.read(&instance->regions[bar], offset, width, value);
}

static int device_pci_write(void *opaque, unsigned bar, uint64_t offset, unsigned width,
                            uint64_t value)
{
    struct rv_instance *instance = opaque;

    return device_bus_ops.write(&instance->regions[bar], offset, width, value);
}

int device_pci_function(struct rv_instance *instance, const struct rv_pci_function *function)
{
    static const struct pci_function_ops ops = {.read = device_pci_read, .write = device_pci_write};
    uint64_t bars[PLUGIN_REGIONS_MAX];
    struct pci_function_state *state;
    const char *wrong;

    if (!instance->pci)
        return -ENODEV;
    if (!instance->creating || instance->pci->state || !function) {
        device_bug(instance, "pci_function outside of create(), twice, or of nothing");
        return -EINVAL;
    }
    for (unsigned i = 0; i < instance->nr_regions; i++)
        bars[i] = instance->regions[i].region->bytes;
    wrong = pci_function_init(instance->pci, function, bars, instance->nr_regions, &ops, instance);
    if (wrong) {
        log_error("device '%s': %s", instance->name, wrong);
        return -EINVAL;
    }
    state = device_state_block(instance, BLOCK, PCI_STATE_VERSION,
                               pci_function_state_size(function->vectors));
    if (!state)
        return -EINVAL;
    pci_function_attach(instance->pci, state);
    return 0;
}

int device_irq_message(struct rv_instance *instance, uint32_t vector)
{
    if (!instance->pci || !instance->pci->state) {
        device_bug(instance, "a message without a PCI function");
        return -ENXIO;
    }
    if (instance->creating)
        return 0; /* resume() tells */
    device_check_act(instance, "an interrupt");
    return pci_function_message(instance->pci, vector);
}

int device_pci_connect(struct rv_instance *instance)
{
    if (!instance->pci->state) {
        device_bug(instance, "it is on the PCI bus and has not called pci_function");
        return -EINVAL;
    }
    pci_host_add(instance->env.pci, instance->pci_slot, instance->pci);
    return 0;
}

void device_pci_free(struct rv_instance *instance)
{
    if (instance->pci && instance->pci->host)
        pci_host_remove(instance->env.pci, instance->pci);
    free(instance->pci);
    instance->pci = NULL;
}
