/* SPDX-License-Identifier: BSD-2-Clause */
/* The host bridge and its functions, as the guest reaches them over the bus. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/pci/pci_host.h"
#include "vmm/pci/pci_msix.h"

#define ECAM(slot, at) (BOARD_PCI_ECAM_BASE + ((uint64_t)(slot) << 15) + (at))
#define WINDOW         BOARD_PCI_MMIO_BASE
#define ONES           0xffffffffu

#define COMMAND 0x04u
#define BAR(n)  (0x10u + 4 * (n))
#define MEMORY  0x002u
#define MASTER  0x004u
#define NO_INTX 0x400u

#define BAR_SIZE 0x4000u
#define VECTORS  3u
#define MSIX_BAR 1u /* behind the one of each function */
#define DOORBELL 0x08020040u

#define FUNCTIONS 2u

struct one {
    struct pci_function function;
    struct pci_function_state *state;
    unsigned reads, writes;
    uint64_t offset, value; /* of the last access */
    unsigned width;
    int error; /* what it answers */
};

struct setup {
    struct pci_host host;
    struct bus *bus;
    struct one one[FUNCTIONS + 1]; /* by slot; 0 is empty */
    bool line[4];
    unsigned changes;  /* of lines */
    unsigned messages; /* to the doorbell */
    uint32_t data;     /* of the last */
    unsigned lost;
};

static int on_read(void *opaque, unsigned bar, uint64_t offset, unsigned width, uint64_t *value)
{
    struct one *one = opaque;

    assert_int_equal(bar, 0);
    assert_true(offset < BAR_SIZE && width <= BAR_SIZE - offset);
    one->reads++;
    one->offset = offset;
    one->width = width;
    *value = one->value;
    return one->error;
}

static int on_write(void *opaque, unsigned bar, uint64_t offset, unsigned width, uint64_t value)
{
    struct one *one = opaque;

    assert_int_equal(bar, 0);
    assert_true(offset < BAR_SIZE && width <= BAR_SIZE - offset);
    one->writes++;
    one->offset = offset;
    one->width = width;
    one->value = value;
    return one->error;
}

static void on_line(void *opaque, unsigned pin, bool level)
{
    struct setup *s = opaque;

    assert_true(pin < 4);
    assert_int_not_equal(s->line[pin], level);
    s->line[pin] = level;
    s->changes++;
}

static bool on_message(void *opaque, uint64_t address, uint32_t data)
{
    struct setup *s = opaque;

    if (address != DOORBELL) {
        s->lost++;
        return false;
    }
    s->messages++;
    s->data = data;
    return true;
}

static const struct pci_function_ops function_ops = {.read = on_read, .write = on_write};
static const struct pci_host_ops host_ops = {.line = on_line, .message = on_message};

static const uint8_t plain_cap[16] = {9, 0, 16, 1, 0, 0, 0, 0, 0, 0x10};
static const uint8_t window_cap[20] = {9, 0, 20, 5};
static const struct rv_pci_capability capabilities[] = {
    {.bytes = plain_cap, .size = sizeof(plain_cap)},
    {.bytes = window_cap, .size = sizeof(window_cap), .flags = RV_PCI_CAPABILITY_WINDOW},
    {0},
};

static const struct rv_pci_function identity = {
    .size = sizeof(identity),
    .class_code = 0x010000,
    .vendor = 0x1af4,
    .device = 0x1042,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1042,
    .vectors = VECTORS,
    .revision = 1,
    .capabilities = capabilities,
    .capability_size = sizeof(capabilities[0]),
};

static void add(struct setup *s, unsigned slot)
{
    struct one *one = &s->one[slot];

    assert_int_equal(pci_host_take_slot(&s->host), slot);
    assert_null(
        pci_function_init(&one->function, &identity, &(uint64_t){BAR_SIZE}, 1, &function_ops, one));
    /* A block of its own: an access past the end is one of the address sanitizer's. */
    one->state = calloc(1, pci_function_state_size(VECTORS));
    assert_non_null(one->state);
    pci_function_attach(&one->function, one->state);
    pci_function_reset(&one->function);
    pci_host_add(&s->host, slot, &one->function);
}

