/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of virtio-pci, and its interrupts: virtio 1.2, 4.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/virtio_driver.h"

#define SIZE     8u
#define QUEUES   3u
#define FEATURES VIRTIO_FEATURE(VIRTIO_F_VERSION_1)
#define NONE     0xffffu

/* Common configuration. */
#define CONFIG_VECTOR 0x10u
#define NUM_QUEUES    0x12u
#define GENERATION    0x15u
#define SELECT        0x16u
#define QUEUE_SIZE    0x18u
#define QUEUE_VECTOR  0x1au
#define QUEUE_ENABLE  0x1cu
#define NOTIFY_OFF    0x1eu

struct setup {
    struct driver_world world;
    struct virtio_device virtio;
    struct virtqueue_limits limits[QUEUES];
    struct virtio_device_config config;
    struct virtio_env env;
    void *state;
    unsigned notified[QUEUES];
    bool messages;                 /* the driver has chosen them */
    unsigned told[QUEUES + 2];     /* by vector; the last: any other */
    uint32_t written, written_len; /* to the configuration space */
};

static void on_notify(void *device, struct virtqueue *vq)
{
    struct setup *s = device;

    s->notified[vq->index]++;
}

static void on_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    static const uint8_t bytes[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

    memcpy(data, bytes + offset, len);
}

static void on_config_write(void *device, uint32_t offset, const void *data, size_t len)
{
    struct setup *s = device;

    s->written = offset;
    s->written_len = (uint32_t)len;
}

static bool on_message(void *opaque, uint32_t vector)
{
    struct setup *s = (struct setup *)((char *)opaque - offsetof(struct setup, world));

    if (s->messages)
        s->told[vector <= QUEUES ? vector : QUEUES + 1]++;
    return s->messages;
}

static const struct virtio_device_class device_class = {
    .id = 4,
    .notify = on_notify,
    .config_read = on_config_read,
    .config_write = on_config_write,
};

static int make(struct setup *s)
{
    return virtio_device_init(&s->virtio, &device_class, s, &s->config, &s->env, s->state);
}

static int begin(void **state)
{
    struct setup *s = calloc(1, sizeof(*s));

    driver_on_pci = true;
    assert_non_null(s);
    for (unsigned i = 0; i < QUEUES; i++)
        s->limits[i] = (struct virtqueue_limits){.size = SIZE};
    s->config = (struct virtio_device_config){VIRTIO_RING_FEATURES, 12, QUEUES, s->limits};
    driver_world_init(&s->world);
    s->env = driver_env(&s->world);
    s->env.message = on_message;
    s->state = calloc(1, virtio_device_state_size(&s->config));
    assert_int_equal(make(s), 0);
    virtio_device_resume(&s->virtio);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct setup *s = *state;

    virtio_device_destroy(&s->virtio);
    driver_world_destroy(&s->world);
    free(s->state);
    free(s);
    return 0;
}

static uint32_t get(struct setup *s, uint32_t at, unsigned width)
{
    return (uint32_t)virtio_pci_read(&s->virtio, at, width);
}

static void put(struct setup *s, uint32_t at, unsigned width, uint32_t value)
{
    virtio_pci_write(&s->virtio, at, width, value);
}

/* Queue i has vector i + 1, the configuration 0. */
static void bring_up(struct setup *s, struct driver_queue *queues)
{
    assert_true(driver_negotiate(&s->virtio, FEATURES));
    put(s, CONFIG_VECTOR, 2, 0);
    for (unsigned i = 0; i < QUEUES; i++) {
        driver_queue_init(&queues[i], &s->world, i, SIZE, FEATURES);
        put(s, SELECT, 2, i);
        put(s, QUEUE_VECTOR, 2, i + 1);
        assert_true(driver_queue_enable(&s->virtio, &queues[i]));
    }
    driver_ok(&s->virtio);
}

