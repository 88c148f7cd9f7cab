/* SPDX-License-Identifier: BSD-2-Clause */
/* Queues whose rings are another process's: the transport keeps its hands off them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/virtio_driver.h"

#define SIZE  16u
#define SPLIT (1ull << 32 | 1ull << 29)
#define USED  (DRIVER_RINGS(0) + 0x8000)

struct setup {
    struct driver_world world;
    struct virtio_device virtio;
    struct driver_queue q;
    struct virtqueue_limits limits;
    struct virtio_device_config config;
    void *state;
    unsigned notified;
};

static void on_notify(void *device, struct virtqueue *vq)
{
    ((struct setup *)device)->notified++;
}

static const struct virtio_device_class device_class = {.id = 2, .notify = on_notify};

static int init(struct setup *s)
{
    struct virtio_env env = driver_env(&s->world);

    return virtio_device_init(&s->virtio, &device_class, s, &s->config, &env, s->state);
}

static int setup(void **state)
{
    struct setup *s = calloc(1, sizeof(*s));

    s->limits = (struct virtqueue_limits){.size = SIZE, .external = true};
    s->config = (struct virtio_device_config){SPLIT, 0, 1, &s->limits};
    driver_world_init(&s->world);
    s->state = calloc(1, virtio_device_state_size(&s->config));
    assert_int_equal(init(s), 0);
    virtio_device_resume(&s->virtio);
    driver_queue_init(&s->q, &s->world, 0, SIZE, SPLIT);
    assert_true(driver_negotiate(&s->virtio, SPLIT));
    assert_true(driver_queue_enable(&s->virtio, &s->q));
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct setup *s = *state;

    virtio_device_destroy(&s->virtio);
    driver_world_destroy(&s->world);
    free(s->state);
    free(s);
    return 0;
}

static void add(struct setup *s)
{
    struct driver_seg seg = {DRIVER_DATA, 8, true};

    assert_true(driver_add(&s->q, &seg, 1, false, s));
}

static void nothing_of_the_ring_is_read_or_written(void **state)
{
    struct setup *s = *state;
    struct virtqueue *vq = virtio_device_queue(&s->virtio, 0);
    struct virtq_chain chain = {0};
    uint8_t before[0x10000];

    driver_ok(&s->virtio);
    add(s);
    memcpy(before, driver_at(&s->world, DRIVER_RINGS(0)), sizeof(before));
    driver_write(&s->virtio, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    assert_int_equal(s->notified, 2); /* DRIVER_OK's and this one */
    virtqueue_notify_disable(vq);
    assert_false(virtqueue_pop(vq, &chain));
    virtqueue_push(vq, &chain, 8);
    assert_false(virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    assert_int_equal(virtqueue_inflight(vq), 0);
    assert_memory_equal(before, driver_at(&s->world, DRIVER_RINGS(0)), sizeof(before));
    assert_false(s->world.irq);
}

static void a_ring_that_cannot_be_is_still_refused(void **state)
{
    struct setup *s = *state;

    driver_write(&s->virtio, VIRTIO_MMIO_STATUS, 0);
    assert_true(driver_negotiate(&s->virtio, SPLIT));
    s->q.desc = 8; /* no RAM */
    assert_false(driver_queue_enable(&s->virtio, &s->q));
    assert_true(driver_read(&s->virtio, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void used_raises_the_interrupt_of_a_driver_that_is_there(void **state)
{
    struct setup *s = *state;

    virtio_device_used(&s->virtio, 1);
    assert_false(s->world.irq); /* before DRIVER_OK */
    driver_ok(&s->virtio);
    virtio_device_used(&s->virtio, 1);
    assert_true(s->world.irq);
    assert_int_equal(driver_read(&s->virtio, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
    driver_write(&s->virtio, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
    assert_false(s->world.irq);
    driver_write(&s->virtio, VIRTIO_MMIO_STATUS, 0);
    virtio_device_used(&s->virtio, 1);
    assert_false(s->world.irq);
}

static void the_used_index_is_the_one_in_memory(void **state)
{
    struct setup *s = *state;
    uint16_t used = 0x1234;

    driver_ok(&s->virtio);
    memcpy(driver_at(&s->world, USED + 2), &used, sizeof(used));
    assert_int_equal(virtqueue_used_index(virtio_device_queue(&s->virtio, 0)), used);
}

static void a_new_process_leaves_the_used_index_alone(void **state)
{
    struct setup *s = *state;
    uint16_t used = 77, is;

    driver_ok(&s->virtio);
    memcpy(driver_at(&s->world, USED + 2), &used, sizeof(used));
    virtio_device_destroy(&s->virtio);
    assert_int_equal(init(s), 0);
    s->notified = 0;
    virtio_device_resume(&s->virtio);
    assert_int_equal(s->notified, 1);
    memcpy(&is, driver_at(&s->world, USED + 2), sizeof(is));
    assert_int_equal(is, used);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_of_the_ring_is_read_or_written),
        TEST(a_ring_that_cannot_be_is_still_refused),
        TEST(used_raises_the_interrupt_of_a_driver_that_is_there),
        TEST(the_used_index_is_the_one_in_memory),
        TEST(a_new_process_leaves_the_used_index_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