static int begin(void **state)
{
    struct setup *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    pci_host_init(&s->host, &host_ops, s);
    s->bus = bus_new();
    assert_int_equal(pci_host_connect(&s->host, s->bus), 0);
    for (unsigned slot = 1; slot <= FUNCTIONS; slot++)
        add(s, slot);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct setup *s = *state;

    for (unsigned slot = 1; slot <= FUNCTIONS; slot++) {
        if (s->one[slot].function.host)
            pci_host_remove(&s->host, &s->one[slot].function);
        free(s->one[slot].state);
    }
    bus_free(s->bus);
    free(s);
    return 0;
}

static uint32_t get(struct setup *s, uint64_t address, unsigned width)
{
    uint64_t value = 0;

    assert_int_equal(bus_read(s->bus, ipa(address), width, &value), 0);
    return (uint32_t)value;
}

static void put(struct setup *s, uint64_t address, unsigned width, uint32_t value)
{
    assert_int_equal(bus_write(s->bus, ipa(address), width, value), 0);
}

static unsigned find_capability(struct setup *s, uint8_t id, unsigned nth)
{
    unsigned at = get(s, ECAM(1, 0x34), 1);

    for (; at; at = get(s, ECAM(1, at + 1), 1))
        if (get(s, ECAM(1, at), 1) == id && nth-- == 0)
            return at;
    fail_msg("no capability 0x%x", id);
    return 0;
}

/* Both BARs at `at`, and on. */
static void enable(struct setup *s, unsigned slot, uint32_t at)
{
    put(s, ECAM(slot, BAR(0)), 4, at);
    put(s, ECAM(slot, BAR(MSIX_BAR)), 4, at + BAR_SIZE);
    put(s, ECAM(slot, COMMAND), 2, MEMORY | MASTER);
}

static uint32_t msix_control(struct setup *s)
{
    return find_capability(s, 0x11, 0) + 2;
}

/* MSI-X on, and each vector n of slot 1 as a message of 80 + n. */
static void use_msix(struct setup *s)
{
    uint64_t table = WINDOW + BAR_SIZE;

    enable(s, 1, WINDOW);
    put(s, ECAM(1, msix_control(s)), 2, 0x8000);
    for (uint32_t n = 0; n < VECTORS; n++, table += 16) {
        put(s, table, 4, DOORBELL);
        put(s, table + 4, 4, 0);
        put(s, table + 8, 4, 80 + n);
        put(s, table + 12, 4, 0);
    }
}

static void identity_is_there_and_read_only(void **state)
{
    struct setup *s = *state;

    for (unsigned at = 0; at < 256; at += 4) {
        if (at == COMMAND || (at >= BAR(0) && at < BAR(6)) || at == 0x0c || at == 0x3c)
            continue;
        if (at >= 0x40)
            break;
        uint32_t before = get(s, ECAM(1, at), 4);

        put(s, ECAM(1, at), 4, ~before);
        assert_int_equal(get(s, ECAM(1, at), 4), before);
    }
    assert_int_equal(get(s, ECAM(1, 0), 4), 0x10421af4);
    assert_int_equal(get(s, ECAM(1, 8), 4), 0x01000001);
    assert_int_equal(get(s, ECAM(1, 0x2c), 4), 0x10421af4);
    assert_int_equal(get(s, ECAM(1, 0x0e), 1), 0); /* header type 0, one function */
    assert_int_equal(get(s, ECAM(1, 0x3d), 1), 1); /* INTA */
    put(s, ECAM(1, COMMAND), 2, 0xffff);
    assert_int_equal(get(s, ECAM(1, COMMAND), 2), MEMORY | MASTER | NO_INTX);
}

static void what_is_not_there_reads_as_ones(void **state)
{
    struct setup *s = *state;

    assert_int_equal(get(s, ECAM(0, 0), 4), ONES);
    assert_int_equal(get(s, ECAM(3, 0), 4), ONES);
    assert_int_equal(get(s, ECAM(1, 0x1000), 2), 0xffff); /* function 1 */
    assert_int_equal(get(s, ECAM(1, 0x100), 1), 0xff);    /* no extended space */
    assert_int_equal(get(s, ECAM(1 + 32, 0), 4), ONES);   /* bus 1 */
    assert_int_equal(get(s, WINDOW, 4), ONES);
    assert_int_equal(get(s, BOARD_PCI_IO_BASE + 0x60, 1), 0xff);
    put(s, ECAM(3, COMMAND), 2, 7);
    put(s, WINDOW, 4, 0);
    put(s, BOARD_PCI_IO_BASE, 1, 0);
}

