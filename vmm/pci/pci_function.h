/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One PCI function: its configuration space (PCI Local Bus Specification 3.0, 6), its BARs, and
 * MSI-X. What stands behind the BARs is its owner's, through struct pci_function_ops.
 *
 * The guest chooses the BARs' addresses. Nothing here depends on a good choice: the host
 * bridge (pci_host.h) looks at them only for an access that has come to its window already.
 */
#pragma once

#include <ringvisor/pci.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_CONFIG_SIZE 256u
#define PCI_BARS        6u
#define PCI_VECTORS_MAX 128u

/* The lowest size of a BAR: the lower address bits say what kind it is. */
#define PCI_BAR_MIN 16u

struct pci_host;

struct pci_function_ops {
    /* As rv_read_fn and rv_write_fn: an access that lies inside of the BAR. */
    int (*read)(void *opaque, unsigned bar, uint64_t offset, unsigned width, uint64_t *value);
    int (*write)(void *opaque, unsigned bar, uint64_t offset, unsigned width, uint64_t value);
};

struct pci_msix_entry {
    uint32_t address_low; /* 0x00 */
    uint32_t address_high;
    uint32_t data;    /* 0x08 */
    uint32_t control; /* 0x0c bit 0: masked */
};
_Static_assert(sizeof(struct pci_msix_entry) == 0x10, "as the guest sees it");

/* All that the guest can change: a block of the instance's state. */
struct pci_function_state {
    uint8_t config[PCI_CONFIG_SIZE];        /* 0x000 */
    uint64_t pending[PCI_VECTORS_MAX / 64]; /* 0x100 */
    struct pci_msix_entry table[];          /* 0x110 one for each vector */
};
_Static_assert(sizeof(struct pci_function_state) == 0x110, "saved state layout");

#define PCI_STATE_VERSION 1u

struct pci_function {
    const struct pci_function_ops *ops;
    void *opaque;
    struct pci_host *host; /* NULL: it is on no bus */
    unsigned slot;
    struct pci_function_state *state;
    uint8_t fixed[PCI_CONFIG_SIZE];    /* the bits that the guest cannot change */
    uint8_t writable[PCI_CONFIG_SIZE]; /* and which it can */
    uint64_t bar_size[PCI_BARS];       /* 0: there is none */
    unsigned nr_bars;                  /* the owner's; that of MSI-X is the next */
    unsigned nr_vectors;
    unsigned msix;   /* offset of its capability; 0: none */
    unsigned window; /* and of the window's */
    bool line;       /* INTA, as the owner drives it */
    bool logged;
};

/* Bytes of state for so many vectors. */
size_t pci_function_state_size(unsigned nr_vectors);

/*
 * `bar_size`: of the owner's BARs, `nr_bars` of them. NULL if all is well, else what is wrong
 * with the description. The state comes later: pci_function_attach().
 */
const char *pci_function_init(struct pci_function *function, const struct rv_pci_function *is,
                              const uint64_t *bar_size, unsigned nr_bars,
                              const struct pci_function_ops *ops, void *opaque);

/* What another process left in `state`, or zeros that pci_function_reset() follows. */
void pci_function_attach(struct pci_function *function, struct pci_function_state *state);

/* All that the guest can see as after power-on. */
void pci_function_reset(struct pci_function *function);

/* An access of 1, 2 or 4 bytes, aligned, inside of the configuration space. */
uint32_t pci_function_config_read(struct pci_function *function, unsigned offset, unsigned width);
void pci_function_config_write(struct pci_function *function, unsigned offset, unsigned width,
                               uint32_t value);

/*
 * Does a BAR of it answer at `address`? Its number and the offset in it. BARs and accesses are
 * aligned to their sizes, so an access that begins in a BAR ends there.
 */
bool pci_function_claims(const struct pci_function *function, uint64_t address, unsigned *bar,
                         uint64_t *offset);
int pci_function_read(struct pci_function *function, unsigned bar, uint64_t offset, unsigned width,
                      uint64_t *value);
int pci_function_write(struct pci_function *function, unsigned bar, uint64_t offset, unsigned width,
                       uint64_t value);

/* The owner's interrupts: see irq_set and irq_message in ringvisor/vmm.h. */
void pci_function_set_line(struct pci_function *function, bool level);
int pci_function_message(struct pci_function *function, uint32_t vector);

/* Does it pull INTA? */
bool pci_function_interrupts(const struct pci_function *function);
