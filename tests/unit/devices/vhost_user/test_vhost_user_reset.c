/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reset of a vhost-user device, or of one of its queues, and a stop of the machine: they wait
 * for the back end, for a bounded time, and the loop goes on meanwhile.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tests/unit/support/vhost_fixture.h"

/* Time passes only as the test says, so that no limit is over early on a slow machine. */
static void clock_stops(struct setup *s)
{
    s->host.now = plugin_host_now(&s->host);
    s->host.real_time = false;
}

static void clock_runs(struct setup *s)
{
    uint64_t now = s->host.now;

    s->host.real_time = true;
    s->host.now = 0;
    s->host.now = now - plugin_host_now(&s->host);
}

/* The loop goes on for a while, and the reset does not end. */
static void reset_goes_on(struct setup *s)
{
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(ask_for_reset(s), -EAGAIN);
        assert_int_not_equal(rd(s, VIRTIO_MMIO_STATUS), 0);
        turn(s);
    }
}

/* The back end is told to stop a ring, and does not answer. */
static void never_stops(struct setup *s)
{
    clock_stops(s);
    s->back_end.evil = BACK_END_SILENT;
    s->back_end.evil_at = 11;
}

static void a_reset_is_over_when_the_back_end_has_let_go(void **state)
{
    struct setup *s = *state;

    start(s);
    assert_int_equal(ask_for_reset(s), -EAGAIN); /* the answer comes in the loop */
    reset(s);
    assert_int_equal(back_end_get(&s->back_end.stopped), 1);
    assert_false(enabled(s));
    assert_int_equal(ask_for_reset(s), 0); /* a second one has nothing to wait for */
    drive(s); /* and again, from the start of the ring, with a new region */
    UNTIL(s, quiet(s));
    assert_int_equal(s->back_end.base[0], 0);
    assert_int_equal(back_end_get(&s->back_end.inflight_asked), 2);
    stop(s);
}

/* Those that were never up have nothing to wait for, and the device waits for the others. */
static void a_reset_is_one_of_all_rings(void **state)
{
    struct setup *s = *state;

    plugin_host_set(&s->host, "queues", "2");
    start(s);
    never_stops(s);
    reset_goes_on(s);
    s->host.now += NS_PER_S;
    reset(s);
    stop(s);
}

static void a_back_end_that_does_not_stop_is_hung_up_on(void **state)
{
    struct setup *s = *state;

    const uint32_t change[3] = {2, 1 | 8, 0};
    uint8_t answer[20];
    uint64_t until;

    start(s);
    never_stops(s);
    assert_int_equal(ask_for_reset(s), -EAGAIN);
    until = plugin_host_timer_at(&s->host);
    assert_true(until <= plugin_host_now(&s->host) + NS_PER_S); /* a second, not for ever */
    reset_goes_on(s);
    assert_int_equal(plugin_host_timer_at(&s->host), until); /* asking again gives no more time */
    /* The loop goes on: others that wait are answered. */
    assert_int_equal(send(s->back_end.channel, change, sizeof(change), 0), sizeof(change));
    turn(s);
    assert_int_equal(recv(s->back_end.channel, answer, sizeof(answer), MSG_DONTWAIT),
                     sizeof(answer));
    assert_int_equal(ask_for_reset(s), -EAGAIN);
    s->host.now += NS_PER_S;
    turn(s);
    assert_int_equal(ask_for_reset(s), 0); /* at once */
    assert_int_equal(rd(s, VIRTIO_MMIO_STATUS), 0);
    assert_non_null(strstr(s->host.log, "does not stop"));
    s->back_end.evil = BACK_END_GOOD;
    clock_runs(s);
    drive(s);
    UNTIL(s, back_end_get(&s->back_end.connections) == 2 && quiet(s));
    stop(s);
}

static void a_back_end_that_dies_ends_a_reset(void **state)
{
    struct setup *s = *state;

    start(s);
    never_stops(s);
    assert_int_equal(ask_for_reset(s), -EAGAIN);
    make_available(s); /* the driver may not, and no ring comes up by it */
    reset_goes_on(s);
    back_end_stop(&s->back_end);
    reset(s);
    s->back_end.evil = BACK_END_GOOD;
    clock_runs(s);
    back_end_start(&s->back_end, s->path);
    UNTIL(s, back_end_get(&s->back_end.connections) == 2 &&
                 plugin_host_timer_at(&s->host) == PLUGIN_HOST_NEVER);
    assert_false(enabled(s));
    drive(s);
    UNTIL(s, quiet(s));
    assert_int_equal(s->back_end.base[0], 0);
    assert_int_equal(back_end_get(&s->back_end.inflight_asked), 2);
    stop(s);
}

