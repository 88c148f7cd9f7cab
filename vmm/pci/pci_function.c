/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/pci/pci_function.h"

#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "vmm/pci/pci_host.h"
#include "vmm/pci/pci_msix.h"
#include "vmm/util/log.h"

#define CAPABILITIES_AT 0x40u

/* Of a capability that is a window (RV_PCI_CAPABILITY_WINDOW): virtio 1.2, 4.1.4.9. */
#define WINDOW_BAR    4u
#define WINDOW_OFFSET 8u
#define WINDOW_LENGTH 12u
#define WINDOW_DATA   16u
#define WINDOW_SIZE   20u

#define COMMAND_BITS (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)

static void put16(uint8_t *bytes, unsigned at, unsigned value)
{
    bytes[at] = (uint8_t)value;
    bytes[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *bytes, unsigned at, uint32_t value)
{
    put16(bytes, at, value & 0xffff);
    put16(bytes, at + 2, value >> 16);
}

static uint32_t get(const uint8_t *bytes, unsigned at, unsigned width)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < width; i++)
        value |= (uint32_t)bytes[at + i] << 8 * i;
    return value;
}

/*
 * Making one
 */

static void identify(struct pci_function *function, const struct rv_pci_function *is)
{
    uint8_t *fixed = function->fixed;

    put16(fixed, PCI_VENDOR_ID, is->vendor);
    put16(fixed, PCI_DEVICE_ID, is->device);
    put32(fixed, PCI_CLASS_REVISION, is->class_code << 8 | is->revision);
    put16(fixed, PCI_SUBSYSTEM_VENDOR_ID, is->subsystem_vendor);
    put16(fixed, PCI_SUBSYSTEM_ID, is->subsystem);
    fixed[PCI_INTERRUPT_PIN] = 1; /* INTA */
    put16(function->writable, PCI_COMMAND, COMMAND_BITS);
    function->writable[PCI_CACHE_LINE_SIZE] = 0xff;
    function->writable[PCI_INTERRUPT_LINE] = 0xff;
}

/* 32-bit memory, not prefetchable: all type bits are 0. */
static void add_bar(struct pci_function *function, unsigned bar, uint64_t size)
{
    function->bar_size[bar] = size;
    put32(function->writable, PCI_BASE_ADDRESS_0 + 4 * bar, ~(uint32_t)(size - 1));
}

/* Appends one to the list that begins at PCI_CAPABILITY_LIST. Its offset; 0: there is no room. */
static unsigned add_capability(struct pci_function *function, unsigned *end, const void *bytes,
                               size_t size)
{
    unsigned at = *end;
    unsigned link = PCI_CAPABILITY_LIST;

    if (size < 4 || size % 4 || size > PCI_CONFIG_SIZE - at)
        return 0;
    while (function->fixed[link])
        link = function->fixed[link] + PCI_CAP_LIST_NEXT;
    memcpy(&function->fixed[at], bytes, size);
    function->fixed[at + PCI_CAP_LIST_NEXT] = 0;
    function->fixed[link] = (uint8_t)at;
    put16(function->fixed, PCI_STATUS, PCI_STATUS_CAP_LIST);
    *end += (unsigned)size;
    return at;
}

