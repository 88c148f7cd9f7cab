/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest of the PCI bus: any access to ECAM, to the windows and so to BARs, which it
 * puts anywhere; devices that interrupt; resets; a vmm that dies and leaves its state, whole or
 * damaged. Checked: that each access ends without an abort, that a device is asked only inside
 * of its BAR, that a message goes out only while the guest allows it, that the lines are what
 * the functions say, and that no bit changes that is read-only.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/support/check.h"
#include "vmm/pci/pci_host.h"
#include "vmm/pci/pci_msix.h"
#include "vmm/util/log.h"

#define FUNCTIONS 3u
#define BARS      2u
#define STEPS     400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct one {
    struct pci_function function;
    struct pci_function_state *state;
    unsigned vectors;
    bool line;
    int error;
};

static const uint64_t sizes[BARS] = {0x4000, 0x10};
static struct one all[FUNCTIONS + 1];
static struct pci_host host;
static bool lines[BOARD_PCI_LINES];

static int on_read(void *opaque, unsigned bar, uint64_t offset, unsigned width, uint64_t *value)
{
    const struct one *one = opaque;

    CHECK(bar < BARS && offset < sizes[bar] && width <= sizes[bar] - offset);
    *value = 0x5a5a5a5a5a5a5a5a;
    return width == 8 ? -EINVAL : one->error;
}

static int on_write(void *opaque, unsigned bar, uint64_t offset, unsigned width, uint64_t value)
{
    return on_read(opaque, bar, offset, width, &value);
}

static void on_line(void *opaque, unsigned pin, bool level)
{
    CHECK(lines[pin] != level);
    lines[pin] = level;
}

/* Of which function is not known here: one of them must be allowed to. */
static bool on_message(void *opaque, uint64_t address, uint32_t data)
{
    bool allowed = false;

    for (unsigned i = 1; i <= FUNCTIONS; i++)
        allowed |= pci_msix_enabled(&all[i].function) && all[i].state->config[4] & 4;
    CHECK(allowed && address % 4 == 0);
    return address == 0x08020040;
}

static const struct pci_function_ops function_ops = {.read = on_read, .write = on_write};
static const struct pci_host_ops host_ops = {.line = on_line, .message = on_message};

static const uint8_t window_cap[20] = {9, 0, 20, 5};
static const struct rv_pci_capability capabilities[] = {
    {.bytes = window_cap, .size = sizeof(window_cap), .flags = RV_PCI_CAPABILITY_WINDOW},
    {0},
};

static void add(unsigned slot, bool again)
{
    struct one *one = &all[slot];
    const struct rv_pci_function is = {
        .size = sizeof(is),
        .class_code = 0xff0000,
        .vendor = 0x1234,
        .device = (uint16_t)slot,
        .vectors = one->vectors,
        .capabilities = capabilities,
        .capability_size = sizeof(capabilities[0]),
    };

    CHECK(!pci_function_init(&one->function, &is, sizes, BARS, &function_ops, one));
    if (!again)
        one->state = calloc(1, pci_function_state_size(one->vectors));
    CHECK(one->state);
    pci_function_attach(&one->function, one->state);
    if (!again)
        pci_function_reset(&one->function);
    pci_host_add(&host, slot, &one->function);
}

static void restart(struct input *in, unsigned slot)
{
    struct one *one = &all[slot];
    uint8_t *bytes = (uint8_t *)one->state;
    size_t size = pci_function_state_size(one->vectors);

    pci_host_remove(&host, &one->function);
    for (unsigned n = take(in, 1) % 8; n; n--)
        bytes[take(in, 2) % size] = (uint8_t)take(in, 1);
    add(slot, true);
    one->line = false;
}

static uint64_t bar_address(unsigned slot, unsigned bar)
{
    uint32_t address;

    memcpy(&address, &all[slot].state->config[0x10 + 4 * bar], sizeof(address));
    return le32toh(address);
}