/* The vm is saved, or replaced: nothing of the reset is left when the device stands still. */
static void a_device_that_is_being_reset_stands_still_after_that(void **state)
{
    struct setup *s = *state;

    start(s);
    never_stops(s);
    assert_int_equal(ask_for_reset(s), -EAGAIN);
    assert_int_equal(ringvisor_device.quiesce(s->host.device), -EINPROGRESS);
    for (unsigned i = 0; i < 10; i++)
        turn(s);
    assert_int_equal(s->host.quiesced, 0);
    s->host.now += NS_PER_S;
    turn(s);
    assert_int_equal(s->host.quiesced, 1);
    assert_int_equal(rd(s, VIRTIO_MMIO_STATUS), 0);
    ringvisor_device.resume(s->host.device);
    assert_int_equal(ask_for_reset(s), 0); /* the CPU executes the store once more */
    stop(s);
}

static void one_that_goes_on_before_its_reset_is_over_does_not_say_that_it_is_quiet(void **state)
{
    struct setup *s = *state;

    start(s);
    never_stops(s);
    assert_int_equal(ask_for_reset(s), -EAGAIN);
    assert_int_equal(ringvisor_device.quiesce(s->host.device), -EINPROGRESS);
    ringvisor_device.resume(s->host.device);
    reset_goes_on(s);
    s->host.now += NS_PER_S;
    reset(s);
    assert_int_equal(s->host.quiesced, 0);
    stop(s);
}

/* The driver polls the register; the rest of the device goes on. */
static void a_queue_is_over_when_the_back_end_has_let_go(void **state)
{
    struct setup *s = *state;

    start(s);
    make_available(s);
    wr(s, VIRTIO_MMIO_QUEUE_SEL, 0);
    wr(s, VIRTIO_MMIO_QUEUE_READY, 0);
    assert_int_equal(rd(s, VIRTIO_MMIO_QUEUE_READY), 1);
    UNTIL(s, rd(s, VIRTIO_MMIO_QUEUE_READY) == 0);
    assert_int_equal(back_end_get(&s->back_end.stopped), 1);
    driver_queue_init(&s->q, &s->world, 0, 16, V1);
    assert_true(driver_queue_enable(plugin_host_virtio(&s->host), &s->q));
    make_available(s);
    UNTIL(s, quiet(s));
    assert_int_equal(s->back_end.base[0], 0);
    stop(s);
}

static void a_reset_takes_over_that_of_a_queue(void **state)
{
    struct setup *s = *state;
    uint64_t until;

    start(s);
    never_stops(s);
    wr(s, VIRTIO_MMIO_QUEUE_SEL, 0);
    wr(s, VIRTIO_MMIO_QUEUE_READY, 0);
    until = plugin_host_timer_at(&s->host);
    for (unsigned i = 0; i < 10; i++)
        turn(s);
    assert_int_equal(rd(s, VIRTIO_MMIO_QUEUE_READY), 1);
    s->host.now += NS_PER_S / 4;
    reset_goes_on(s);
    assert_int_equal(plugin_host_timer_at(&s->host), until);
    s->host.now += NS_PER_S;
    reset(s);
    assert_int_equal(rd(s, VIRTIO_MMIO_QUEUE_READY), 0);
    s->back_end.evil = BACK_END_GOOD;
    clock_runs(s);
    drive(s);
    UNTIL(s, back_end_get(&s->back_end.connections) == 2 && quiet(s));
    stop(s);
}

/* A disk's: the back end could write to the driver's memory until the requests have ended. */
static void a_relayed_reset_waits_for_its_requests(void **state)
{
    struct setup *s = *state;
    struct split ring;
    uint64_t address;

    start_relayed(s);
    clock_stops(s);
    ring = relay_ring(s);
    add_at(s, DRIVER_DATA, s);
    add_at(s, DRIVER_DATA + 0x40, s);
    reset_goes_on(s);
    ring_use(&ring, ring_head(&ring, 1, &address), 0);
    eventfd_write(s->back_end.call[0], 1);
    reset_goes_on(s);
    assert_int_equal(back_end_get(&s->back_end.stopped), 0);
    s->host.dirty_bytes = 0;
    ring_use(&ring, ring_head(&ring, 0, &address), 1);
    eventfd_write(s->back_end.call[0], 1);
    reset(s);
    assert_int_equal(back_end_get(&s->back_end.stopped), 1);
    assert_int_equal(s->host.dirty_bytes, 8); /* written all the same, and nobody is told */
    assert_false(driver_pending(&s->q));
    munmap(ring.map, MAPPED);
    drive(s);
    UNTIL(s, quiet(s));
    ring = relay_ring(s);
    assert_int_equal(ring_available(&ring), 0);
    munmap(ring.map, MAPPED);
    assert_int_equal(back_end_get(&s->back_end.connections), 1);
    stop(s);
}

