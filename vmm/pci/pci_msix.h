/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X of a function: PCI Local Bus Specification 3.0, 6.8.2. */
#pragma once

#include "vmm/pci/pci_function.h"

/* Its BAR: the table, and behind it the bits of what is pending. */
#define PCI_MSIX_BAR_SIZE 0x1000u
#define PCI_MSIX_PENDING  0x800u

bool pci_msix_enabled(const struct pci_function *function);
uint64_t pci_msix_read(const struct pci_function *function, uint64_t offset, unsigned width);
void pci_msix_write(struct pci_function *function, uint64_t offset, unsigned width, uint64_t value);
void pci_msix_reset(struct pci_function *function);

/* Make the vector pending, and send what may be sent. */
void pci_msix_raise(struct pci_function *function, unsigned vector);

/* Send what is pending and not masked: after each write that may unmask something. */
void pci_msix_send(struct pci_function *function);