/* Of every function, whatever comes of it: the checks are the sanitizers'. */
static void every_offset_takes_every_width(void **state)
{
    struct setup *s = *state;

    for (uint64_t at = BOARD_PCI_ECAM_BASE; at < ECAM(4, 0); at++)
        for (unsigned width = 1; width <= 8; width *= 2) {
            uint64_t value;

            if (at % width)
                continue;
            assert_int_equal(bus_read(s->bus, ipa(at), width, &value), 0);
            assert_int_equal(bus_write(s->bus, ipa(at), width, UINT64_MAX), 0);
        }
    assert_int_equal(get(s, ECAM(1, 0), 4), 0x10421af4);
}

static void bytes_of_a_register_are_written_alone(void **state)
{
    struct setup *s = *state;

    put(s, ECAM(1, BAR(0)), 4, 0x12345678);
    assert_int_equal(get(s, ECAM(1, BAR(0)), 4), 0x12344000);
    put(s, ECAM(1, BAR(0) + 3), 1, 0xab);
    put(s, ECAM(1, BAR(0) + 2), 1, 0xcd);
    assert_int_equal(get(s, ECAM(1, BAR(0)), 4), 0xabcd4000);
    assert_int_equal(get(s, ECAM(1, BAR(0) + 2), 2), 0xabcd);
}

static void bar_tells_its_size(void **state)
{
    struct setup *s = *state;

    put(s, ECAM(1, BAR(0)), 4, ONES);
    assert_int_equal(get(s, ECAM(1, BAR(0)), 4), ~(BAR_SIZE - 1));
    put(s, ECAM(1, BAR(MSIX_BAR)), 4, ONES);
    assert_int_equal(get(s, ECAM(1, BAR(MSIX_BAR)), 4), ~(PCI_MSIX_BAR_SIZE - 1));
    put(s, ECAM(1, BAR(2)), 4, ONES);
    assert_int_equal(get(s, ECAM(1, BAR(2)), 4), 0);
    put(s, ECAM(1, 0x30), 4, ONES); /* no ROM */
    assert_int_equal(get(s, ECAM(1, 0x30), 4), 0);
}

static void bar_answers_where_it_is_while_memory_is_on(void **state)
{
    struct setup *s = *state;

    put(s, ECAM(1, BAR(0)), 4, WINDOW + 0x10000);
    assert_int_equal(get(s, WINDOW + 0x10004, 4), ONES);
    put(s, ECAM(1, COMMAND), 2, MEMORY);
    s->one[1].value = 0x1234;
    assert_int_equal(get(s, WINDOW + 0x10004, 4), 0x1234);
    assert_int_equal(s->one[1].offset, 4);
    put(s, WINDOW + 0x10000 + BAR_SIZE - 2, 2, 7);
    assert_int_equal(s->one[1].offset, BAR_SIZE - 2);
    put(s, ECAM(1, COMMAND), 2, 0);
    assert_int_equal(get(s, WINDOW + 0x10004, 4), ONES);
    assert_int_equal(s->one[1].reads, 1);
}

static void bar_that_moves_while_it_is_on_answers_at_its_new_place_only(void **state)
{
    struct setup *s = *state;

    enable(s, 1, WINDOW);
    put(s, ECAM(1, BAR(0)), 4, WINDOW + 0x100000);
    put(s, WINDOW, 4, 1);
    assert_int_equal(s->one[1].writes, 0);
    put(s, WINDOW + 0x100000, 4, 1);
    assert_int_equal(s->one[1].writes, 1);
}

static void of_bars_that_overlap_the_lowest_slot_answers(void **state)
{
    struct setup *s = *state;

    put(s, ECAM(2, BAR(0)), 4, WINDOW);
    put(s, ECAM(2, COMMAND), 2, MEMORY);
    put(s, ECAM(1, BAR(0)), 4, WINDOW);
    put(s, ECAM(1, BAR(MSIX_BAR)), 4, WINDOW);
    put(s, ECAM(1, COMMAND), 2, MEMORY);
    put(s, WINDOW, 4, 1);
    assert_int_equal(s->one[1].writes, 1);
    assert_int_equal(s->one[2].writes, 0);
    put(s, ECAM(1, COMMAND), 2, 0);
    put(s, WINDOW, 4, 1);
    assert_int_equal(s->one[2].writes, 1);
}