static void requests_that_do_not_end_have_a_second(void **state)
{
    struct setup *s = *state;

    start_relayed(s);
    clock_stops(s);
    add_at(s, DRIVER_DATA, s);
    reset_goes_on(s);
    assert_true(plugin_host_timer_at(&s->host) <= plugin_host_now(&s->host) + NS_PER_S);
    s->host.now += NS_PER_S;
    reset(s); /* the ring stops with them */
    assert_int_equal(back_end_get(&s->back_end.stopped), 1);
    assert_int_equal(back_end_get(&s->back_end.connections), 1);
    drive(s);
    UNTIL(s, quiet(s));
    /* And a back end that does not even stop. */
    never_stops(s);
    add_at(s, DRIVER_DATA, s);
    reset_goes_on(s);
    s->host.now += NS_PER_S;
    reset_goes_on(s);
    assert_true(plugin_host_timer_at(&s->host) <= plugin_host_now(&s->host) + NS_PER_S);
    s->host.now += NS_PER_S;
    reset(s);
    assert_non_null(strstr(s->host.log, "does not stop"));
    s->back_end.evil = BACK_END_GOOD;
    clock_runs(s);
    drive(s);
    UNTIL(s, back_end_get(&s->back_end.connections) == 2 && quiet(s));
    stop(s);
}

static void a_relayed_reset_ends_with_the_back_end(void **state)
{
    struct setup *s = *state;
    struct split ring;

    start_relayed(s);
    clock_stops(s);
    add_at(s, DRIVER_DATA, s);
    reset_goes_on(s);
    back_end_stop(&s->back_end);
    reset(s);
    clock_runs(s);
    back_end_start(&s->back_end, s->path);
    drive(s);
    UNTIL(s, quiet(s));
    ring = relay_ring(s);
    assert_int_equal(ring_available(&ring), 0); /* the old driver's is not done for the new one */
    munmap(ring.map, MAPPED);
    stop(s);
}

static void a_relayed_queue_ends_with_the_back_end(void **state)
{
    struct setup *s = *state;

    start_relayed(s);
    clock_stops(s);
    add_at(s, DRIVER_DATA, s);
    wr(s, VIRTIO_MMIO_QUEUE_SEL, 0);
    wr(s, VIRTIO_MMIO_QUEUE_READY, 0);
    assert_int_equal(rd(s, VIRTIO_MMIO_QUEUE_READY), 1);
    back_end_stop(&s->back_end);
    UNTIL(s, rd(s, VIRTIO_MMIO_QUEUE_READY) == 0);
    clock_runs(s);
    back_end_start(&s->back_end, s->path);
    UNTIL(s, back_end_get(&s->back_end.connections) == 2 &&
                 plugin_host_timer_at(&s->host) == PLUGIN_HOST_NEVER);
    assert_false(enabled(s)); /* not before the driver wants it again */
    stop(s);
}

