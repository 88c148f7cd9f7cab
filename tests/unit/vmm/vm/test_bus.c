/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/vm/bus.h"

/* A device that remembers its last access and answers all ones. */
struct probe {
    unsigned reads, writes;
    uint64_t offset;
    unsigned size;
    uint64_t value;
    int result;
};

static int probe_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    struct probe *p = opaque;

    p->reads++;
    p->offset = offset;
    p->size = size;
    *value = UINT64_MAX;
    return p->result;
}

static int probe_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct probe *p = opaque;

    p->writes++;
    p->offset = offset;
    p->size = size;
    p->value = value;
    return p->result;
}

static const struct bus_ops probe_ops = {probe_read, probe_write};

static int setup(void **state)
{
    *state = bus_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    bus_free(*state);
    return 0;
}

static int add(struct bus *bus, uint64_t start, uint64_t size, struct probe *probe)
{
    return bus_add(bus, "probe", ipa(start), size, &probe_ops, probe);
}

static void regions_of_which_one_would_overlap_are_refused(void **state)
{
    static const struct {
        uint64_t start, size;
        int result;
    } cases[] = {
        {0x1000, 0x1000, -EEXIST},     /* the same */
        {0x0fff, 2, -EEXIST},          /* over its start */
        {0x1fff, 1, -EEXIST},          /* its last byte */
        {0x1800, 0x10, -EEXIST},       /* inside */
        {0x0000, 0x10000, -EEXIST},    /* around */
        {0x0000, UINT64_MAX, -EEXIST}, /* around */
        {0x0800, 0x800, 0},            /* up to it */
        {0x2000, 8, 0},                /* right behind */
        {0x3000, 0, -EINVAL},          /* empty */
        {UINT64_MAX, 2, -EINVAL},      /* wraps */
        {UINT64_MAX - 7, 9, -EINVAL},  /* wraps by one */
        {UINT64_MAX - 7, 8, 0},        /* ends with the address space */
        {0x10, UINT64_MAX, -EINVAL},   /* wraps */
    };
    struct probe probe = {0};

    assert_int_equal(add(*state, 0x1000, 0x1000, &probe), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(add(*state, cases[i].start, cases[i].size, &probe), cases[i].result);
}

static void access_goes_to_its_region_with_the_offset_in_it(void **state)
{
    struct probe probes[64] = {0};
    uint64_t value;

    /* Added in an order that is not that of the addresses. */
    for (unsigned i = 0; i < 64; i++) {
        unsigned at = i * 37 % 64;

        assert_int_equal(add(*state, 0x10000 + 0x1000 * at, 0x200, &probes[at]), 0);
    }
    for (unsigned i = 0; i < 64; i++) {
        uint64_t start = 0x10000 + 0x1000 * i;

        assert_int_equal(bus_read(*state, ipa(start + 0x1f8), 8, &value), 0);
        assert_int_equal(probes[i].offset, 0x1f8);
        assert_int_equal(probes[i].size, 8);
        assert_int_equal(bus_write(*state, ipa(start), 4, 0x12345678), 0);
        assert_int_equal(probes[i].offset, 0);
        assert_int_equal(probes[i].value, 0x12345678);
        assert_int_equal(bus_read(*state, ipa(start + 0x200), 1, &value), -ENXIO);
        assert_int_equal(bus_read(*state, ipa(start - 1), 1, &value), -ENXIO);
    }
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(probes[i].reads, 1);
        assert_int_equal(probes[i].writes, 1);
    }
}

/* Registers of 32 bits, as most devices have: four of them, and what was done to them. */
struct narrow {
    uint32_t reg[4];
    uint64_t order[4]; /* the offsets that were accessed */
    unsigned nr;
    uint64_t fails; /* the access at this offset fails */
};

static int narrow_access(struct narrow *n, uint64_t offset, unsigned size)
{
    if (size > 4)
        return -EINVAL;
    n->order[n->nr++ % 4] = offset;
    return offset == n->fails ? -EIO : 0;
}

static int narrow_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    struct narrow *n = opaque;

    *value = 0xffffffff00000000ull | n->reg[offset / 4 % 4]; /* upper bits are ignored */
    return narrow_access(n, offset, size);
}

