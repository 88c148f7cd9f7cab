/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's PCI bus: the host bridge and the frame for messages, wired to the interrupt controller. */
#pragma once

struct vm;

void vm_pci_init(struct vm *vm);

/* Once all devices are there: on the guest's bus, if one of them is a PCI function. 0 or -errno. */
int vm_pci_connect(struct vm *vm);
