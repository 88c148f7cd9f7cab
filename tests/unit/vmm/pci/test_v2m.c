/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/gic/v2m.h"

static unsigned edges;
static uint32_t last;

static void edge(void *opaque, uint32_t intid)
{
    edges++;
    last = intid;
}

static const struct v2m frame = {.first = 80, .count = 64, .edge = edge};

static uint64_t get(uint64_t offset, unsigned size)
{
    uint64_t value = UINT64_MAX;

    assert_int_equal(v2m_bus_ops.read((void *)&frame, offset, size, &value), 0);
    return value;
}

static void put(uint64_t offset, unsigned size, uint64_t value)
{
    assert_int_equal(v2m_bus_ops.write((void *)&frame, offset, size, value), 0);
}

static void frame_tells_which_spis_it_has(void **state)
{
    assert_int_equal(get(0x008, 4), 80 << 16 | 64);
    assert_int_equal(get(0xfcc, 4) & 0xfff, 0x43b);
    assert_int_equal(get(0x100, 4), 0);
}

static void write_of_an_spi_is_its_edge(void **state)
{
    put(0x040, 4, 80);
    assert_int_equal(last, 80);
    put(0x040, 2, 143);
    assert_int_equal(last, 143);
    assert_int_equal(edges, 2);
}

static void what_is_not_the_frames_does_nothing(void **state)
{
    edges = 0;
    put(0x040, 4, 79);
    put(0x040, 4, 144);
    put(0x040, 4, 0);
    put(0x040, 4, UINT32_MAX);
    put(0x040, 1, 80);
    put(0x044, 4, 80);
    assert_int_equal(v2m_bus_ops.write((void *)&frame, 0x040, 8, 80), -EINVAL);
    assert_int_equal(edges, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_tells_which_spis_it_has),
        cmocka_unit_test(write_of_an_spi_is_its_edge),
        cmocka_unit_test(what_is_not_the_frames_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