static void add_msix(struct pci_function *function, unsigned *end)
{
    uint8_t bytes[PCI_CAP_MSIX_SIZEOF] = {PCI_CAP_ID_MSIX};
    unsigned bar = function->nr_bars;

    put16(bytes, PCI_MSIX_FLAGS, function->nr_vectors - 1);
    put32(bytes, PCI_MSIX_TABLE, bar);
    put32(bytes, PCI_MSIX_PBA, PCI_MSIX_PENDING | bar);
    add_bar(function, bar, PCI_MSIX_BAR_SIZE);
    function->msix = add_capability(function, end, bytes, sizeof(bytes));
    put16(function->writable, function->msix + PCI_MSIX_FLAGS,
          PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static void add_window(struct pci_function *function, unsigned at)
{
    function->window = at;
    function->writable[at + WINDOW_BAR] = 0xff;
    memset(&function->writable[at + WINDOW_OFFSET], 0xff, WINDOW_SIZE - WINDOW_OFFSET);
}

static const char *add_capabilities(struct pci_function *function, const struct rv_pci_function *is)
{
    const uint8_t *list = (const uint8_t *)is->capabilities;
    unsigned end = CAPABILITIES_AT;

    if (function->nr_vectors)
        add_msix(function, &end);
    if (list && is->capability_size < sizeof(struct rv_pci_capability))
        return "its capabilities have no size: set capability_size";
    for (; list; list += is->capability_size) {
        struct rv_pci_capability capability;
        unsigned at;

        memcpy(&capability, list, sizeof(capability));
        if (!capability.bytes)
            break;
        if (capability.flags & ~RV_PCI_CAPABILITY_WINDOW)
            return "a capability has a flag that is unknown";
        if (capability.flags & RV_PCI_CAPABILITY_WINDOW && capability.size < WINDOW_SIZE)
            return "the capability of a window is too short";
        at = add_capability(function, &end, capability.bytes, capability.size);
        if (!at)
            return "its capabilities do not fit, or one's size is no multiple of 4";
        if (capability.flags & RV_PCI_CAPABILITY_WINDOW)
            add_window(function, at);
    }
    return NULL;
}

size_t pci_function_state_size(unsigned nr_vectors)
{
    return sizeof(struct pci_function_state) + nr_vectors * sizeof(struct pci_msix_entry);
}

const char *pci_function_init(struct pci_function *function, const struct rv_pci_function *is,
                              const uint64_t *bar_size, unsigned nr_bars,
                              const struct pci_function_ops *ops, void *opaque)
{
    if (is->size < sizeof(*is))
        return "it has no size: set .size to sizeof(struct rv_pci_function)";
    if (is->vectors > PCI_VECTORS_MAX)
        return "more than 128 vectors";
    if (nr_bars + (is->vectors != 0) > PCI_BARS)
        return "more BARs than there are";
    *function = (struct pci_function){
        .ops = ops, .opaque = opaque, .nr_bars = nr_bars, .nr_vectors = is->vectors};
    identify(function, is);
    for (unsigned i = 0; i < nr_bars; i++) {
        if (bar_size[i] < PCI_BAR_MIN || bar_size[i] & (bar_size[i] - 1) || bar_size[i] >> 31)
            return "the size of a BAR is no power of two from 16 to 1 GiB";
        add_bar(function, i, bar_size[i]);
    }
    return add_capabilities(function, is);
}

void pci_function_attach(struct pci_function *function, struct pci_function_state *state)
{
    function->state = state;
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
        state->config[i] =
            (uint8_t)(function->fixed[i] | (state->config[i] & function->writable[i]));
}

void pci_function_reset(struct pci_function *function)
{
    memcpy(function->state->config, function->fixed, PCI_CONFIG_SIZE);
    pci_msix_reset(function);
    pci_host_update_lines(function->host);
}

/*
 * Registers
 */

bool pci_function_claims(const struct pci_function *function, uint64_t address, unsigned *bar,
                         uint64_t *offset)
{
    const uint8_t *config = function->state->config;

    if (!(config[PCI_COMMAND] & PCI_COMMAND_MEMORY))
        return false;
    for (*bar = 0; *bar < PCI_BARS; ++*bar) {
        *offset = address - get(config, PCI_BASE_ADDRESS_0 + 4 * *bar, 4);
        if (*offset < function->bar_size[*bar])
            return true;
    }
    return false;
}

int pci_function_read(struct pci_function *function, unsigned bar, uint64_t offset, unsigned width,
                      uint64_t *value)
{
    if (bar < function->nr_bars)
        return function->ops->read(function->opaque, bar, offset, width, value);
    if (width == 8)
        return -EINVAL;
    *value = pci_msix_read(function, offset, width);
    return 0;
}

int pci_function_write(struct pci_function *function, unsigned bar, uint64_t offset, unsigned width,
                       uint64_t value)
{
    if (bar < function->nr_bars)
        return function->ops->write(function->opaque, bar, offset, width, value);
    if (width == 8)
        return -EINVAL;
    pci_msix_write(function, offset, width, value);
    return 0;
}

/*
 * The window
 */

/* Where it shows to. The guest's choice may be nonsense: then nothing is there. */
static bool window_target(const struct pci_function *function, unsigned *bar, uint32_t *offset,
                          uint32_t *width)
{
    const uint8_t *window = &function->state->config[function->window];
    uint64_t size;

    *bar = window[WINDOW_BAR];
    *offset = get(window, WINDOW_OFFSET, 4);
    *width = get(window, WINDOW_LENGTH, 4);
    if (*bar >= function->nr_bars || (*width != 1 && *width != 2 && *width != 4))
        return false;
    size = function->bar_size[*bar];
    return *offset % *width == 0 && *offset < size && *width <= size - *offset;
}

static bool touches_window(const struct pci_function *function, unsigned offset, unsigned width)
{
    unsigned data = function->window + WINDOW_DATA;

    return function->window && offset < data + 4 && offset + width > data;
}

static void window_read(struct pci_function *function)
{
    uint32_t offset, width;
    uint64_t value = 0;
    unsigned bar;

    if (window_target(function, &bar, &offset, &width) &&
        pci_function_read(function, bar, offset, width, &value) == 0)
        put32(function->state->config, function->window + WINDOW_DATA,
              (uint32_t)(value & UINT32_MAX >> (32 - 8 * width)));
}

static void window_write(struct pci_function *function)
{
    const uint8_t *config = function->state->config;
    uint32_t offset, width;
    unsigned bar;

    if (window_target(function, &bar, &offset, &width))
        (void)pci_function_write(function, bar, offset, width,
                                 get(config, function->window + WINDOW_DATA, width));
}

/*
 * Configuration space
 */

uint32_t pci_function_config_read(struct pci_function *function, unsigned offset, unsigned width)
{
    uint8_t *config = function->state->config;

    config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
    if (function->line)
        config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    if (touches_window(function, offset, width))
        window_read(function);
    return get(config, offset, width);
}

void pci_function_config_write(struct pci_function *function, unsigned offset, unsigned width,
                               uint32_t value)
{
    uint8_t *config = function->state->config;

    for (unsigned i = offset; i < offset + width; i++, value >>= 8)
        config[i] =
            (uint8_t)((config[i] & ~function->writable[i]) | (value & function->writable[i]));
    if (touches_window(function, offset, width))
        window_write(function);
    pci_msix_send(function);
    pci_host_update_lines(function->host);
}

/*
 * Interrupts
 */

bool pci_function_interrupts(const struct pci_function *function)
{
    unsigned disabled = PCI_COMMAND_INTX_DISABLE >> 8;

    return function->line && !pci_msix_enabled(function) &&
           !(function->state->config[PCI_COMMAND + 1] & disabled);
}

void pci_function_set_line(struct pci_function *function, bool level)
{
    if (function->line == level)
        return;
    function->line = level;
    pci_host_update_lines(function->host);
}

int pci_function_message(struct pci_function *function, uint32_t vector)
{
    if (!pci_msix_enabled(function))
        return -ENXIO;
    if (vector < function->nr_vectors)
        pci_msix_raise(function, vector);
    return 0;
}