static void use_a_buffer(struct setup *s, struct driver_queue *q)
{
    struct driver_seg seg = {DRIVER_DATA, 8, true};
    struct virtqueue *vq = virtio_device_queue(&s->virtio, q->index);
    struct virtq_chain chain;

    assert_true(driver_add(q, &seg, 1, false, s));
    assert_true(virtqueue_pop(vq, &chain));
    virtqueue_push(vq, &chain, 8);
    virtqueue_flush_notify(vq);
}

static void common_configuration_tells_of_the_device_and_its_queues(void **state)
{
    struct setup *s = *state;

    assert_int_equal(get(s, NUM_QUEUES, 2), QUEUES);
    put(s, SELECT, 2, 2);
    assert_int_equal(get(s, SELECT, 2), 2);
    assert_int_equal(get(s, QUEUE_SIZE, 2), SIZE);
    assert_int_equal(get(s, NOTIFY_OFF, 2), 2);
    put(s, QUEUE_SIZE, 2, 4);
    assert_int_equal(get(s, QUEUE_SIZE, 2), 4);
    put(s, QUEUE_SIZE, 2, SIZE * 2);
    assert_int_equal(get(s, QUEUE_SIZE, 2), 4);
    put(s, SELECT, 2, QUEUES); /* there is none: 4.1.4.3.1 */
    assert_int_equal(get(s, QUEUE_SIZE, 2), 0);
    put(s, QUEUE_ENABLE, 2, 1);
    assert_int_equal(get(s, QUEUE_ENABLE, 2), 0);
}

static void access_of_another_width_than_the_field_does_nothing(void **state)
{
    struct setup *s = *state;

    put(s, SELECT, 4, 0x00020001);
    assert_int_equal(get(s, SELECT, 2), 0);
    put(s, 0x00, 2, 1); /* half of device_feature_select */
    assert_int_equal(get(s, 0x00, 4), 0);
    assert_int_equal(get(s, 0x10, 4), 0);
    assert_int_equal(get(s, 0x13, 1), 0);
    assert_int_equal(s->world.logs, 1);
}

/* Nothing that is read or written anywhere may do more than that. */
static void every_offset_takes_every_width(void **state)
{
    struct setup *s = *state;

    for (uint32_t at = 0; at < VIRTIO_PCI_SIZE; at++)
        for (unsigned width = 1; width <= 8; width *= 2) {
            if (at % width)
                continue;
            (void)virtio_pci_read(&s->virtio, at, width);
            virtio_pci_write(&s->virtio, at, width, UINT64_MAX);
        }
    driver_set_status(&s->virtio, 0);
    assert_int_equal(driver_status(&s->virtio), 0);
}

static void vector_that_there_is_not_reads_back_as_none(void **state)
{
    struct setup *s = *state;

    assert_int_equal(get(s, CONFIG_VECTOR, 2), NONE);
    assert_int_equal(get(s, QUEUE_VECTOR, 2), NONE);
    put(s, CONFIG_VECTOR, 2, QUEUES);
    assert_int_equal(get(s, CONFIG_VECTOR, 2), QUEUES);
    put(s, CONFIG_VECTOR, 2, QUEUES + 1);
    assert_int_equal(get(s, CONFIG_VECTOR, 2), NONE);
    put(s, QUEUE_VECTOR, 2, 0x1234);
    assert_int_equal(get(s, QUEUE_VECTOR, 2), NONE);
    put(s, QUEUE_VECTOR, 2, 1);
    driver_set_status(&s->virtio, 0);
    assert_int_equal(get(s, QUEUE_VECTOR, 2), NONE);
}

static void configuration_space_takes_any_width(void **state)
{
    struct setup *s = *state;

    assert_int_equal(get(s, VIRTIO_PCI_DEVICE + 3, 1), 3);
    assert_true(virtio_pci_read(&s->virtio, VIRTIO_PCI_DEVICE, 8) == 0x0706050403020100);
    assert_int_equal(get(s, VIRTIO_PCI_DEVICE + 12, 4), 0);
    put(s, VIRTIO_PCI_DEVICE + 10, 2, 0);
    assert_int_equal(s->written, 10);
    assert_int_equal(s->written_len, 2);
}

