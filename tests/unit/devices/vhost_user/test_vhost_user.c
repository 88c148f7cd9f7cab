/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front end as a device, vhost-user-blk, against a back end on a socket that may be
 * hostile, die, or come back. The test itself plays the driver, and uses the buffers
 * in the back end's place.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/support/vhost_fixture.h"

static void what_the_back_end_offers_is_offered(void **state)
{
    struct setup *s = *state;
    uint64_t features;

    start(s);
    wr(s, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    features = rd(s, VIRTIO_MMIO_DEVICE_FEATURES);
    wr(s, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    features |= (uint64_t)rd(s, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
    assert_int_equal(features, V1 | FLUSH | WCE | DISCARD | MQ);
    assert_int_equal(s->back_end.accepted, V1 | FLUSH | PROTOCOL);
    assert_int_equal(rd(s, VIRTIO_MMIO_CONFIG), 1000);
    assert_int_equal(s->back_end.region_bytes, DRIVER_RAM_SIZE);
    stop(s);
}

static void notifications_and_interrupts_go_through(void **state)
{
    struct setup *s = *state;
    uint32_t len;

    start(s);
    assert_true(kicked(s)); /* once when it came up */
    make_available(s);
    assert_true(kicked(s));
    assert_false(kicked(s));
    use(s, 0);
    assert_false(interrupted(s));
    eventfd_write(s->back_end.call[0], 1);
    UNTIL(s, interrupted(s));
    assert_int_equal(rd(s, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
    assert_ptr_equal(driver_get(&s->q, &len), s);
    stop(s);
}

static void what_was_used_is_marked_before_any_interrupt(void **state)
{
    struct setup *s = *state;

    start(s);
    make_available(s);
    sync_now(s);
    assert_int_equal(s->host.dirty_bytes, 0);
    use(s, 0); /* the guest sees it now */
    sync_now(s);
    assert_int_equal(s->host.dirty_bytes, DRIVER_RAM_SIZE);
    sync_now(s);
    assert_int_equal(s->host.dirty_bytes, 0);
    /* A reset forgets the ring, not what was written. */
    make_available(s);
    use(s, 1);
    reset(s);
    sync_now(s);
    assert_int_equal(s->host.dirty_bytes, DRIVER_RAM_SIZE);
    stop(s);
}

static void a_back_end_that_died_gets_all_again(void **state)
{
    struct setup *s = *state;

    start(s);
    for (uint16_t n = 0; n < 3; n++)
        make_available(s);
    use(s, 0);
    wr(s, VIRTIO_MMIO_INTERRUPT_ACK, 3);
    back_end_stop(&s->back_end);
    UNTIL(s, s->host.logs == 1);
    assert_non_null(strstr(s->host.log, s->path));
    assert_true(interrupted(s)); /* what was used may not have been told */
    make_available(s);           /* the guest does not know */
    back_end_start(&s->back_end, s->path);
    UNTIL(s, quiet(s));
    assert_int_equal(s->back_end.base[0], 1);
    assert_int_equal(back_end_get(&s->back_end.inflight_asked), 1);
    assert_int_equal(back_end_get(&s->back_end.inflight_given), 2);
    assert_true(kicked(s));
    assert_non_null(strstr(s->host.log, "there again"));
    stop(s);
}

static void messages_about_one_that_dies_for_ever_are_few(void **state)
{
    struct setup *s = *state;

    s->hasty = true;
    start(s);
    for (unsigned i = 0; i < 8; i++) {
        back_end_stop(&s->back_end);
        back_end_start(&s->back_end, s->path);
        UNTIL(s, quiet(s));
    }
    assert_int_equal(s->host.logs, 2);
    stop(s);
}

static void one_that_comes_back_with_less_is_not_taken(void **state)
{
    struct setup *s = *state;

    start(s);
    back_end_stop(&s->back_end);
    s->back_end.features &= ~FLUSH;
    back_end_start(&s->back_end, s->path);
    UNTIL(s, strstr(s->host.log, "features that the device needs"));
    assert_false(enabled(s));
    back_end_stop(&s->back_end);
    s->back_end.features |= FLUSH;
    back_end_start(&s->back_end, s->path);
    UNTIL(s, quiet(s));
    stop(s);
}

static void nonsense_at_any_time_is_survived(void **state)
{
    static const uint32_t requests[] = {1, 5, 9, 15, 17, 18, 24, 32};
    struct setup *s = *state;

    s->hasty = true;
    start(s);
    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        for (enum back_end_evil evil = BACK_END_HANGS_UP; evil <= BACK_END_GARBAGE; evil++) {
            unsigned connections;

            back_end_stop(&s->back_end);
            s->back_end.evil = evil;
            s->back_end.evil_at = requests[i];
            back_end_start(&s->back_end, s->path);
            connections = back_end_get(&s->back_end.connections);
            /* It is left, and tried again. */
            UNTIL(s, back_end_get(&s->back_end.connections) >= connections + 2);
            assert_false(rd(s, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
        }
    }
    back_end_stop(&s->back_end);
    s->back_end.evil = BACK_END_GOOD;
    back_end_start(&s->back_end, s->path);
    UNTIL(s, quiet(s));
    assert_true(s->host.logs <= 4 * (s->host.now / (10 * NS_PER_S) + 2));
    stop(s);
}

static void silence_ends_after_a_while(void **state)
{
    struct setup *s = *state;
    unsigned connections;

    start(s);
    back_end_stop(&s->back_end);
    s->back_end.evil = BACK_END_SILENT;
    s->back_end.evil_at = 5;
    connections = s->back_end.connections;
    back_end_start(&s->back_end, s->path);
    UNTIL(s, back_end_get(&s->back_end.connections) == connections + 1);
    for (unsigned i = 0; i < 50; i++)
        turn(s);
    assert_int_not_equal(plugin_host_timer_at(&s->host), PLUGIN_HOST_NEVER);
    s->back_end.evil = BACK_END_GOOD;
    s->host.now += 6 * NS_PER_S;
    UNTIL(s, back_end_get(&s->back_end.connections) == connections + 2 && quiet(s));
    stop(s);
}

static void a_quiet_device_has_its_rings_stopped_and_goes_on_there(void **state)
{
    struct setup *s = *state;
    int error;

    start(s);
    make_available(s);
    use(s, 0);
    s->back_end.base[0] = 1; /* what it will answer */
    error = ringvisor_device.quiesce(s->host.device);
    if (error == -EINPROGRESS)
        UNTIL(s, s->host.quiesced == 1);
    assert_false(enabled(s));
    assert_int_equal(back_end_get(&s->back_end.stopped), 1);
    s->back_end.base[0] = 77;
    ringvisor_device.resume(s->host.device);
    UNTIL(s, quiet(s));
    assert_int_equal(s->back_end.base[0], 1);
    assert_int_equal(back_end_get(&s->back_end.inflight_asked), 1);
    stop(s);
}

static void one_that_dies_while_it_should_stop_is_quiet(void **state)
{
    struct setup *s = *state;

    start(s);
    s->back_end.evil = BACK_END_SILENT;
    s->back_end.evil_at = 11;
    assert_int_equal(ringvisor_device.quiesce(s->host.device), -EINPROGRESS);
    for (unsigned i = 0; i < 10; i++)
        turn(s);
    assert_int_equal(s->host.quiesced, 0);
    back_end_stop(&s->back_end);
    UNTIL(s, s->host.quiesced == 1);
    ringvisor_device.reset(s->host.device);
    ringvisor_device.resume(s->host.device);
    plugin_host_stop(&s->host);
}

static void a_new_process_goes_on_where_the_ring_is(void **state)
{
    struct setup *s = *state;

    start(s);
    make_available(s);
    make_available(s);
    use(s, 0);
    plugin_host_stop(&s->host); /* the vmm ends; RAM and state stay */
    assert_int_equal(plugin_host_start(&s->host, RV_CREATE_RESUME), 0);
    assert_int_equal(rd(s, VIRTIO_MMIO_STATUS), 0xf);
    assert_int_equal(rd(s, VIRTIO_MMIO_CONFIG), 1000); /* before there is a back end */
    sync_now(s);
    assert_int_equal(s->host.dirty_bytes, DRIVER_RAM_SIZE);
    UNTIL(s, back_end_get(&s->back_end.connections) == 2 && quiet(s));
    assert_int_equal(s->back_end.base[0], 1);
    stop(s);
}

static void a_state_that_is_damaged_is_refused(void **state)
{
    struct setup *s = *state;

    start(s);
    plugin_host_stop(&s->host);
    s->host.state[0] |= 1ull << 63;
    assert_int_equal(plugin_host_start(&s->host, RV_CREATE_RESUME), -EINVAL);
    back_end_stop(&s->back_end);
}

static void a_disk_that_grows_is_told_to_the_driver(void **state)
{
    struct setup *s = *state;
    const uint32_t change[3] = {2, 1 | 8, 0};
    uint8_t answer[20];

    start(s);
    s->back_end.capacity = 2000;
    assert_int_equal(send(s->back_end.channel, change, sizeof(change), 0), sizeof(change));
    UNTIL(s, interrupted(s));
    assert_int_equal(rd(s, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
    assert_int_equal(rd(s, VIRTIO_MMIO_CONFIG), 2000);
    assert_int_equal(recv(s->back_end.channel, answer, sizeof(answer), 0), sizeof(answer));
    stop(s);
}

static void nonsense_in_the_back_ends_own_channel_closes_it(void **state)
{
    struct setup *s = *state;
    uint8_t bytes[64];

    start(s);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(send(s->back_end.channel, bytes, sizeof(bytes), 0), sizeof(bytes));
    for (unsigned i = 0; i < 10; i++)
        turn(s);
    make_available(s);
    assert_true(kicked(s));
    stop(s);
}

static void write_back_is_the_default_and_a_change_is_kept(void **state)
{
    struct setup *s = *state;

    start(s);
    s->back_end.wce = 0xee;
    /* Not without the feature. */
    virtio_mmio_write(plugin_host_virtio(&s->host), VIRTIO_MMIO_CONFIG + 32, 1, 0);
    reset(s);
    drive_with(s, V1 | FLUSH | WCE);
    UNTIL(s, quiet(s));
    assert_int_equal(s->back_end.wce, 0xee);
    assert_int_equal(virtio_mmio_read(plugin_host_virtio(&s->host), VIRTIO_MMIO_CONFIG + 32, 1), 1);
    virtio_mmio_write(plugin_host_virtio(&s->host), VIRTIO_MMIO_CONFIG + 32, 1, 0);
    UNTIL(s, s->back_end.wce == 0 && quiet(s));
    s->back_end.wce = 0xee;
    back_end_stop(&s->back_end);
    back_end_start(&s->back_end, s->path);
    UNTIL(s, quiet(s));
    assert_int_equal(s->back_end.wce, 0);
    assert_int_equal(virtio_mmio_read(plugin_host_virtio(&s->host), VIRTIO_MMIO_CONFIG + 32, 1), 0);
    stop(s);
}

/*
 * A back end that keeps no record: a relay does.
 */

/* It would end the vmm, whose next access to them would have nothing behind it. */
static void a_back_end_cannot_cut_the_relays_rings(void **state)
{
    struct setup *s = *state;
    struct split ring;

    start_relayed(s);
    ring = relay_ring(s);
    assert_int_equal(ftruncate(s->back_end.rings, 0), -1);
    assert_int_equal(errno, EPERM);
    munmap(ring.map, MAPPED);
    stop(s);
}

static void without_a_record_a_relay_has_the_rings(void **state)
{
    struct setup *s = *state;
    struct split ring;
    uint64_t address;
    uint32_t len;
    uint16_t head;

    start_relayed(s);
    ring = relay_ring(s);
    add_at(s, DRIVER_DATA + 0x40, s);
    assert_int_equal(ring_available(&ring), 1);
    head = ring_head(&ring, 0, &address);
    assert_int_equal(address, DRIVER_DATA + 0x40);
    assert_false(driver_pending(&s->q));
    ring_use(&ring, head, 0);
    s->host.dirty_bytes = 0;
    eventfd_write(s->back_end.call[0], 1);
    UNTIL(s, interrupted(s));
    assert_ptr_equal(driver_get(&s->q, &len), s);
    assert_int_equal(len, 8);
    assert_true(s->host.dirty_bytes >= 8 && s->host.dirty_bytes < 64); /* it, and the used ring */
    sync_now(s);
    assert_int_equal(s->host.dirty_bytes, 0);
    munmap(ring.map, MAPPED);
    stop(s);
}

static void what_died_out_of_order_comes_again_in_order(void **state)
{
    struct setup *s = *state;
    struct split ring;
    uint64_t address;
    uint32_t len;
    int tokens[5];

    start_relayed(s);
    ring = relay_ring(s);
    for (unsigned i = 0; i < 5; i++)
        add_at(s, DRIVER_DATA + 0x100 * i, &tokens[i]);
    /* The fourth and the first are done; of neither was anything told. */
    ring_use(&ring, ring_head(&ring, 3, &address), 0);
    ring_use(&ring, ring_head(&ring, 0, &address), 1);
    munmap(ring.map, MAPPED);
    back_end_stop(&s->back_end);
    UNTIL(s, interrupted(s));
    assert_ptr_equal(driver_get(&s->q, &len), &tokens[3]);
    assert_ptr_equal(driver_get(&s->q, &len), &tokens[0]);
    assert_null(driver_get(&s->q, &len));
    add_at(s, DRIVER_DATA + 0x500, &tokens[0]); /* while nobody is there */
    back_end_start(&s->back_end, s->path);
    UNTIL(s, quiet(s));
    ring = relay_ring(s);
    assert_int_equal(ring_available(&ring), 4);
    for (uint16_t i = 0; i < 4; i++) {
        static const uint64_t want[] = {0x100, 0x200, 0x400, 0x500};

        ring_head(&ring, i, &address);
        assert_int_equal(address, DRIVER_DATA + want[i]);
    }
    munmap(ring.map, MAPPED);
    stop(s);
}

static void a_new_process_relays_what_was_in_flight(void **state)
{
    struct setup *s = *state;
    struct split ring;
    uint64_t address;

    start_relayed(s);
    add_at(s, DRIVER_DATA + 0x100, s);
    add_at(s, DRIVER_DATA + 0x200, s);
    plugin_host_stop(&s->host);
    assert_int_equal(plugin_host_start(&s->host, RV_CREATE_RESUME), 0);
    UNTIL(s, back_end_get(&s->back_end.connections) == 2 && quiet(s));
    ring = relay_ring(s);
    assert_int_equal(ring_available(&ring), 2);
    ring_head(&ring, 0, &address);
    assert_int_equal(address, DRIVER_DATA + 0x100);
    munmap(ring.map, MAPPED);
    stop(s);
}

static void a_used_buffer_that_is_none_ends_the_connection(void **state)
{
    static const uint32_t heads[] = {5, 16, 0xffffffff};
    struct setup *s = *state;

    s->hasty = true;
    start_relayed(s);
    add_at(s, DRIVER_DATA, s);
    for (unsigned i = 0; i < 3; i++) {
        struct split ring = relay_ring(s);

        ring_use(&ring, heads[i], 0);
        munmap(ring.map, MAPPED);
        eventfd_write(s->back_end.call[0], 1);
        UNTIL(s, back_end_get(&s->back_end.connections) == i + 2 && quiet(s));
        assert_false(driver_pending(&s->q));
    }
    /* And seen only when the ring stops. */
    {
        struct split ring = relay_ring(s);

        ring_use(&ring, 7, 0);
        munmap(ring.map, MAPPED);
        reset(s);
        drive(s);
        UNTIL(s, back_end_get(&s->back_end.connections) == 5 && quiet(s));
    }
    stop(s);
}

static void what_cannot_start_says_why(void **state)
{
    struct setup *s = *state;
    char longer[200];

    assert_int_not_equal(plugin_host_start(&s->host, 0), 0);
    assert_non_null(strstr(s->host.log, "no back end at"));
    assert_non_null(strstr(s->host.log, s->path));
    plugin_host_set(&s->host, "socket", "/dev/null");
    assert_int_equal(plugin_host_start(&s->host, 0), -ENOTSOCK);
    assert_non_null(strstr(s->host.log, "/dev/null"));
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    plugin_host_set(&s->host, "socket", longer);
    assert_int_equal(plugin_host_start(&s->host, 0), -ENAMETOOLONG);
    plugin_host_set(&s->host, "socket", s->path);
    plugin_host_set(&s->host, "queue-size", "100");
    assert_int_equal(plugin_host_start(&s->host, 0), -EINVAL);
    assert_non_null(strstr(s->host.log, "power of two"));
    plugin_host_set(&s->host, "queue-size", NULL);

    back_end_start(&s->back_end, s->path);
    plugin_host_set(&s->host, "queues", "4");
    assert_int_not_equal(plugin_host_start(&s->host, 0), 0);
    assert_non_null(strstr(s->host.log, "fewer queues"));
    plugin_host_set(&s->host, "queues", NULL);
    s->back_end.features &= ~V1;
    assert_int_not_equal(plugin_host_start(&s->host, 0), 0);
    assert_non_null(strstr(s->host.log, "features"));
    s->back_end.features |= V1;
    s->back_end.protocol &= ~(1ull << 9);
    assert_int_not_equal(plugin_host_start(&s->host, 0), 0);
    assert_non_null(strstr(s->host.log, "protocol features"));
    s->back_end.protocol = ALL;
    s->back_end.evil = BACK_END_HANGS_UP;
    s->back_end.evil_at = 15;
    assert_int_not_equal(plugin_host_start(&s->host, 0), 0);
    assert_non_null(strstr(s->host.log, "hangs up"));
    back_end_stop(&s->back_end);
}

/* The back end keeps a record; but with the guest's rings nobody could tell of a write in time. */
static void where_writes_must_be_told_a_relay_has_the_rings(void **state)
{
    struct setup *s = *state;

    s->host.ram_flags = RV_MEM_REPORT;
    s->back_end.features |= INDIRECT;
    plugin_host_set(&s->host, "queue-size", "16");
    start(s);
    munmap(relay_ring(s).map, MAPPED);
    stop(s);
}

static void where_writes_must_be_told_a_back_end_needs_indirect_descriptors(void **state)
{
    struct setup *s = *state;

    s->host.ram_flags = RV_MEM_REPORT;
    back_end_start(&s->back_end, s->path);
    assert_int_not_equal(plugin_host_start(&s->host, 0), 0);
    assert_non_null(strstr(s->host.log, "VIRTIO_RING_F_INDIRECT_DESC"));
    back_end_stop(&s->back_end);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_the_back_end_offers_is_offered),
        TEST(notifications_and_interrupts_go_through),
        TEST(what_was_used_is_marked_before_any_interrupt),
        TEST(a_back_end_that_died_gets_all_again),
        TEST(messages_about_one_that_dies_for_ever_are_few),
        TEST(one_that_comes_back_with_less_is_not_taken),
        TEST(nonsense_at_any_time_is_survived),
        TEST(silence_ends_after_a_while),
        TEST(a_quiet_device_has_its_rings_stopped_and_goes_on_there),
        TEST(one_that_dies_while_it_should_stop_is_quiet),
        TEST(a_new_process_goes_on_where_the_ring_is),
        TEST(a_state_that_is_damaged_is_refused),
        TEST(a_disk_that_grows_is_told_to_the_driver),
        TEST(nonsense_in_the_back_ends_own_channel_closes_it),
        TEST(write_back_is_the_default_and_a_change_is_kept),
        TEST(a_back_end_cannot_cut_the_relays_rings),
        TEST(without_a_record_a_relay_has_the_rings),
        TEST(where_writes_must_be_told_a_relay_has_the_rings),
        TEST(where_writes_must_be_told_a_back_end_needs_indirect_descriptors),
        TEST(what_died_out_of_order_comes_again_in_order),
        TEST(a_new_process_relays_what_was_in_flight),
        TEST(a_used_buffer_that_is_none_ends_the_connection),
        TEST(what_cannot_start_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