/* RAM, the interrupt controller, the bridge itself: such a BAR is never asked. */
static void bar_outside_of_the_window_takes_nothing_from_others(void **state)
{
    static const uint32_t places[] = {0x40000000,        0x08000000, BOARD_PCI_ECAM_BASE,
                                      BOARD_PCI_IO_BASE, 0,          0xffffc000};
    struct setup *s = *state;

    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        enable(s, 1, places[i]);
        uint64_t value;
        int error = bus_read(s->bus, ipa(places[i]), 4, &value);

        assert_true(error == -ENXIO || error == 0);
        assert_int_equal(s->one[1].reads, 0);
        assert_int_equal(get(s, ECAM(1, 0), 4), 0x10421af4);
    }
}

/* A BAR at the end of the window, or one half outside: no access comes that leaves it. */
static void bar_at_the_end_of_the_window_answers_to_its_end(void **state)
{
    struct setup *s = *state;
    uint64_t last = WINDOW + BOARD_PCI_MMIO_SIZE - 4;

    put(s, ECAM(1, BAR(0)), 4, (uint32_t)last);
    put(s, ECAM(1, COMMAND), 2, MEMORY);
    put(s, last, 4, 5);
    assert_int_equal(s->one[1].writes, 1);
}

static void errors_of_the_device_are_the_bridges_ones(void **state)
{
    struct setup *s = *state;

    enable(s, 1, WINDOW);
    s->one[1].error = -EIO;
    assert_int_equal(get(s, WINDOW, 4), ONES);
    put(s, WINDOW, 4, 1);
}

static void eight_bytes_are_two_accesses_if_the_device_says_so(void **state)
{
    struct setup *s = *state;
    uint64_t value;

    use_msix(s);
    assert_int_equal(bus_read(s->bus, ipa(WINDOW + BAR_SIZE), 8, &value), 0);
    assert_true(value == DOORBELL);
    assert_int_equal(bus_write(s->bus, ipa(WINDOW + BAR_SIZE + 8), 8, 0x00000001000000aaull), 0);
    assert_int_equal(s->one[1].state->table[0].data, 0xaa);
    assert_int_equal(s->one[1].state->table[0].control, 1);
}

static void message_is_sent_as_the_table_says(void **state)
{
    struct setup *s = *state;

    assert_int_equal(pci_function_message(&s->one[1].function, 1), -ENXIO);
    use_msix(s);
    assert_int_equal(pci_function_message(&s->one[1].function, 1), 0);
    assert_int_equal(s->messages, 1);
    assert_int_equal(s->data, 81);
}

static void vector_that_there_is_not_is_no_message(void **state)
{
    struct setup *s = *state;

    use_msix(s);
    assert_int_equal(pci_function_message(&s->one[1].function, VECTORS), 0);
    assert_int_equal(pci_function_message(&s->one[1].function, 0xffff), 0);
    assert_int_equal(pci_function_message(&s->one[1].function, UINT32_MAX), 0);
    assert_int_equal(s->messages, 0);
}

static void message_to_nowhere_is_lost(void **state)
{
    struct setup *s = *state;

    use_msix(s);
    put(s, WINDOW + BAR_SIZE, 4, 0x40000000);
    assert_int_equal(pci_function_message(&s->one[1].function, 0), 0);
    put(s, WINDOW + BAR_SIZE, 4, DOORBELL);
    put(s, WINDOW + BAR_SIZE + 4, 4, 1); /* above 4 GiB */
    assert_int_equal(pci_function_message(&s->one[1].function, 0), 0);
    assert_int_equal(s->messages, 0);
    assert_int_equal(s->lost, 2);
}

/* Each of the ways: the vector's mask, the function's, and no right to write. */
static void masked_message_waits(void **state)
{
    struct setup *s = *state;
    struct pci_function *function = &s->one[1].function;
    uint64_t pending = WINDOW + BAR_SIZE + PCI_MSIX_PENDING;
    uint64_t control = WINDOW + BAR_SIZE + 2 * 16 + 12;

    use_msix(s);
    put(s, control, 4, 1);
    assert_int_equal(pci_function_message(function, 2), 0);
    assert_int_equal(pci_function_message(function, 2), 0);
    assert_int_equal(s->messages, 0);
    assert_int_equal(get(s, pending, 4), 1 << 2);
    put(s, control, 4, 0);
    assert_int_equal(s->messages, 1);
    assert_int_equal(s->data, 82);
    assert_int_equal(get(s, pending, 4), 0);

    put(s, ECAM(1, msix_control(s)), 2, 0xc000);
    assert_int_equal(pci_function_message(function, 0), 0);
    assert_int_equal(s->messages, 1);
    put(s, ECAM(1, msix_control(s)), 2, 0x8000);
    assert_int_equal(s->messages, 2);

    put(s, ECAM(1, COMMAND), 2, MEMORY);
    assert_int_equal(pci_function_message(function, 0), 0);
    assert_int_equal(s->messages, 2);
    put(s, ECAM(1, COMMAND), 2, MEMORY | MASTER);
    assert_int_equal(s->messages, 3);
}

