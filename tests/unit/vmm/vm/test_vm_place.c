/* SPDX-License-Identifier: BSD-2-Clause */
/* Places on the board. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/vm/vm_place.h"

static struct vm_place place;

/* Each class of a test has regions of its own: a pool of them, emptied by setup(). */
static struct rv_region regions[64][2];
static unsigned nr_regions;

static int setup(void **state)
{
    place = (struct vm_place){0};
    nr_regions = 0;
    return 0;
}

static void put(const struct rv_device_class *class, uint64_t base, uint32_t spi)
{
    ipa_t at;
    uint32_t first;

    assert_int_equal(vm_place(&place, class, &at, &first), 0);
    assert_int_equal(at.v, base);
    assert_int_equal(first, spi);
}

static const struct rv_region *region(uint64_t base, uint64_t bytes)
{
    struct rv_region *r = regions[nr_regions++];

    r[0] = (struct rv_region){.bytes = bytes, .fixed_base = base};
    r[1] = (struct rv_region){0};
    return r;
}

static struct rv_device_class fixed(uint64_t base, uint64_t size, uint32_t spi)
{
    return (struct rv_device_class){
        .name = "fixed",
        .place = RV_PLACE_FIXED,
        .regions = region(base, size),
        .fixed_spi = spi,
        .irq_lines = 1,
    };
}

static void platform_devices_lie_one_after_the_other(void **state)
{
    struct rv_device_class big = {.name = "big", .regions = region(0, 0x10001), .irq_lines = 3};
    struct rv_device_class small = {.name = "small", .regions = region(0, 4), .irq_lines = 1};

    put(&big, 0x0c000000, 112);
    put(&small, 0x0c020000, 115);
    put(&big, 0x0c030000, 116);
    put(&small, 0x0c050000, 119);
}

static void fixed_place_is_the_firsts_and_the_second_goes_to_the_platform_bus(void **state)
{
    struct rv_device_class uart = fixed(0x09000000, 0x1000, 1);

    put(&uart, 0x09000000, 1);
    put(&uart, 0x0c000000, 112);
    put(&uart, 0x0c010000, 113);
}

static void fixed_place_that_is_somebody_elses_is_not_given(void **state)
{
    const struct rv_device_class classes[] = {
        fixed(0x08000000, 0x1000, 8),   /* the GIC */
        fixed(0x08ffffff, 2, 8),        /* its end */
        fixed(0x0a000200, 0x200, 8),    /* a virtio transport */
        fixed(0x0c000000, 0x1000, 8),   /* the platform bus */
        fixed(0x40000000, 0x1000, 8),   /* RAM */
        fixed(0x10000000, 0x1000, 8),   /* PCI's BARs */
        fixed(0x3fffffff, 1, 8),        /* the end of its configuration space */
        fixed(0x09010000, 0x1000, 3),   /* INTA */
        fixed(0x09010000, 0x1000, 6),   /* INTD */
        fixed(0x09010000, 0x1000, 16),  /* the SPI of a transport */
        fixed(0x09010000, 0x1000, 112), /* of the platform bus */
        fixed(0x09010000, 0x1000, UINT32_MAX),
        fixed(0x09000800, 0x1000, 8), /* half of the first */
        fixed(0x09010000, 0x1000, 1), /* its SPI */
    };
    struct rv_device_class first = fixed(0x09000000, 0x1000, 1);

    put(&first, 0x09000000, 1);
    for (uint32_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        put(&classes[i], 0x0c000000 + i * 0x10000, 112 + i);
}

static const struct rv_region transport[] = {{.bytes = 0x200}, {0}};
static const struct rv_device_class virtio = {
    .name = "virtio", .place = RV_PLACE_VIRTIO_MMIO, .regions = transport, .irq_lines = 1};

static void transports_beyond_the_boards_32_go_to_the_platform_bus(void **state)
{
    for (uint32_t i = 0; i < 32; i++)
        put(&virtio, 0x0a000000 + i * 0x200, 16 + i);
    for (uint32_t i = 0; i < 32; i++)
        put(&virtio, 0x0c000000 + i * 0x10000, 112 + i);
}

/* The vgic has 256: one above them would be given out and never interrupt. */
static void no_spi_is_given_out_that_the_interrupt_controller_does_not_have(void **state)
{
    struct rv_device_class lines = {.name = "lines", .regions = region(0, 4), .irq_lines = 64};
    unsigned given = 0;
    uint32_t first;
    ipa_t at;

    put(&lines, 0x0c000000, 112);
    put(&lines, 0x0c010000, 176);
    assert_int_equal(vm_place(&place, &lines, &at, &first), -ENOSPC);
    place = (struct vm_place){0};
    while (vm_place(&place, &virtio, &at, &first) == 0) {
        assert_true(first < 256);
        given++;
    }
    assert_int_equal(given, 32 + 256 - 112);
}

static void bus_and_spis_have_an_end(void **state)
{
    struct rv_device_class huge = {.name = "huge", .regions = region(0, 0x02000000)};
    struct rv_device_class small = {.name = "small", .regions = region(0, 4), .irq_lines = 64};
    struct rv_device_class endless = {.name = "endless", .regions = region(0, UINT64_MAX)};
    ipa_t at;
    uint32_t first;

    assert_int_equal(vm_place(&place, &endless, &at, &first), -ENOSPC);
    for (uint32_t i = 0; i < (256 - 112) / 64; i++)
        put(&small, 0x0c000000 + i * 0x10000, 112 + i * 64);
    assert_int_equal(vm_place(&place, &small, &at, &first), -ENOSPC);
    assert_int_equal(vm_place(&place, &huge, &at, &first), -ENOSPC);
    place = (struct vm_place){0};
    put(&huge, 0x0c000000, 112);
    small.irq_lines = 0;
    assert_int_equal(vm_place(&place, &small, &at, &first), -ENOSPC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(platform_devices_lie_one_after_the_other),
        TEST(fixed_place_is_the_firsts_and_the_second_goes_to_the_platform_bus),
        TEST(fixed_place_that_is_somebody_elses_is_not_given),
        TEST(transports_beyond_the_boards_32_go_to_the_platform_bus),
        TEST(no_spi_is_given_out_that_the_interrupt_controller_does_not_have),
        TEST(bus_and_spis_have_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
