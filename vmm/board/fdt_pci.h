/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI host bridge's part of the device tree (IEEE 1275, PCI bus binding; Linux's bindings). */
#pragma once

#include "vmm/board/fdt_writer.h"

void fdt_pci_build(struct fdt_writer *w);

/* The frame for messages: a child of the interrupt controller. */
void fdt_pci_build_v2m(struct fdt_writer *w);