static void table_has_as_many_entries_as_vectors(void **state)
{
    struct setup *s = *state;
    uint64_t table = WINDOW + BAR_SIZE;

    use_msix(s);
    assert_int_equal(get(s, ECAM(1, msix_control(s)), 2) & 0x7ff, VECTORS - 1);
    for (uint64_t at = table + VECTORS * 16; at < table + PCI_MSIX_BAR_SIZE; at += 4) {
        put(s, at, 4, ONES);
        assert_int_equal(get(s, at, 4), 0);
    }
    put(s, table + 12, 4, ONES); /* only the mask can be written */
    assert_int_equal(get(s, table + 12, 4), 1);
    put(s, table, 2, 0);
    assert_int_equal(get(s, table, 4), DOORBELL);
}

static void functions_take_turns_at_the_lines(void **state)
{
    struct setup *s = *state;

    pci_function_set_line(&s->one[1].function, true);
    assert_true(s->line[1]);
    assert_int_equal(get(s, ECAM(1, 6), 2) & 8, 8); /* interrupt status */
    pci_function_set_line(&s->one[2].function, true);
    assert_true(s->line[2]);
    pci_function_set_line(&s->one[1].function, false);
    assert_false(s->line[1]);
    assert_int_equal(get(s, ECAM(1, 6), 2) & 8, 0);
    pci_host_remove(&s->host, &s->one[2].function);
    assert_false(s->line[2]);
}

static void line_is_off_by_the_command_and_with_messages(void **state)
{
    struct setup *s = *state;

    pci_function_set_line(&s->one[1].function, true);
    put(s, ECAM(1, COMMAND), 2, NO_INTX);
    assert_false(s->line[1]);
    put(s, ECAM(1, COMMAND), 2, 0);
    assert_true(s->line[1]);
    put(s, ECAM(1, msix_control(s)), 2, 0x8000);
    assert_false(s->line[1]);
    put(s, ECAM(1, msix_control(s)), 2, 0);
    assert_true(s->line[1]);
    assert_int_equal(s->changes, 5);
}

/* virtio 1.2, 4.1.4.9 */
static void window_reaches_the_bar_from_configuration_space(void **state)
{
    struct setup *s = *state;
    unsigned at = find_capability(s, 9, 1);

    put(s, ECAM(1, at + 4), 1, 0);
    put(s, ECAM(1, at + 8), 4, 0x2002);
    put(s, ECAM(1, at + 12), 4, 2);
    s->one[1].value = 0xbeef;
    assert_int_equal(get(s, ECAM(1, at + 16), 4), 0xbeef);
    assert_int_equal(s->one[1].offset, 0x2002);
    assert_int_equal(s->one[1].width, 2);
    put(s, ECAM(1, at + 16), 4, 0x12345678);
    assert_int_equal(s->one[1].value, 0x5678);
    assert_int_equal(s->one[1].writes, 1);
}

static void window_to_nowhere_shows_nothing(void **state)
{
    static const uint32_t bad[][3] = {
        {MSIX_BAR, 0, 4}, {2, 0, 4},        {255, 0, 4}, {0, BAR_SIZE, 4}, {0, BAR_SIZE - 2, 4},
        {0, 1, 2},        {0, 0, 0},        {0, 0, 3},   {0, 0, 8},        {0, 0, ONES},
        {0, ONES, 1},     {0, ONES - 3, 4},
    };
    struct setup *s = *state;
    unsigned at = find_capability(s, 9, 1);

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(s, ECAM(1, at + 4), 1, bad[i][0]);
        put(s, ECAM(1, at + 8), 4, bad[i][1]);
        put(s, ECAM(1, at + 12), 4, bad[i][2]);
        (void)get(s, ECAM(1, at + 16), 4);
        put(s, ECAM(1, at + 16), 4, 1);
    }
    assert_int_equal(s->one[1].reads + s->one[1].writes, 0);
}