static void a_relayed_queue_is_reset_alone(void **state)
{
    const uint64_t features = V1 | FLUSH | MQ | 1ull << 40; /* and RING_RESET */
    struct setup *s = *state;
    struct virtio_device *virtio;
    struct driver_seg seg = {DRIVER_DATA + 0x80, 8, true};
    struct driver_queue other;
    struct split ring;
    uint64_t address;
    uint32_t len;

    s->back_end.features |= INDIRECT;
    s->back_end.protocol &= ~RECORD;
    plugin_host_set(&s->host, "queue-size", "16");
    plugin_host_set(&s->host, "queues", "2");
    back_end_start(&s->back_end, s->path);
    assert_int_equal(plugin_host_start(&s->host, 0), 0);
    virtio = plugin_host_virtio(&s->host);
    driver_queue_init(&s->q, &s->world, 0, 16, V1);
    driver_queue_init(&other, &s->world, 1, 16, V1);
    assert_true(driver_negotiate(virtio, features));
    assert_true(driver_queue_enable(virtio, &s->q) && driver_queue_enable(virtio, &other));
    driver_ok(virtio);
    UNTIL(s, back_end_get(&s->back_end.enabled) == 3 && quiet(s));
    clock_stops(s);
    ring = relay_ring(s);
    add_at(s, DRIVER_DATA, s);

    wr(s, VIRTIO_MMIO_QUEUE_SEL, 0);
    wr(s, VIRTIO_MMIO_QUEUE_RESET, 1);
    for (unsigned i = 0; i < 10; i++)
        turn(s);
    assert_int_equal(rd(s, VIRTIO_MMIO_QUEUE_RESET), 1);
    assert_int_equal(back_end_get(&s->back_end.stopped), 0);
    /* The other queue has its turn meanwhile. */
    assert_true(driver_add(&other, &seg, 1, false, &other));
    wr(s, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
    memcpy(ring.map + (s->back_end.used[1] - ring.base) + 4,
           (uint32_t[]){ring.map[s->back_end.avail[1] - ring.base + 4], 8}, 8);
    memcpy(ring.map + (s->back_end.used[1] - ring.base) + 2, &(uint16_t){1}, 2);
    eventfd_write(s->back_end.call[1], 1);
    UNTIL(s, driver_pending(&other));
    assert_ptr_equal(driver_get(&other, &len), &other);
    assert_int_equal(rd(s, VIRTIO_MMIO_QUEUE_RESET), 1);

    ring_use(&ring, ring_head(&ring, 0, &address), 0);
    eventfd_write(s->back_end.call[0], 1);
    UNTIL(s, rd(s, VIRTIO_MMIO_QUEUE_RESET) == 0);
    assert_false(driver_pending(&s->q));
    assert_int_equal(back_end_get(&s->back_end.enabled), 2);
    driver_queue_init(&s->q, &s->world, 0, 16, V1);
    assert_true(driver_queue_enable(virtio, &s->q));
    add_at(s, DRIVER_DATA, s);
    UNTIL(s, quiet(s));
    assert_int_equal(ring_available(&ring), 1);
    munmap(ring.map, MAPPED);
    stop(s);
}

/* The machine stops and goes on: the back end hears nothing of it. */
static void requests_that_a_still_device_waits_for_go_on_with_it(void **state)
{
    struct setup *s = *state;
    struct split ring;
    uint64_t address;
    uint32_t len;

    start_relayed(s);
    clock_stops(s);
    ring = relay_ring(s);
    add_at(s, DRIVER_DATA, s);
    assert_int_equal(ringvisor_device.quiesce(s->host.device), -EINPROGRESS);
    for (unsigned i = 0; i < 10; i++)
        turn(s);
    assert_int_equal(s->host.quiesced, 0);
    ringvisor_device.resume(s->host.device);
    s->host.now += 2 * NS_PER_S;
    for (unsigned i = 0; i < 10; i++)
        turn(s);
    assert_int_equal(back_end_get(&s->back_end.stopped), 0);
    assert_int_equal(ringvisor_device.quiesce(s->host.device), -EINPROGRESS);
    ring_use(&ring, ring_head(&ring, 0, &address), 0);
    eventfd_write(s->back_end.call[0], 1);
    UNTIL(s, s->host.quiesced == 1);
    assert_int_equal(back_end_get(&s->back_end.stopped), 1);
    assert_ptr_equal(driver_get(&s->q, &len), s);
    munmap(ring.map, MAPPED);
    stop(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_reset_is_over_when_the_back_end_has_let_go),
        TEST(a_reset_is_one_of_all_rings),
        TEST(a_back_end_that_does_not_stop_is_hung_up_on),
        TEST(a_back_end_that_dies_ends_a_reset),
        TEST(a_device_that_is_being_reset_stands_still_after_that),
        TEST(one_that_goes_on_before_its_reset_is_over_does_not_say_that_it_is_quiet),
        TEST(a_queue_is_over_when_the_back_end_has_let_go),
        TEST(a_reset_takes_over_that_of_a_queue),
        TEST(a_relayed_reset_waits_for_its_requests),
        TEST(requests_that_do_not_end_have_a_second),
        TEST(a_relayed_reset_ends_with_the_back_end),
        TEST(a_relayed_queue_ends_with_the_back_end),
        TEST(a_relayed_queue_is_reset_alone),
        TEST(requests_that_a_still_device_waits_for_go_on_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
