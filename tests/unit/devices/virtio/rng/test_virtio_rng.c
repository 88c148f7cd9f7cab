/* SPDX-License-Identifier: BSD-2-Clause */
/* The entropy device and a driver in both ring formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

struct fixture {
    struct driver_world world;
    struct rv_instance host;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    driver_host_init(&f->host, &f->world);
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    driver_host_end(&f->host, &f->world);
    free(f);
    return 0;
}

static void bring_up(struct fixture *f, struct driver_queue *q, bool packed)
{
    struct virtio_device *virtio = plugin_host_virtio(&f->host);
    uint64_t features =
        VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | (packed ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0);

    driver_queue_init(q, &f->world, 0, 64, features);
    assert_true(driver_negotiate(virtio, features));
    assert_true(driver_queue_enable(virtio, q));
    driver_ok(virtio);
}

static void kick(struct fixture *f)
{
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 0, NULL), 0);
}

/* Are there 64 bytes of one value? Random ones are not. */
static bool is_dull(const uint8_t *bytes)
{
    for (unsigned i = 1; i < 64; i++)
        if (bytes[i] != bytes[0])
            return false;
    return true;
}

static void buffers_are_filled(void **state)
{
    struct fixture *f = *state;

    for (int packed = 0; packed <= 1; packed++) {
        struct driver_seg segs[2] = {{DRIVER_DATA, 64, true}, {DRIVER_DATA + 0x1000, 100, true}};
        struct driver_queue q;
        uint32_t len = 0;

        ringvisor_device.reset(f->host.device);
        bring_up(f, &q, packed);
        memset(driver_at(&f->world, DRIVER_DATA), 0xaa, 0x2000);
        assert_true(driver_add(&q, segs, 2, false, f));
        kick(f);
        assert_ptr_equal(driver_get(&q, &len), f);
        assert_int_equal(len, 164);
        assert_false(is_dull(driver_at(&f->world, DRIVER_DATA)));
        assert_false(is_dull(driver_at(&f->world, DRIVER_DATA + 0x1000)));
        assert_int_equal(((uint8_t *)driver_at(&f->world, DRIVER_DATA))[64], 0xaa);
        assert_true(f->host.rises > 0);
    }
    assert_int_equal(plugin_host_counter(&f->host, "bytes"), 328);
}

static void big_buffer_gets_a_piece(void **state)
{
    struct fixture *f = *state;
    struct driver_seg seg = {DRIVER_DATA, 0x100000, true};
    struct driver_queue q;
    uint32_t len = 0;

    bring_up(f, &q, false);
    assert_true(driver_add(&q, &seg, 1, false, f));
    kick(f);
    assert_ptr_equal(driver_get(&q, &len), f);
    assert_int_equal(len, 4096);
}

static void buffer_that_is_only_readable_gets_nothing(void **state)
{
    struct fixture *f = *state;
    struct driver_seg seg = {DRIVER_DATA, 64, false};
    struct driver_queue q;
    uint32_t len = 77;

    bring_up(f, &q, false);
    memset(driver_at(&f->world, DRIVER_DATA), 0xaa, 64);
    assert_true(driver_add(&q, &seg, 1, false, f));
    kick(f);
    assert_ptr_equal(driver_get(&q, &len), f);
    assert_int_equal(len, 0);
    assert_true(is_dull(driver_at(&f->world, DRIVER_DATA)));
}

/* As many as there are in a batch: the rest, if there is any, waits for the next pass. */
static void greedy_driver_waits(void **state)
{
    struct fixture *f = *state;
    struct driver_seg seg = {DRIVER_DATA, 8, true};
    struct driver_queue q;

    bring_up(f, &q, false);
    for (unsigned i = 0; i < 64; i++)
        assert_true(driver_add(&q, &seg, 1, false, f));
    kick(f);
    assert_int_equal(plugin_host_timer_at(&f->host), 0);
    for (unsigned i = 0; i < 64; i++)
        assert_non_null(driver_get(&q, &(uint32_t){0}));
    assert_true(driver_add(&q, &seg, 1, false, f));
    plugin_host_turn(&f->host, 0);
    assert_non_null(driver_get(&q, &(uint32_t){0}));
    assert_int_equal(plugin_host_timer_at(&f->host), PLUGIN_HOST_NEVER);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(buffers_are_filled),
        TEST(big_buffer_gets_a_piece),
        TEST(buffer_that_is_only_readable_gets_nothing),
        TEST(greedy_driver_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
