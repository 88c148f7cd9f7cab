/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows for posted writes: who gets one, and the one that is open only for a while. */
#include "vmm/vm/vm_post.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/board/board.h"
#include "vmm/vm/vm.h"

#define VCPUS 2u
#define FLASH 0x4000000ull
#define SIZE  0x10000ull
#define UART  0x9000000ull
#define LAST  (RV_MAX_POSTED - 1)

static struct vm vm;
static struct rv_vcpu_page pages[VCPUS];
static bool has_code, has_pci;

/* All devices are of one class, with two ranges. */
static const struct rv_range ranges[] = {{0x10, 4}, {0x20, 8}, {0}};
static const struct rv_region regions[] = {{.bytes = 0x1000, .posted = ranges}, {0}};
static const struct rv_device_class class = {.regions = regions};

static unsigned number(const struct rv_instance *device)
{
    return (unsigned)((uintptr_t)device >> 4);
}

const struct rv_device_class *device_class(const struct rv_instance *device)
{
    return &class;
}

unsigned device_pci_slot(const struct rv_instance *device)
{
    return 0;
}

const char *device_name(const struct rv_instance *device)
{
    return "fake";
}

ipa_t device_base(const struct rv_instance *device, unsigned region)
{
    return ipa(UART + number(device) * 0x1000);
}

bool pci_host_is_used(const struct pci_host *host)
{
    return has_pci;
}

bool vm_rom_has_code(const struct vm *v)
{
    return has_code;
}

static int setup(void **state)
{
    memset(&vm, 0, sizeof(vm));
    memset(pages, 0, sizeof(pages));
    memset(&log_fake, 0, sizeof(log_fake));
    has_code = has_pci = false;
    vm.config.nr_vcpus = VCPUS;
    for (unsigned i = 0; i < VCPUS; i++)
        vm.vcpus[i].page = &pages[i];
    return 0;
}

static void make_devices(unsigned count)
{
    vm.nr_devices = count;
    for (unsigned i = 0; i < count; i++)
        vm.devices[i] = (struct rv_instance *)(uintptr_t)((i + 1) << 4);
}

static void check_window(const struct rv_posted *window, uint64_t start, uint64_t size)
{
    assert_int_equal(window->start, start);
    assert_int_equal(window->size, size);
}

static void first_ranges_come_before_second_ones(void **state)
{
    has_pci = true;
    make_devices(4);
    vm_post_windows(&vm);
    check_window(&vm.posted[0], BOARD_PCI_MMIO_BASE, BOARD_PCI_MMIO_SIZE);
    for (unsigned i = 0; i < 4; i++)
        check_window(&vm.posted[1 + i], UART + (i + 1) * 0x1000 + 0x10, 4);
    for (unsigned i = 0; i < 3; i++)
        check_window(&vm.posted[5 + i], UART + (i + 1) * 0x1000 + 0x20, 8);
    assert_int_equal(log_fake.count[LOG_DEBUG], 1);
}

static void last_window_is_kept_for_a_flash(void **state)
{
    has_code = true;
    make_devices(5);
    vm_post_windows(&vm);
    check_window(&vm.posted[LAST], 0, 0);
    assert_int_not_equal(vm.posted[LAST - 1].size, 0);
    assert_int_equal(log_fake.count[LOG_DEBUG], 3);
}

static void window_opens_and_closes_for_vcpus_that_run(void **state)
{
    vm_post_later(&vm, ipa(FLASH), SIZE);
    for (unsigned i = 0; i < VCPUS; i++)
        check_window(&pages[i].posted[LAST], FLASH, SIZE);
    check_window(&vm.posted[LAST], FLASH, SIZE); /* for a vCPU that starts later */
    vm_post_later(&vm, ipa(FLASH), 0);
    for (unsigned i = 0; i < VCPUS; i++)
        assert_int_equal(pages[i].posted[LAST].size, 0);
    assert_int_equal(vm.posted[LAST].size, 0);
}

static void window_of_another_device_stays(void **state)
{
    vm_post_later(&vm, ipa(FLASH), SIZE);
    vm_post_later(&vm, ipa(UART), 4);
    vm_post_later(&vm, ipa(UART), 0);
    check_window(&pages[1].posted[LAST], FLASH, SIZE);
    vm_post_later(&vm, ipa(FLASH), 0);
    vm_post_later(&vm, ipa(UART), 4);
    check_window(&pages[1].posted[LAST], UART, 4);
}

/* It may have died with the window open. */
static void window_of_the_vmm_before_closes(void **state)
{
    pages[0].posted[LAST] = (struct rv_posted){FLASH, SIZE};
    vm_post_later(&vm, ipa(FLASH), 0);
    assert_int_equal(pages[0].posted[LAST].size, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(first_ranges_come_before_second_ones),
        TEST(last_window_is_kept_for_a_flash),
        TEST(window_opens_and_closes_for_vcpus_that_run),
        TEST(window_of_another_device_stays),
        TEST(window_of_the_vmm_before_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
