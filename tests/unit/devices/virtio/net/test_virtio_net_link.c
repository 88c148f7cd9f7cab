/* SPDX-License-Identifier: BSD-2-Clause */
/* The network device: its link, which the user, the back end and the life of the vmm change. */
#include "tests/unit/support/net_card_fixture.h"

static void a_link_that_goes_down_is_told(void **state)
{
    struct fixture *f = *state;
    uint64_t value;

    start(f, F(STATUS));
    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    assert_int_equal(value, 1);
    wire->callbacks.link(wire->opaque, false);
    wire->callbacks.link(wire->opaque, false);
    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    assert_int_equal(value, 0);
    assert_int_equal(driver_read(plugin_host_virtio(&f->host), 0x060), 2);
}

/* Told, and acknowledged by the driver; then this vmm goes. */
static void link_goes_down_and_then_the_vmm(struct fixture *f)
{
    start(f, F(STATUS));
    wire->callbacks.link(wire->opaque, false);
    ringvisor_device.regions[0].write(f->host.device, 0x064, 4, 2, NULL);
    plugin_host_stop(&f->host);
}

static void driver_is_told_that_the_link_is_up(struct fixture *f)
{
    uint64_t value;

    plugin_host_turn(&f->host, 1);
    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    assert_int_equal(value, 1);
    assert_true(driver_read(plugin_host_virtio(&f->host), 0x060) & 2);
}

static void the_link_is_back_with_another_vmm(void **state)
{
    struct fixture *f = *state;

    link_goes_down_and_then_the_vmm(f);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    driver_is_told_that_the_link_is_up(f);
}

/* A vmm that never runs the guest, or stops it at once, leaves to the next one what it did not tell. */
static void the_link_is_back_with_a_later_vmm(void **state)
{
    struct fixture *f = *state;

    link_goes_down_and_then_the_vmm(f);
    assert_int_equal(plugin_host_create(&f->host, RV_CREATE_RESUME), 0); /* and saved again */
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    ringvisor_device.resume(f->host.device);
    driver_is_told_that_the_link_is_up(f);
}

/* What the new back end says counts. */
static void the_link_is_down_again_with_another_vmm(void **state)
{
    struct fixture *f = *state;
    uint64_t value;

    start(f, F(STATUS));
    wire->callbacks.link(wire->opaque, false);
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    wire->callbacks.link(wire->opaque, false);
    plugin_host_turn(&f->host, 1);
    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    assert_int_equal(value, 0);
}

static bool link_is_up(struct fixture *f)
{
    uint64_t value = 0;

    ringvisor_device.regions[0].read(f->host.device, 0x106, 2, &value, NULL);
    return value & VIRTIO_NET_S_LINK_UP;
}

/* Has the driver been told of another configuration since the last time? */
static bool was_told(struct fixture *f)
{
    bool told = driver_read(plugin_host_virtio(&f->host), 0x060) & 2;

    ringvisor_device.regions[0].write(f->host.device, 0x064, 4, 3, NULL);
    return told;
}

static void the_user_switches_the_link(void **state)
{
    struct fixture *f = *state;

    start(f, F(STATUS));
    assert_string_equal(plugin_host_show(&f->host, "link"), "up");
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_false(link_is_up(f));
    assert_true(was_told(f));
    assert_string_equal(plugin_host_show(&f->host, "link"), "down");
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_false(was_told(f)); /* it was down */
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL);
    negotiate(f, F(STATUS));
    assert_false(link_is_up(f)); /* the driver's reset does not plug it in */
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_true(link_is_up(f));
    assert_true(was_told(f));
    assert_int_equal(plugin_host_change(&f->host, "mtu", "1500"), -EPERM);
}

static void the_link_is_up_if_the_user_and_the_back_end_have_it_so(void **state)
{
    struct fixture *f = *state;

    start(f, F(STATUS));
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_true(was_told(f));
    wire->callbacks.link(wire->opaque, false);
    assert_false(was_told(f)); /* there is no difference for the driver */
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_false(link_is_up(f));
    assert_false(was_told(f));
    wire->callbacks.link(wire->opaque, true);
    assert_true(link_is_up(f));
    assert_true(was_told(f));
}

static void frames_are_dropped_while_the_link_is_down(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    give_buffers(f, 0, 4, 1536);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    comes(f, 100);
    comes(f, 200);
    assert_int_equal(wire->nr_in, 0); /* they do not wait until it is up */
    assert_true(wire->want[0]);
    assert_null(driver_get(&f->q[0], &len));
    send(f, NULL, 60);
    assert_int_equal(wire->sent, 0);
    assert_int_equal(plugin_host_counter(&f->host, "dropped"), 3);
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    comes(f, 300);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal(len, HEADER + 300);
    send(f, NULL, 60);
    assert_int_equal(wire->sent, 1);
}