static int narrow_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    struct narrow *n = opaque;
    int error = narrow_access(n, offset, size);

    assert_true(error || value <= UINT32_MAX);
    if (!error)
        n->reg[offset / 4 % 4] = (uint32_t)value;
    return error;
}

static const struct bus_ops narrow_ops = {narrow_read, narrow_write};

static void access_wider_than_the_registers_is_made_in_two_halves(void **state)
{
    struct narrow n = {.reg = {1, 2, 3, 4}, .fails = 100};
    uint64_t value = 0;

    assert_int_equal(bus_add(*state, "narrow", ipa(0x1000), 16, &narrow_ops, &n), 0);
    assert_int_equal(bus_read(*state, ipa(0x1008), 8, &value), 0);
    assert_true(value == 0x400000003);
    assert_int_equal(n.nr, 2);
    assert_int_equal(n.order[0], 8);
    assert_int_equal(n.order[1], 12);
    assert_int_equal(bus_write(*state, ipa(0x1000), 8, 0x600000005), 0);
    assert_int_equal(n.order[2], 0);
    assert_int_equal(n.order[3], 4);
    assert_int_equal(n.reg[0], 5);
    assert_int_equal(n.reg[1], 6);
}

static void half_of_a_wide_access_that_fails_makes_it_fail(void **state)
{
    struct narrow n = {.reg = {1, 2, 3, 4}};
    uint64_t value = 0;

    assert_int_equal(bus_add(*state, "narrow", ipa(0x1000), 16, &narrow_ops, &n), 0);
    for (unsigned i = 0; i < 2; i++) {
        n.nr = 0;
        n.fails = 8 + 4 * i;
        assert_int_equal(bus_read(*state, ipa(0x1008), 8, &value), -EIO);
        assert_int_equal(bus_write(*state, ipa(0x1008), 8, 7), -EIO);
        assert_int_equal(n.nr, 2 + 2 * i); /* the second half is left alone after the first */
    }
}

static void access_that_is_not_possible_reaches_no_device(void **state)
{
    static const struct {
        uint64_t addr;
        unsigned size;
        int result;
    } cases[] = {
        {0x1001, 2, -EINVAL},          {0x1002, 4, -EINVAL}, {0x1004, 8, -EINVAL},
        {0x1000, 0, -EINVAL},          {0x1000, 3, -EINVAL}, {0x1000, 16, -EINVAL},
        {0x1000, UINT32_MAX, -EINVAL}, {0x1008, 8, -ENXIO}, /* leaves the region of 12 bytes */
        {0x100c, 1, -ENXIO},           {0x0ff8, 8, -ENXIO},  {0, 1, -ENXIO},
        {UINT64_MAX, 1, -ENXIO},
    };
    struct probe probe = {0};
    uint64_t value;

    assert_int_equal(add(*state, 0x1000, 12, &probe), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(bus_read(*state, ipa(cases[i].addr), cases[i].size, &value),
                         cases[i].result);
        assert_int_equal(bus_write(*state, ipa(cases[i].addr), cases[i].size, 0), cases[i].result);
    }
    assert_int_equal(probe.reads + probe.writes, 0);
}

static void offset_is_aligned_even_when_the_region_is_not(void **state)
{
    struct probe probe = {0};
    uint64_t value;

    assert_int_equal(add(*state, 0x1002, 0x100, &probe), 0);
    assert_int_equal(bus_read(*state, ipa(0x1004), 4, &value), -EINVAL);
    assert_int_equal(bus_read(*state, ipa(0x1004), 2, &value), 0);
    assert_int_equal(probe.offset, 2);
}

static void value_has_no_bits_above_its_size(void **state)
{
    struct probe probe = {0};
    uint64_t value;

    assert_int_equal(add(*state, 0, 8, &probe), 0);
    for (unsigned size = 1; size <= 8; size *= 2) {
        uint64_t mask = UINT64_MAX >> (64 - 8 * size);

        assert_int_equal(bus_read(*state, ipa(0), size, &value), 0);
        assert_true(value == mask);
        assert_int_equal(bus_write(*state, ipa(0), size, UINT64_MAX), 0);
        assert_true(probe.value == mask);
    }
}

