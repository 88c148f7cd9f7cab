/* SPDX-License-Identifier: BSD-2-Clause */
/* Instances on the PCI bus, of plugins/pci.c: see test_pci.c for the bus itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/support/device_fixture.h"
#include "vmm/board/board.h"
#include "vmm/pci/pci_msix.h"

#define LINE    0x10u /* of plugins/pci.c */
#define MESSAGE 0x18u
#define WIDTH   0x20u

#define CONFIG(at) (BOARD_PCI_ECAM_BASE + 0x8000 + (at)) /* slot 1 */
#define BAR        BOARD_PCI_MMIO_BASE
#define TABLE      (BAR + 0x1000)

static struct pci_host host;
static unsigned sent;
static bool line;

static void on_line(void *opaque, unsigned pin, bool level)
{
    assert_int_equal(pin, 1);
    line = level;
}

static bool on_message(void *opaque, uint64_t address, uint32_t data)
{
    sent++;
    return true;
}

static int setup(void **state)
{
    static const struct pci_host_ops ops = {.line = on_line, .message = on_message};
    struct fixture *f = fixture_new("pci");

    pci_host_init(&host, &ops, NULL);
    sent = 0;
    line = false;
    f->env.pci = &host;
    assert_int_equal(pci_host_connect(&host, f->bus), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static uint64_t get(struct fixture *f, uint64_t at, unsigned width)
{
    uint64_t value = 0;

    assert_int_equal(bus_read(f->bus, ipa(at), width, &value), 0);
    return value;
}

static void put(struct fixture *f, uint64_t at, unsigned width, uint64_t value)
{
    assert_int_equal(bus_write(f->bus, ipa(at), width, value), 0);
}

static struct rv_instance *make(struct fixture *f)
{
    struct rv_instance *device;

    assert_int_equal(device_create(&f->env, "pci,bus=pci", &device), 0);
    device_resume(device);
    put(f, CONFIG(0x10), 4, BAR);
    put(f, CONFIG(0x14), 4, TABLE);
    put(f, CONFIG(0x04), 2, 6);
    return device;
}

static void use_msix(struct fixture *f)
{
    put(f, CONFIG(0x42), 2, 0x8000);
    put(f, TABLE + 0x1c, 4, 0); /* unmask vector 1 */
}

static void property_chooses_the_bus(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    assert_int_equal(device_create(&f->env, "pci", &device), 0);
    assert_string_equal(device_name(device), "pci@9000000");
    assert_int_equal(device_pci_slot(device), 0);
    device_destroy(device);
    device = make(f);
    assert_string_equal(device_name(device), "pci@pci.1");
    assert_int_equal(device_pci_slot(device), 1);
    assert_int_equal(get(f, CONFIG(0), 4), 0x56781234);
    device_destroy(device);
    assert_int_equal(get(f, CONFIG(0), 4), UINT32_MAX);
}

static void guest_without_a_pci_bus_has_no_such_device(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device = NULL;

    f->env.pci = NULL;
    capture();
    assert_int_equal(device_create(&f->env, "pci,bus=pci", &device), -ENODEV);
    release();
    assert_non_null(strstr(messages, "no PCI bus"));
}

static void device_that_does_not_say_what_it_is_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device = NULL;

    capture();
    assert_int_equal(device_create(&f->env, "pci,bus=pci,forgets", &device), -EINVAL);
    release();
    assert_non_null(strstr(messages, "pci_function"));
}

static void access_comes_to_the_bars_own_functions(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device = make(f);

    put(f, BAR + 0x100, 4, 0xabcd);
    assert_int_equal(get(f, BAR + 0x100, 4), 0xabcd);
    assert_int_equal(get(f, BAR + WIDTH, 4), 4);
    device_destroy(device);
}

static void line_of_a_function_is_a_level(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device = make(f);

    put(f, BAR + LINE, 4, 1);
    assert_true(line);
    put(f, BAR + LINE, 4, 0);
    assert_false(line);
    put(f, BAR + LINE, 4, 1);
    device_destroy(device);
    assert_false(line);
}

static void message_is_sent_once_the_guest_has_chosen_messages(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device = make(f);

    put(f, BAR + MESSAGE, 4, 1);
    assert_int_equal((int32_t)get(f, BAR + MESSAGE, 4), -ENXIO);
    use_msix(f);
    put(f, BAR + MESSAGE, 4, 1);
    assert_int_equal(get(f, BAR + MESSAGE, 4), 0);
    assert_int_equal(sent, 1);
    put(f, BAR + MESSAGE, 4, 2);
    assert_int_equal(sent, 1);
    device_destroy(device);
}

static void reset_of_the_guest_is_one_of_the_function(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device = make(f);

    put(f, BAR + LINE, 4, 1);
    assert_int_equal(device_quiesce(device), 0);
    device_reset(device);
    assert_int_equal(get(f, CONFIG(0x04), 2), 0);
    assert_int_equal(get(f, CONFIG(0x10), 4), 0);
    device_destroy(device);
}

/* Where the guest has put the BARs, and what it has masked. */
static void next_vmm_finds_the_function_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device = make(f);

    use_msix(f);
    put(f, BAR + 0x100, 4, 77);
    device_destroy(device);
    pci_host_init(&host, host.ops, NULL);
    f->env.resume = true;
    assert_int_equal(device_create(&f->env, "pci,bus=pci", &device), 0);
    device_resume(device);
    assert_int_equal(get(f, BAR + 0x100, 4), 77);
    put(f, BAR + MESSAGE, 4, 1);
    assert_int_equal(sent, 1);
    device_destroy(device);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(property_chooses_the_bus),
        TEST(guest_without_a_pci_bus_has_no_such_device),
        TEST(device_that_does_not_say_what_it_is_is_refused),
        TEST(access_comes_to_the_bars_own_functions),
        TEST(line_of_a_function_is_a_level),
        TEST(message_is_sent_once_the_guest_has_chosen_messages),
        TEST(reset_of_the_guest_is_one_of_the_function),
        TEST(next_vmm_finds_the_function_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