static uint64_t take_address(struct input *in)
{
    uint32_t choice = take(in, 1);

    switch (choice % 8) {
    case 0: return BOARD_PCI_ECAM_BASE + take(in, 3) % BOARD_PCI_ECAM_SIZE;
    case 1: return BOARD_PCI_MMIO_BASE + take(in, 4) % BOARD_PCI_MMIO_SIZE;
    case 2: return BOARD_PCI_IO_BASE + take(in, 2);
    case 3: return bar_address(1 + choice / 8 % FUNCTIONS, choice / 64 % 3) + take(in, 2);
    case 4: return BOARD_PCI_MMIO_BASE + take(in, 2);
    default: return BOARD_PCI_ECAM_BASE + ((choice / 8 % (FUNCTIONS + 2)) << 15) + take(in, 1);
    }
}

static void access_bus(struct bus *bus, struct input *in)
{
    unsigned width = 1u << take(in, 1) % 4;
    uint64_t address = take_address(in) & ~(uint64_t)(width - 1);
    uint64_t value = take(in, 1) & 1 ? take64(in, 8) : BOARD_PCI_MMIO_BASE | take(in, 2);
    int error;

    if (address < BOARD_PCI_MMIO_BASE || address >= BOARD_RAM_BASE)
        return;
    error = take(in, 1) & 1 ? bus_write(bus, ipa(address), width, value)
                            : bus_read(bus, ipa(address), width, &value);
    CHECK(error == 0 || error == -EAGAIN);
}

static void check(void)
{
    bool want[BOARD_PCI_LINES] = {false};

    for (unsigned i = 1; i <= FUNCTIONS; i++) {
        const struct one *one = &all[i];

        want[i % BOARD_PCI_LINES] |=
            one->line && !pci_msix_enabled(&one->function) && !(one->state->config[5] & 4);
        CHECK(one->state->config[0] == 0x34 && one->state->config[2] == i);
        for (unsigned at = 0; at < PCI_CONFIG_SIZE; at++)
            CHECK(at == 6 ||
                  !((one->state->config[at] ^ one->function.fixed[at]) &
                    ~one->function.writable[at] & 0xff) ||
                  at >= one->function.window + 16u);
    }
    CHECK(memcmp(want, lines, sizeof(lines)) == 0);
}

static void step(struct bus *bus, struct input *in)
{
    struct one *one = &all[1 + take(in, 1) % FUNCTIONS];
    uint32_t what = take(in, 1) % 32;

    switch (what) {
    case 0: pci_function_reset(&one->function); break;
    case 1: restart(in, one->function.slot); break;
    case 2: one->error = take(in, 1) & 1 ? -EAGAIN : 0; break;
    case 3: one->error = take(in, 1) & 1 ? -EIO : 0; break;
    case 4:
    case 5:
        one->line = what & 1;
        pci_function_set_line(&one->function, one->line);
        break;
    case 6:
    case 7:
    case 8: (void)pci_function_message(&one->function, take(in, 1)); break;
    default: access_bus(bus, in); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct bus *bus = bus_new();

    (void)log_set_level("error");
    memset(lines, 0, sizeof(lines));
    pci_host_init(&host, &host_ops, NULL);
    CHECK(bus && pci_host_connect(&host, bus) == 0);
    for (unsigned slot = 1; slot <= FUNCTIONS; slot++) {
        all[slot] = (struct one){.vectors = slot == 1 ? 0 : slot == 2 ? 3 : PCI_VECTORS_MAX};
        CHECK(pci_host_take_slot(&host) == slot);
        add(slot, false);
    }
    for (unsigned n = 0; n < STEPS && in.size; n++) {
        step(bus, &in);
        check();
    }
    for (unsigned slot = 1; slot <= FUNCTIONS; slot++) {
        pci_host_remove(&host, &all[slot].function);
        free(all[slot].state);
    }
    bus_free(bus);
    return 0;
}
