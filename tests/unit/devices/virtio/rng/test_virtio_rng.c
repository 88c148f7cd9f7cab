/* SPDX-License-Identifier: BSD-2-Clause */
/* The entropy device and a driver in both ring formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ringvisor/virtio/virtio_plugin.h>
#include "tests/unit/support/virtio_driver.h"

struct rv_instance {
    struct driver_world world;
    struct virtio_env env; /* of `world` */
    void *block;
    uint64_t bytes; /* the counter */
    void (*fired)(void *opaque);
    void *opaque;
    uint64_t timer_at; /* 0: not set */
    unsigned timers;
    void *device;
};

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
{
    (void)host;
    (void)level;
    (void)fmt;
}

static void host_irq_pulse(struct rv_instance *host, unsigned line)
{
    assert_int_equal(line, 0);
    host->env.irq(host->env.ctx, true);
}

static void *host_mem_span(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    return host->env.span(host->env.ctx, ipa, len, true);
}

static void host_mem_dirty(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    host->env.dirty(host->env.ctx, ipa, len);
}

/* The rings' properties. */
static bool host_property_bool(struct rv_instance *host, const char *name)
{
    (void)host;
    (void)name;
    return true;
}

static void *host_state_block(struct rv_instance *host, const char *name, uint32_t version,
                              size_t size)
{
    (void)name;
    (void)version;
    return host->block = host->block ? host->block : calloc(1, size);
}

static uint64_t *host_counter(struct rv_instance *host, const char *name, const char *help)
{
    (void)name;
    (void)help;
    return &host->bytes;
}

static uint64_t host_now(struct rv_instance *host)
{
    (void)host;
    return 1000;
}

static struct rv_timer *host_timer_new(struct rv_instance *host, void (*fired)(void *),
                                       void *opaque)
{
    host->timers++;
    host->fired = fired;
    host->opaque = opaque;
    return (struct rv_timer *)(void *)host;
}

static void host_timer_set(struct rv_instance *host, struct rv_timer *timer, uint64_t at)
{
    (void)timer;
    host->timer_at = at;
}

static void host_timer_free(struct rv_instance *host, struct rv_timer *timer)
{
    (void)timer;
    host->timers--;
}

static const struct rv_vmm_ops ops = {
    .size = sizeof(struct rv_vmm_ops),
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .irq_pulse = host_irq_pulse,
    .mem_span = host_mem_span,
    .mem_dirty = host_mem_dirty,
    .now_ns = host_now,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_free = host_timer_free,
    .property_bool = host_property_bool,
    .state_block = host_state_block,
    .counter = host_counter,
};

static int setup(void **state)
{
    struct rv_instance *host = calloc(1, sizeof(*host));

    driver_world_init(&host->world);
    host->env = driver_env(&host->world);
    assert_int_equal(ringvisor_device.create(host, &ops, NULL, 0, &host->device), 0);
    ringvisor_device.reset(host->device);
    ringvisor_device.resume(host->device);
    *state = host;
    return 0;
}

static int teardown(void **state)
{
    struct rv_instance *host = *state;

    ringvisor_device.destroy(host->device);
    assert_int_equal(host->timers, 0);
    driver_world_destroy(&host->world);
    free(host->block);
    free(host);
    return 0;
}

static void bring_up(struct rv_instance *host, struct driver_queue *q, bool packed)
{
    struct virtio_mmio *mmio = &((struct virtio_plugin *)host->device)->mmio;
    uint64_t features =
        VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | (packed ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0);

    driver_queue_init(q, &host->world, 0, 64, features);
    assert_true(driver_negotiate(mmio, features));
    assert_true(driver_queue_enable(mmio, q));
    driver_ok(mmio);
}

static void kick(struct rv_instance *host)
{
    assert_int_equal(ringvisor_device.write(host->device, 0x050, 4, 0), 0);
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
    struct rv_instance *host = *state;

    for (int packed = 0; packed <= 1; packed++) {
        struct driver_seg segs[2] = {{DRIVER_DATA, 64, true}, {DRIVER_DATA + 0x1000, 100, true}};
        struct driver_queue q;
        uint32_t len = 0;

        ringvisor_device.reset(host->device);
        bring_up(host, &q, packed);
        memset(driver_at(&host->world, DRIVER_DATA), 0xaa, 0x2000);
        assert_true(driver_add(&q, segs, 2, false, host));
        kick(host);
        assert_ptr_equal(driver_get(&q, &len), host);
        assert_int_equal(len, 164);
        assert_false(is_dull(driver_at(&host->world, DRIVER_DATA)));
        assert_false(is_dull(driver_at(&host->world, DRIVER_DATA + 0x1000)));
        assert_int_equal(((uint8_t *)driver_at(&host->world, DRIVER_DATA))[64], 0xaa);
        assert_true(host->world.irq);
    }
    assert_int_equal(host->bytes, 328);
}

static void big_buffer_gets_a_piece(void **state)
{
    struct rv_instance *host = *state;
    struct driver_seg seg = {DRIVER_DATA, 0x100000, true};
    struct driver_queue q;
    uint32_t len = 0;

    bring_up(host, &q, false);
    assert_true(driver_add(&q, &seg, 1, false, host));
    kick(host);
    assert_ptr_equal(driver_get(&q, &len), host);
    assert_int_equal(len, 4096);
}

static void buffer_that_is_only_readable_gets_nothing(void **state)
{
    struct rv_instance *host = *state;
    struct driver_seg seg = {DRIVER_DATA, 64, false};
    struct driver_queue q;
    uint32_t len = 77;

    bring_up(host, &q, false);
    memset(driver_at(&host->world, DRIVER_DATA), 0xaa, 64);
    assert_true(driver_add(&q, &seg, 1, false, host));
    kick(host);
    assert_ptr_equal(driver_get(&q, &len), host);
    assert_int_equal(len, 0);
    assert_true(is_dull(driver_at(&host->world, DRIVER_DATA)));
}

/* As many as there are in a batch: the rest, if there is any, has to wait for the timer. */
static void greedy_driver_waits(void **state)
{
    struct rv_instance *host = *state;
    struct driver_seg seg = {DRIVER_DATA, 8, true};
    struct driver_queue q;

    bring_up(host, &q, false);
    for (unsigned i = 0; i < 64; i++)
        assert_true(driver_add(&q, &seg, 1, false, host));
    kick(host);
    assert_int_not_equal(host->timer_at, 0);
    for (unsigned i = 0; i < 64; i++)
        assert_non_null(driver_get(&q, &(uint32_t){0}));
    assert_true(driver_add(&q, &seg, 1, false, host));
    host->timer_at = 0;
    host->fired(host->opaque);
    assert_non_null(driver_get(&q, &(uint32_t){0}));
    assert_int_equal(host->timer_at, 0);
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