static void reset_makes_all_as_after_power_on(void **state)
{
    struct setup *s = *state;

    use_msix(s);
    put(s, WINDOW + BAR_SIZE + 12, 4, 1);
    assert_int_equal(pci_function_message(&s->one[1].function, 0), 0);
    pci_function_reset(&s->one[1].function);
    assert_int_equal(get(s, ECAM(1, COMMAND), 2), 0);
    assert_int_equal(get(s, ECAM(1, BAR(0)), 4), 0);
    assert_int_equal(get(s, ECAM(1, msix_control(s)), 2), VECTORS - 1);
    use_msix(s);
    assert_int_equal(s->messages, 0);
}

/* What another process left may be damaged: what the guest cannot change stays as it is. */
static void state_that_is_taken_over_changes_only_what_can_be_written(void **state)
{
    struct setup *s = *state;

    memset(s->one[1].state, 0xff, pci_function_state_size(VECTORS));
    pci_function_attach(&s->one[1].function, s->one[1].state);
    assert_int_equal(get(s, ECAM(1, 0), 4), 0x10421af4);
    assert_int_equal(get(s, ECAM(1, 0x34), 1), 0x40);
    assert_int_equal(get(s, ECAM(1, COMMAND), 2), MEMORY | MASTER | NO_INTX);
    assert_int_equal(pci_function_message(&s->one[1].function, 0), 0);
    assert_int_equal(get(s, ECAM(1, BAR(0)), 4), ~(BAR_SIZE - 1));
}

static void bus_has_31_slots(void **state)
{
    struct setup *s = *state;

    for (unsigned slot = FUNCTIONS + 1; slot < PCI_SLOTS; slot++)
        assert_int_equal(pci_host_take_slot(&s->host), slot);
    assert_int_equal(pci_host_take_slot(&s->host), 0);
}

static void bad_description_is_refused(void **state)
{
    struct pci_function function;
    struct rv_pci_function bad = identity;
    struct rv_pci_capability cap[2] = {{.bytes = plain_cap, .size = 6}};
    uint64_t sizes[6] = {0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000};

#define REFUSED(bars) \
    assert_non_null(pci_function_init(&function, &bad, sizes, bars, &function_ops, NULL))
    REFUSED(6); /* and MSI-X has none */
    bad.vectors = PCI_VECTORS_MAX + 1;
    REFUSED(1);
    bad.vectors = 0;
    assert_null(pci_function_init(&function, &bad, sizes, 6, &function_ops, NULL));
    sizes[0] = 0x1800;
    REFUSED(1);
    sizes[0] = 8;
    REFUSED(1);
    sizes[0] = 1ull << 32;
    REFUSED(1);
    sizes[0] = 0x1000;
    bad.capabilities = cap;
    REFUSED(1);
    cap[0].size = 220;
    REFUSED(1);
    cap[0] = (struct rv_pci_capability){plain_cap, 16, RV_PCI_CAPABILITY_WINDOW};
    REFUSED(1);
    cap[0].flags = 2;
    REFUSED(1);
    bad.size = 8;
    REFUSED(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(identity_is_there_and_read_only),
        TEST(what_is_not_there_reads_as_ones),
        TEST(every_offset_takes_every_width),
        TEST(bytes_of_a_register_are_written_alone),
        TEST(bar_tells_its_size),
        TEST(bar_answers_where_it_is_while_memory_is_on),
        TEST(bar_that_moves_while_it_is_on_answers_at_its_new_place_only),
        TEST(of_bars_that_overlap_the_lowest_slot_answers),
        TEST(bar_outside_of_the_window_takes_nothing_from_others),
        TEST(bar_at_the_end_of_the_window_answers_to_its_end),
        TEST(errors_of_the_device_are_the_bridges_ones),
        TEST(eight_bytes_are_two_accesses_if_the_device_says_so),
        TEST(message_is_sent_as_the_table_says),
        TEST(vector_that_there_is_not_is_no_message),
        TEST(message_to_nowhere_is_lost),
        TEST(masked_message_waits),
        TEST(table_has_as_many_entries_as_vectors),
        TEST(functions_take_turns_at_the_lines),
        TEST(line_is_off_by_the_command_and_with_messages),
        TEST(window_reaches_the_bar_from_configuration_space),
        TEST(window_to_nowhere_shows_nothing),
        TEST(reset_makes_all_as_after_power_on),
        TEST(state_that_is_taken_over_changes_only_what_can_be_written),
        TEST(bus_has_31_slots),
        cmocka_unit_test(bad_description_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