static void device_error_comes_back(void **state)
{
    struct probe probe = {.result = -EIO};
    uint64_t value;

    assert_int_equal(add(*state, 0, 8, &probe), 0);
    assert_int_equal(bus_read(*state, ipa(0), 4, &value), -EIO);
    assert_int_equal(bus_write(*state, ipa(0), 4, 0), -EIO);
}

static void direction_that_a_device_does_not_have_is_refused(void **state)
{
    static const struct bus_ops none = {NULL, NULL};
    uint64_t value;

    assert_int_equal(bus_add(*state, "none", ipa(0), 8, &none, NULL), 0);
    assert_int_equal(bus_read(*state, ipa(0), 4, &value), -ENXIO);
    assert_int_equal(bus_write(*state, ipa(0), 4, 0), -ENXIO);
}

static void removed_region_is_gone_and_its_neighbours_stay(void **state)
{
    struct probe probes[3] = {0};
    uint64_t value;

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(add(*state, 0x1000 * i, 0x1000, &probes[i]), 0);
    assert_int_equal(bus_read(*state, ipa(0x2000), 4, &value), 0);
    assert_int_equal(bus_remove(*state, ipa(0x2004)), -ENOENT);
    assert_int_equal(bus_remove(*state, ipa(0x3000)), -ENOENT);
    assert_int_equal(bus_remove(*state, ipa(0x2000)), 0);
    assert_int_equal(bus_remove(*state, ipa(0x2000)), -ENOENT);
    assert_int_equal(bus_read(*state, ipa(0x2000), 4, &value), -ENXIO);
    assert_int_equal(bus_remove(*state, ipa(0)), 0);
    assert_int_equal(bus_read(*state, ipa(0), 4, &value), -ENXIO);
    assert_int_equal(bus_read(*state, ipa(0x1ffc), 4, &value), 0);
    assert_int_equal(probes[1].reads, 1);
    assert_int_equal(add(*state, 0x2000, 0x1000, &probes[2]), 0);
}

/* A device may take itself off the bus while it is accessed. */
static struct bus *leaving_bus;

static int leaving_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    *value = 0x1ff;
    return bus_remove(leaving_bus, ipa(0));
}

static void an_address_has_the_name_of_its_region(void **state)
{
    struct bus *bus = *state;
    struct probe probe = {0};
    uint64_t offset;

    assert_int_equal(add(bus, 0x1000, 0x100, &probe), 0);
    assert_string_equal(bus_name(bus, ipa(0x1018), &offset), "probe");
    assert_int_equal(offset, 0x18);
    assert_null(bus_name(bus, ipa(0x1100), &offset));
    assert_int_equal(offset, 0x1100);
    assert_null(bus_name(bus, ipa(0xfff), &offset));
    assert_int_equal(probe.reads + probe.writes, 0);
}

static void device_may_remove_itself_in_its_own_access(void **state)
{
    static const struct bus_ops leaving = {leaving_read, probe_write};
    uint64_t value;

    leaving_bus = *state;
    assert_int_equal(bus_add(*state, "leaving", ipa(0), 8, &leaving, NULL), 0);
    assert_int_equal(bus_read(*state, ipa(0), 1, &value), 0);
    assert_int_equal(value, 0xff);
    assert_int_equal(bus_read(*state, ipa(0), 1, &value), -ENXIO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(regions_of_which_one_would_overlap_are_refused),
        TEST(access_goes_to_its_region_with_the_offset_in_it),
        TEST(access_that_is_not_possible_reaches_no_device),
        TEST(offset_is_aligned_even_when_the_region_is_not),
        TEST(value_has_no_bits_above_its_size),
        TEST(device_error_comes_back),
        TEST(access_wider_than_the_registers_is_made_in_two_halves),
        TEST(half_of_a_wide_access_that_fails_makes_it_fail),
        TEST(direction_that_a_device_does_not_have_is_refused),
        TEST(removed_region_is_gone_and_its_neighbours_stay),
        TEST(an_address_has_the_name_of_its_region),
        TEST(device_may_remove_itself_in_its_own_access),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
