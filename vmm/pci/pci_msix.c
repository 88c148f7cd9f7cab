/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/pci/pci_msix.h"

#include <linux/pci_regs.h>

#include "vmm/pci/pci_host.h"

#define ENTRY_MASKED 0x1u

static unsigned command(const struct pci_function *function)
{
    return function->state->config[PCI_COMMAND];
}

static unsigned control(const struct pci_function *function)
{
    const uint8_t *at = &function->state->config[function->msix + PCI_MSIX_FLAGS];

    return at[0] | (unsigned)at[1] << 8;
}

bool pci_msix_enabled(const struct pci_function *function)
{
    return function->msix && control(function) & PCI_MSIX_FLAGS_ENABLE;
}

/* A message is a write by the function, which only a bus master makes. */
static bool may_send(const struct pci_function *function)
{
    return pci_msix_enabled(function) && !(control(function) & PCI_MSIX_FLAGS_MASKALL) &&
           command(function) & PCI_COMMAND_MASTER;
}

void pci_msix_send(struct pci_function *function)
{
    struct pci_function_state *state = function->state;

    if (!may_send(function))
        return;
    for (unsigned i = 0; i < function->nr_vectors; i++) {
        const struct pci_msix_entry *entry = &state->table[i];

        if (!(state->pending[i / 64] >> i % 64 & 1) || entry->control & ENTRY_MASKED)
            continue;
        state->pending[i / 64] &= ~(1ull << i % 64);
        pci_host_message(function->host, entry->address_low | (uint64_t)entry->address_high << 32,
                         entry->data);
    }
}

void pci_msix_raise(struct pci_function *function, unsigned vector)
{
    function->state->pending[vector / 64] |= 1ull << vector % 64;
    pci_msix_send(function);
}

/* Registers of 32 bits; software uses no others (6.8.2). */
uint64_t pci_msix_read(const struct pci_function *function, uint64_t offset, unsigned width)
{
    const struct pci_function_state *state = function->state;
    uint64_t entry = offset / sizeof(struct pci_msix_entry);
    uint64_t pending = (offset - PCI_MSIX_PENDING) / 8;

    if (width != 4)
        return 0;
    if (offset >= PCI_MSIX_PENDING)
        return pending < PCI_VECTORS_MAX / 64
                   ? (uint32_t)(state->pending[pending] >> offset % 8 * 8)
                   : 0;
    if (entry >= function->nr_vectors)
        return 0;
    switch (offset % sizeof(struct pci_msix_entry)) {
    case PCI_MSIX_ENTRY_LOWER_ADDR: return state->table[entry].address_low;
    case PCI_MSIX_ENTRY_UPPER_ADDR: return state->table[entry].address_high;
    case PCI_MSIX_ENTRY_DATA: return state->table[entry].data;
    default: return state->table[entry].control;
    }
}

void pci_msix_write(struct pci_function *function, uint64_t offset, unsigned width, uint64_t value)
{
    uint64_t index = offset / sizeof(struct pci_msix_entry);
    struct pci_msix_entry *entry;

    if (width != 4 || offset >= PCI_MSIX_PENDING || index >= function->nr_vectors)
        return;
    entry = &function->state->table[index];
    switch (offset % sizeof(struct pci_msix_entry)) {
    case PCI_MSIX_ENTRY_LOWER_ADDR: entry->address_low = (uint32_t)value & ~3u; break;
    case PCI_MSIX_ENTRY_UPPER_ADDR: entry->address_high = (uint32_t)value; break;
    case PCI_MSIX_ENTRY_DATA: entry->data = (uint32_t)value; break;
    default:
        entry->control = (uint32_t)value & ENTRY_MASKED;
        pci_msix_send(function);
        break;
    }
}

void pci_msix_reset(struct pci_function *function)
{
    for (unsigned i = 0; i < PCI_VECTORS_MAX / 64; i++)
        function->state->pending[i] = 0;
    for (unsigned i = 0; i < function->nr_vectors; i++)
        function->state->table[i] = (struct pci_msix_entry){.control = ENTRY_MASKED};
}
