/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/pci/pci_host.h"

#include <errno.h>
#include <inttypes.h>

#include "vmm/util/log.h"

/* An address in ECAM: bits 27:20 are the bus, 19:15 the device, 14:12 the function. */
#define ECAM_OFFSET 0xfffu
#define ECAM_SHIFT  12u

static const uint64_t nobody = UINT64_MAX;

void pci_host_init(struct pci_host *host, const struct pci_host_ops *ops, void *opaque)
{
    *host = (struct pci_host){.ops = ops, .opaque = opaque, .nr_slots = 1};
}

unsigned pci_host_take_slot(struct pci_host *host)
{
    if (host->nr_slots < PCI_SLOTS)
        return host->nr_slots++;
    log_error("more than %u devices on the PCI bus: put some of them on another, by bus=mmio",
              PCI_SLOTS - 1);
    return 0;
}

bool pci_host_is_used(const struct pci_host *host)
{
    return host->nr_slots > 1;
}

int pci_host_connect(struct pci_host *host, struct bus *bus)
{
    int error = bus_add(bus, "pci-config", ipa(BOARD_PCI_ECAM_BASE), BOARD_PCI_ECAM_SIZE,
                        &pci_host_ecam_ops, host);

    if (!error)
        error = bus_add(bus, "pci", ipa(BOARD_PCI_MMIO_BASE), BOARD_PCI_MMIO_SIZE,
                        &pci_host_mmio_ops, host);
    return error ? error
                 : bus_add(bus, "pci-io", ipa(BOARD_PCI_IO_BASE), BOARD_PCI_IO_SIZE,
                           &pci_host_io_ops, host);
}

void pci_host_add(struct pci_host *host, unsigned slot, struct pci_function *function)
{
    function->host = host;
    function->slot = slot;
    host->functions[slot] = function;
    pci_host_update_lines(host);
}

void pci_host_remove(struct pci_host *host, struct pci_function *function)
{
    host->functions[function->slot] = NULL;
    function->host = NULL;
    pci_host_update_lines(host);
}

/* Devices take turns at the four lines, as the device tree's interrupt-map says. */
void pci_host_update_lines(struct pci_host *host)
{
    bool lines[BOARD_PCI_LINES] = {false};

    if (!host)
        return;
    for (unsigned i = 0; i < PCI_SLOTS; i++)
        if (host->functions[i])
            lines[i % BOARD_PCI_LINES] |= pci_function_interrupts(host->functions[i]);
    for (unsigned pin = 0; pin < BOARD_PCI_LINES; pin++) {
        if (lines[pin] == host->lines[pin])
            continue;
        host->lines[pin] = lines[pin];
        host->ops->line(host->opaque, pin, lines[pin]);
    }
}

void pci_host_message(struct pci_host *host, uint64_t address, uint32_t data)
{
    if (!host || host->ops->message(host->opaque, address, data) || host->logged)
        return;
    host->logged = true;
    log_warn("a PCI function's message of 0x%" PRIx32 " to 0x%" PRIx64 " is lost: no doorbell is "
             "there; further ones without a message",
             data, address);
}

/*
 * Configuration space
 */

static struct pci_function *at_config(const struct pci_host *host, uint64_t offset)
{
    uint64_t number = offset >> ECAM_SHIFT; /* bus, device, function */

    return number % 8 || number / 8 >= PCI_SLOTS || (offset & ECAM_OFFSET) >= PCI_CONFIG_SIZE
               ? NULL
               : host->functions[number / 8];
}

static int ecam_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    struct pci_function *function = at_config(opaque, offset);

    if (size == 8)
        return -EINVAL;
    *value = function ? pci_function_config_read(function, offset & ECAM_OFFSET, size) : nobody;
    return 0;
}

static int ecam_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci_function *function = at_config(opaque, offset);

    if (size == 8)
        return -EINVAL;
    if (function)
        pci_function_config_write(function, offset & ECAM_OFFSET, size, (uint32_t)value);
    return 0;
}

/*
 * BARs
 */

static struct pci_function *at_address(const struct pci_host *host, uint64_t address, unsigned *bar,
                                       uint64_t *offset)
{
    for (unsigned i = 0; i < host->nr_slots; i++)
        if (host->functions[i] && pci_function_claims(host->functions[i], address, bar, offset))
            return host->functions[i];
    return NULL;
}

/* No answer, and one that is an error, read as all ones: the bridge's, not an abort. */
static int mmio_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    uint64_t in_bar;
    unsigned bar;
    struct pci_function *function = at_address(opaque, BOARD_PCI_MMIO_BASE + offset, &bar, &in_bar);
    int error = function ? pci_function_read(function, bar, in_bar, size, value) : -ENXIO;

    if (error == -EINVAL && size == 8)
        return error;
    if (error)
        *value = nobody;
    return 0;
}

static int mmio_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    uint64_t in_bar;
    unsigned bar;
    struct pci_function *function = at_address(opaque, BOARD_PCI_MMIO_BASE + offset, &bar, &in_bar);
    int error = function ? pci_function_write(function, bar, in_bar, size, value) : 0;

    return error == -EAGAIN || (error == -EINVAL && size == 8) ? error : 0;
}

/* There are no ports: firmware and kernels want the window nevertheless. */
static int io_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    *value = nobody;
    return 0;
}

static int io_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    return 0;
}

const struct bus_ops pci_host_ecam_ops = {.read = ecam_read, .write = ecam_write};
const struct bus_ops pci_host_mmio_ops = {.read = mmio_read, .write = mmio_write};
const struct bus_ops pci_host_io_ops = {.read = io_read, .write = io_write};
