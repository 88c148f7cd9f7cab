/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_pci.h"

#include "vmm/board/board.h"
#include "vmm/vm/vm.h"
#include "vmm/vm/vm_devices.h"

static void line(void *opaque, unsigned pin, bool level)
{
    vm_devices_set_line(opaque, BOARD_SPI_INTID + BOARD_PCI_SPI + pin, level);
}

/* Drivers set an SPI of the frame to edge-triggered; the wire is low at all other times. */
static void edge(void *opaque, uint32_t intid)
{
    vm_devices_set_line(opaque, intid, true);
    vm_devices_set_line(opaque, intid, false);
}

static bool message(void *opaque, uint64_t address, uint32_t data)
{
    if (address != BOARD_V2M_BASE + V2M_SETSPI_NS)
        return false;
    v2m_message(&((struct vm *)opaque)->v2m, data);
    return true;
}

void vm_pci_init(struct vm *vm)
{
    static const struct pci_host_ops ops = {.line = line, .message = message};

    pci_host_init(&vm->pci, &ops, vm);
    vm->v2m = (struct v2m){
        .first = BOARD_SPI_INTID + BOARD_V2M_SPI,
        .count = BOARD_V2M_COUNT,
        .edge = edge,
        .opaque = vm,
    };
}

int vm_pci_connect(struct vm *vm)
{
    int error;

    if (!pci_host_is_used(&vm->pci))
        return 0;
    /* A guest that is taken over may have left a wire high: it gets the level that it has now. */
    for (unsigned pin = 0; pin < BOARD_PCI_LINES; pin++)
        line(vm, pin, vm->pci.lines[pin]);
    error = pci_host_connect(&vm->pci, vm->bus);
    return error ? error
                 : bus_add(vm->bus, "gic-v2m", ipa(BOARD_V2M_BASE), BOARD_V2M_SIZE, &v2m_bus_ops,
                           &vm->v2m);
}
