/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions. The vmm has the configuration space, the BARs' addresses, MSI-X and its table;
 * a device says in create() what its function looks like (the operation pci_function), answers
 * for the registers in its BARs, and sends messages (irq_message).
 */
#pragma once

#include <stdint.h>

/*
 * The user's choice for a class that can be on either bus (pci_regions): the vmm reads it.
 */
#define RV_PROPERTY_BUS                                                                      \
    {                                                                                        \
        .name = "bus", .type = RV_PROPERTY_ENUM, .value = "mmio",                            \
        .choices = (const char *const[]){"mmio", "pci", NULL},                               \
        .help = "where the guest finds it: among the board's devices, or as a PCI function", \
    }

/* rv_pci_capability.flags */
/*
 * A window into the BARs by way of configuration space, as virtio's (virtio 1.2, 4.1.4.9): the
 * guest writes a BAR's number to byte 4, an offset in it to byte 8 and a width to byte 12; then
 * what it reads and writes at byte 16 are the BAR's registers.
 */
#define RV_PCI_CAPABILITY_WINDOW 0x1u

/* One in the list of capabilities: PCI Local Bus Specification 3.0, 6.7. Element: `capability_size`. */
struct rv_pci_capability {
    const void *bytes; /* the first is its ID, the second the vmm's; NULL ends the list */
    uint32_t size;     /* a multiple of 4 */
    uint32_t flags;    /* RV_PCI_CAPABILITY_x */
};

struct rv_pci_function {
    uint32_t size;       /* sizeof(struct rv_pci_function) */
    uint32_t class_code; /* 24 bits: 0x010000 is a SCSI controller */
    uint16_t vendor;
    uint16_t device;
    uint16_t subsystem_vendor;
    uint16_t subsystem;
    uint32_t vectors; /* of MSI-X, at most 128; 0: it has no messages */
    uint8_t revision;
    uint8_t reserved[3];
    const struct rv_pci_capability *capabilities; /* beside that of MSI-X; NULL: none */
    uint32_t capability_size;                     /* sizeof(struct rv_pci_capability) */
    uint32_t reserved2;
};