/* Without a buffer of the guest's they would wait, and come in a burst later. */
static void frames_are_dropped_without_buffers_too(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    comes(f, 100);
    assert_int_equal(wire->nr_in, 1);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_int_equal(wire->nr_in, 0);
    assert_true(wire->want[0]);
    comes(f, 100);
    assert_int_equal(wire->nr_in, 0);
    give_buffers(f, 0, 2, 1536);
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_null(driver_get(&f->q[0], &len));
    comes(f, 300);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal(len, HEADER + 300);
}

/* One that waits for more buffers, and one that the back end has not taken. */
static void frames_that_wait_are_dropped_when_the_link_goes_down(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    give_buffers(f, 0, 2, 1536);
    comes(f, 5000);
    wire->full = true;
    memset(buffer(f, 1, 0), 0, HEADER);
    add(f, 1, 0, HEADER + 60, false);
    kick(f, 1);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), 1);
    assert_int_equal(plugin_host_counter(&f->host, "dropped"), 2);
    wire->full = false;
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_int_equal(wire->sent, 0);
    comes(f, 300);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal(len, HEADER + 300);
    for (unsigned at = HEADER; at < len; at++)
        assert_int_equal(((uint8_t *)buffer(f, 0, 0))[at], (uint8_t)(at * 7));
}

static void the_link_may_be_down_from_the_start_and_stays_so_with_another_vmm(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "link", "down");
    start(f, F(STATUS));
    assert_false(link_is_up(f));
    wire->callbacks.link(wire->opaque, false);
    plugin_host_stop(&f->host);
    plugin_host_set(&f->host, "link", NULL); /* only the beginning is the property's */
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    was_told(f);
    plugin_host_turn(&f->host, 1);
    assert_false(was_told(f)); /* the new back end is up, but the user's word holds */
    assert_false(link_is_up(f));
    assert_string_equal(plugin_host_show(&f->host, "link"), "down");
    assert_int_equal(plugin_host_change(&f->host, "link", "up"), 0);
    assert_true(link_is_up(f));
    assert_true(was_told(f));
}

/* ringvisor/device.h, "Quiet": no interrupt and no guest memory before resume(). */
static void a_quiet_card_tells_of_the_link_when_it_goes_on(void **state)
{
    struct fixture *f = *state;
    unsigned rises;
    uint64_t dirty;
    uint32_t len;

    start(f, F(MRG_RXBUF) | F(STATUS));
    wire->full = true;
    memset(buffer(f, 1, 0), 0, HEADER);
    add(f, 1, 0, HEADER + 60, false);
    kick(f, 1);
    rises = f->host.rises;
    dirty = f->host.dirty_bytes;
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_int_equal(f->host.rises, rises);
    assert_int_equal(f->host.dirty_bytes, dirty);
    ringvisor_device.resume(f->host.device);
    assert_true(f->host.rises > rises);
    assert_true(was_told(f));
    assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), 1);
    assert_int_equal(wire->sent, 0);
}

static void a_card_that_is_taken_over_is_quiet_until_it_goes_on(void **state)
{
    uint8_t *before = malloc(DRIVER_RAM_SIZE);
    struct fixture *f = *state;
    unsigned rises;

    start(f, F(MRG_RXBUF) | F(STATUS));
    give_buffers(f, 0, 2, 1536);
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_create(&f->host, RV_CREATE_RESUME), 0);
    rises = f->host.rises;
    memcpy(before, f->world.ram, DRIVER_RAM_SIZE);
    assert_int_equal(plugin_host_change(&f->host, "link", "down"), 0);
    assert_memory_equal(before, f->world.ram, DRIVER_RAM_SIZE);
    assert_int_equal(f->host.rises, rises);
    ringvisor_device.resume(f->host.device);
    assert_true(was_told(f));
    assert_true(wire->want[0]); /* what comes is dropped */
    free(before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_link_that_goes_down_is_told),
        TEST(the_link_is_back_with_another_vmm),
        TEST(the_link_is_back_with_a_later_vmm),
        TEST(the_link_is_down_again_with_another_vmm),
        TEST(the_user_switches_the_link),
        TEST(the_link_is_up_if_the_user_and_the_back_end_have_it_so),
        TEST(frames_are_dropped_while_the_link_is_down),
        TEST(frames_are_dropped_without_buffers_too),
        TEST(frames_that_wait_are_dropped_when_the_link_goes_down),
        TEST(the_link_may_be_down_from_the_start_and_stays_so_with_another_vmm),
        TEST(a_quiet_card_tells_of_the_link_when_it_goes_on),
        TEST(a_card_that_is_taken_over_is_quiet_until_it_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