static void doorbell_of_a_queue_is_at_its_own_place(void **state)
{
    struct setup *s = *state;
    struct driver_queue queues[QUEUES];

    bring_up(s, queues);
    memset(s->notified, 0, sizeof(s->notified));
    put(s, VIRTIO_PCI_NOTIFY + 2 * VIRTIO_PCI_DOORBELL, 2, 0xffff);
    put(s, VIRTIO_PCI_NOTIFY + QUEUES * VIRTIO_PCI_DOORBELL, 2, 0);
    assert_int_equal(s->notified[0] + s->notified[1], 0);
    assert_int_equal(s->notified[2], 1);
}

static void without_messages_reading_the_isr_lowers_the_line(void **state)
{
    struct setup *s = *state;
    struct driver_queue queues[QUEUES];

    bring_up(s, queues);
    use_a_buffer(s, &queues[1]);
    virtio_device_config_changed(&s->virtio);
    assert_true(s->world.irq);
    assert_int_equal(get(s, VIRTIO_PCI_ISR_AT, 1), 3);
    assert_false(s->world.irq);
    assert_int_equal(get(s, VIRTIO_PCI_ISR_AT, 1), 0);
}

static void each_cause_has_its_message(void **state)
{
    struct setup *s = *state;
    struct driver_queue queues[QUEUES];

    s->messages = true;
    bring_up(s, queues);
    use_a_buffer(s, &queues[1]);
    virtio_device_config_changed(&s->virtio);
    assert_int_equal(s->told[2], 1);
    assert_int_equal(s->told[0], 1);
    assert_int_equal(s->told[1] + s->told[3] + s->told[4], 0);
    assert_false(s->world.irq);
    assert_int_equal(get(s, VIRTIO_PCI_ISR_AT, 1), 0);
}

static void change_while_it_is_held_is_told_when_it_goes_on(void **state)
{
    struct setup *s = *state;
    struct driver_queue queues[QUEUES];

    s->messages = true;
    bring_up(s, queues);
    virtio_device_hold(&s->virtio);
    virtio_device_config_changed(&s->virtio);
    assert_int_equal(s->told[0], 0);
    virtio_device_resume(&s->virtio);
    assert_int_equal(s->told[0], 1);
    assert_false(s->world.irq);
}

/* The process before may have died between a used buffer and its interrupt. */
static void taken_over_device_tells_of_every_queue(void **state)
{
    struct setup *s = *state;
    struct driver_queue queues[QUEUES];

    s->messages = true;
    bring_up(s, queues);
    virtio_device_destroy(&s->virtio);
    assert_int_equal(make(s), 0);
    virtio_device_resume(&s->virtio);
    for (unsigned i = 1; i <= QUEUES; i++)
        assert_int_equal(s->told[i], 1);
    assert_false(s->world.irq);
    assert_int_equal(get(s, CONFIG_VECTOR, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(common_configuration_tells_of_the_device_and_its_queues,
                                        begin, end),
        cmocka_unit_test_setup_teardown(access_of_another_width_than_the_field_does_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(every_offset_takes_every_width, begin, end),
        cmocka_unit_test_setup_teardown(vector_that_there_is_not_reads_back_as_none, begin, end),
        cmocka_unit_test_setup_teardown(configuration_space_takes_any_width, begin, end),
        cmocka_unit_test_setup_teardown(doorbell_of_a_queue_is_at_its_own_place, begin, end),
        cmocka_unit_test_setup_teardown(without_messages_reading_the_isr_lowers_the_line, begin,
                                        end),
        cmocka_unit_test_setup_teardown(each_cause_has_its_message, begin, end),
        cmocka_unit_test_setup_teardown(change_while_it_is_held_is_told_when_it_goes_on, begin,
                                        end),
        cmocka_unit_test_setup_teardown(taken_over_device_tells_of_every_queue, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
