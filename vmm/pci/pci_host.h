/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The board's PCI host bridge: "pci-host-ecam-generic" (PCI Express Base Specification 4.0,
 * 7.2.2) with one bus, on which each device has a slot and is its function 0. Slot 0 stays
 * empty, so that the slots are those of QEMU's board, where the bridge itself has it.
 *
 * What nobody claims reads as all ones and is not written, as on a PC. Of BARs that overlap,
 * that of the lowest slot answers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/board/board.h"
#include "vmm/pci/pci_function.h"
#include "vmm/vm/bus.h"

#define PCI_SLOTS 32u

struct pci_host_ops {
    /* The level of INTA (0) to INTD (3), each time that it changes. */
    void (*line)(void *opaque, unsigned pin, bool level);
    /* A function writes a message. False: that is no doorbell. */
    bool (*message)(void *opaque, uint64_t address, uint32_t data);
};

struct pci_host {
    const struct pci_host_ops *ops;
    void *opaque;
    struct pci_function *functions[PCI_SLOTS];
    unsigned nr_slots; /* that were given away, and slot 0 */
    bool lines[BOARD_PCI_LINES];
    bool logged; /* a message to nowhere */
};

void pci_host_init(struct pci_host *host, const struct pci_host_ops *ops, void *opaque);

/* The next free slot, or 0 after a message: there is none. */
unsigned pci_host_take_slot(struct pci_host *host);

/* Has any device a slot? */
bool pci_host_is_used(const struct pci_host *host);

/* Its windows on the guest's bus. 0 or -errno after a message. */
int pci_host_connect(struct pci_host *host, struct bus *bus);

/* The function is there from now on, in a slot that was taken for it; and no longer. */
void pci_host_add(struct pci_host *host, unsigned slot, struct pci_function *function);
void pci_host_remove(struct pci_host *host, struct pci_function *function);

/* For functions; `host` may be NULL, of one that is not there yet. */
void pci_host_update_lines(struct pci_host *host);
void pci_host_message(struct pci_host *host, uint64_t address, uint32_t data);

/* The bus regions: their opaque pointer is the struct pci_host. */
extern const struct bus_ops pci_host_ecam_ops, pci_host_mmio_ops, pci_host_io_ops;
