/* SPDX-License-Identifier: BSD-2-Clause */
/* The console device and a driver in both ring formats, on back ends in memory. */
#include <errno.h>
#include <linux/virtio_console.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

#define BUFFER(q, n) (DRIVER_DATA + 0x40000ull * (q) + 0x1000ull * (n))

#define CONTROL_IN  2u
#define CONTROL_OUT 3u
#define ALL_QUEUES  6u

/* Port 1 is a channel. */
static const struct plugin_host_property usual[] = {
    {"chardev", "first"}, {"chardev1", "second"}, {"name1", "org.test"}, {0}};

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[ALL_QUEUES];
};

static struct virtio_device *mmio_of(struct fixture *f)
{
    return plugin_host_virtio(&f->host);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    driver_host_init(&f->host, &f->world);
    f->host.properties = usual;
    f->host.quiet = true;
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

static void negotiate(struct fixture *f, uint64_t features)
{
    unsigned queues = features & VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT) ? ALL_QUEUES : 2;

    assert_true(driver_host_begin(&f->host, &f->world, f->q, queues, 64, features));
}

static void start(struct fixture *f, uint64_t features)
{
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    negotiate(f, features);
}

#define MULTIPORT VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT)
#define PACKED    VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)

static void kick(struct fixture *f, unsigned q)
{
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x050, 4, q, NULL), 0);
}

/* Buffer `n` of a queue, which is its token as well. */
static void add(struct fixture *f, unsigned q, unsigned n, uint32_t len, bool write)
{
    struct driver_seg seg = {BUFFER(q, n), len, write};

    assert_true(driver_add(&f->q[q], &seg, 1, false, (void *)(uintptr_t)(n + 1)));
}

static void *buffer(struct fixture *f, unsigned q, unsigned n)
{
    return driver_at(&f->world, BUFFER(q, n));
}

static void send(struct fixture *f, unsigned q, unsigned n, const char *text)
{
    memcpy(buffer(f, q, n), text, strlen(text));
    add(f, q, n, (uint32_t)strlen(text), false);
    kick(f, q);
}

static void control_out(struct fixture *f, uint32_t id, uint16_t event, uint16_t value)
{
    struct virtio_console_control c = {id, event, value};
    uint32_t len;

    memcpy(buffer(f, CONTROL_OUT, 0), &c, sizeof(c));
    add(f, CONTROL_OUT, 0, sizeof(c), false);
    kick(f, CONTROL_OUT);
    assert_non_null(driver_get(&f->q[CONTROL_OUT], &len));
    assert_int_equal(len, 0);
}

/* The next control message: event << 16 | id, and its value; 0: none. */
static uint32_t control_in(struct fixture *f, uint16_t *value, char *name)
{
    struct virtio_console_control c;
    uint32_t len;
    uintptr_t n = (uintptr_t)driver_get(&f->q[CONTROL_IN], &len);

    if (n == 0)
        return 0;
    memcpy(&c, buffer(f, CONTROL_IN, (unsigned)n - 1), sizeof(c));
    assert_true(len >= sizeof(c));
    if (name) {
        memcpy(name, (char *)buffer(f, CONTROL_IN, (unsigned)n - 1) + sizeof(c), len - sizeof(c));
        name[len - sizeof(c)] = '\0';
    }
    *value = c.value;
    add(f, CONTROL_IN, (unsigned)n - 1, 128, true);
    return (uint32_t)c.event << 16 | c.id;
}

static void assert_control(struct fixture *f, unsigned event, unsigned id, unsigned value)
{
    uint16_t got = 0xffff;

    assert_int_equal(control_in(f, &got, NULL), event << 16 | id);
    assert_int_equal(got, value);
}

/* As Linux brings it up: both ports are there, and open in the guest. */
static void bring_up(struct fixture *f)
{
    char name[128] = "";
    uint16_t value;

    for (unsigned i = 0; i < 16; i++)
        add(f, CONTROL_IN, i, 128, true);
    kick(f, CONTROL_IN);
    control_out(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    assert_control(f, VIRTIO_CONSOLE_PORT_ADD, 0, 0);
    assert_control(f, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
    control_out(f, 0, VIRTIO_CONSOLE_PORT_READY, 1);
    assert_control(f, VIRTIO_CONSOLE_CONSOLE_PORT, 0, 1);
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 0, 1);
    control_out(f, 1, VIRTIO_CONSOLE_PORT_READY, 1);
    assert_int_equal(control_in(f, &value, name), VIRTIO_CONSOLE_PORT_NAME << 16 | 1);
    assert_string_equal(name, "org.test");
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 1, 1);
    control_out(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
    control_out(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void driver_without_multiport_has_a_console(void **state)
{
    struct fixture *f = *state;
    uint32_t len = 0;

    start(f, 0);
    send(f, 1, 0, "hello");
    assert_non_null(driver_get(&f->q[1], &len));
    assert_int_equal(f->host.chr[0].got_len, 5);
    assert_memory_equal(f->host.chr[0].got, "hello", 5);
    add(f, 0, 0, 100, true);
    kick(f, 0);
    assert_true(f->host.chr[0].accepts);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[0], "typed", 5), 5);
    assert_non_null(driver_get(&f->q[0], &len));
    assert_int_equal(len, 5);
    assert_memory_equal(buffer(f, 0, 0), "typed", 5);
    assert_true(f->host.rises > 0);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[1], "x", 1), 0); /* there is no port 1 */
}

static void ports_are_announced_named_and_apart(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    for (unsigned packed = 0; packed <= 1; packed++) {
        start(f, MULTIPORT | (packed ? PACKED : 0));
        bring_up(f);
        send(f, 1, 0, "to-0");
        send(f, 5, 0, "to-1");
        assert_memory_equal(f->host.chr[0].got, "to-0", 4);
        assert_memory_equal(f->host.chr[1].got, "to-1", 4);
        add(f, 4, 3, 10, true);
        kick(f, 4);
        assert_int_equal(plugin_host_chr_input(&f->host.chr[0], "x", 1), 0); /* no buffer */
        assert_int_equal(plugin_host_chr_input(&f->host.chr[1], "abcdefghijklm", 13), 10);
        assert_non_null(driver_get(&f->q[4], &len));
        assert_int_equal(len, 10);
        plugin_host_stop(&f->host);
    }
}

static void input_waits_until_the_guest_has_opened_the_port(void **state)
{
    struct fixture *f = *state;

    start(f, MULTIPORT);
    bring_up(f);
    add(f, 4, 0, 10, true);
    kick(f, 4);
    control_out(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[1], "wait", 4), 0);
    control_out(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    assert_true(f->host.chr[1].accepts);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[1], "wait", 4), 4);
}

static void who_is_at_the_other_end_is_told(void **state)
{
    struct fixture *f = *state;

    start(f, MULTIPORT);
    plugin_host_chr_connected(&f->host.chr[1], false); /* before the driver knows the port */
    plugin_host_chr_connected(&f->host.chr[1], true);
    bring_up(f);
    plugin_host_chr_connected(&f->host.chr[1], false);
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
    plugin_host_chr_connected(&f->host.chr[1], true);
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 1, 1);
}

static void resize(struct fixture *f, unsigned port, uint16_t columns, uint16_t rows)
{
    f->host.chr[port].callbacks.resized(f->host.chr[port].opaque, columns, rows);
    plugin_host_check_shown(&f->host);
}

/* In Linux's order, which is not that of version 1.2 of the standard. */
static void assert_size(struct fixture *f, unsigned port, uint16_t columns, uint16_t rows)
{
    uint16_t value, size[65] = {0};

    assert_int_equal(control_in(f, &value, (char *)size), VIRTIO_CONSOLE_RESIZE << 16 | port);
    assert_int_equal(size[0], columns);
    assert_int_equal(size[1], rows);
}

static void size_of_the_terminal_is_told(void **state)
{
    struct fixture *f = *state;
    uint16_t value;

    start(f, MULTIPORT | VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE));
    resize(f, 0, 80, 24); /* before the driver knows the port */
    for (unsigned i = 0; i < 16; i++)
        add(f, CONTROL_IN, i, 128, true);
    kick(f, CONTROL_IN);
    control_out(f, 0, VIRTIO_CONSOLE_PORT_READY, 1);
    assert_control(f, VIRTIO_CONSOLE_CONSOLE_PORT, 0, 1);
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 0, 1);
    assert_size(f, 0, 80, 24);
    resize(f, 0, 132, 43);
    assert_size(f, 0, 132, 43);
    assert_int_equal(virtio_mmio_read(mmio_of(f), 0x100, 2), 132);
    assert_int_equal(virtio_mmio_read(mmio_of(f), 0x102, 2), 43);
    control_out(f, 1, VIRTIO_CONSOLE_PORT_READY, 1); /* a channel has none */
    assert_int_equal(control_in(f, &value, NULL), VIRTIO_CONSOLE_PORT_NAME << 16 | 1);
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 1, 1);
    resize(f, 1, 1, 1);
    assert_int_equal(control_in(f, &value, NULL), 0);
}

static void size_is_in_the_configuration_space_for_a_driver_with_one_port(void **state)
{
    struct fixture *f = *state;
    uint64_t generation;
    unsigned rises;

    start(f, VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE));
    generation = virtio_mmio_read(mmio_of(f), 0x0fc, 4);
    rises = f->host.rises;
    resize(f, 0, 132, 43);
    assert_int_equal(virtio_mmio_read(mmio_of(f), 0x060, 4) & 2, 2); /* configuration change */
    assert_int_equal(f->host.rises, rises + 1);
    assert_int_not_equal(virtio_mmio_read(mmio_of(f), 0x0fc, 4), generation);
    assert_int_equal(virtio_mmio_read(mmio_of(f), 0x100, 2), 132);
    assert_int_equal(virtio_mmio_read(mmio_of(f), 0x102, 2), 43);
}

/* Any number of changes are one message, of how it is now. */
static void news_wait_for_a_driver_without_buffers(void **state)
{
    struct fixture *f = *state;
    uint16_t value;

    start(f, MULTIPORT);
    control_out(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    control_out(f, 1, VIRTIO_CONSOLE_PORT_READY, 1);
    for (unsigned i = 0; i < 1000; i++)
        plugin_host_chr_connected(&f->host.chr[1], i & 1);
    plugin_host_chr_connected(&f->host.chr[1], false);
    assert_false(driver_pending(&f->q[CONTROL_IN]));
    for (unsigned i = 0; i < 8; i++)
        add(f, CONTROL_IN, i, 128, true);
    kick(f, CONTROL_IN);
    assert_control(f, VIRTIO_CONSOLE_PORT_ADD, 0, 0);
    assert_control(f, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
    assert_control(f, VIRTIO_CONSOLE_PORT_NAME, 1, 1);
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 1, 0);
    assert_int_equal(control_in(f, &value, NULL), 0);
}

/* Of a buffer that is missing the driver has to tell, whatever it was asked before. */
static void the_driver_is_asked_to_tell_of_the_buffer_that_is_missing(void **state)
{
    struct fixture *f = *state;

    for (unsigned packed = 0; packed <= 1; packed++) {
        start(f, MULTIPORT | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) | (packed ? PACKED : 0));
        add(f, CONTROL_IN, 0, 128, true);
        assert_true(driver_kick(&f->q[CONTROL_IN]));
        kick(f, CONTROL_IN);
        control_out(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
        assert_control(f, VIRTIO_CONSOLE_PORT_ADD, 0, 0); /* whose buffer is added anew */
        assert_true(driver_kick(&f->q[CONTROL_IN]));
        kick(f, CONTROL_IN);
        assert_control(f, VIRTIO_CONSOLE_PORT_ADD, 1, 0);
        plugin_host_stop(&f->host);
    }
}

static void messages_that_make_no_sense_do_nothing(void **state)
{
    static const struct {
        uint32_t id;
        uint16_t event, value;
    } cases[] = {
        {2, VIRTIO_CONSOLE_PORT_READY, 1},
        {0xffffffff, VIRTIO_CONSOLE_PORT_OPEN, 1},
        {0, VIRTIO_CONSOLE_PORT_ADD, 1},
        {0, VIRTIO_CONSOLE_PORT_REMOVE, 1},
        {0, VIRTIO_CONSOLE_CONSOLE_PORT, 1},
        {0, VIRTIO_CONSOLE_RESIZE, 1},
        {0, VIRTIO_CONSOLE_PORT_NAME, 1},
        {0, 8, 1},
        {0, 0xffff, 0xffff},
    };
    struct fixture *f = *state;
    uint16_t value;
    uint32_t len;

    start(f, MULTIPORT);
    bring_up(f);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        control_out(f, cases[i].id, cases[i].event, cases[i].value);
    for (uint32_t bytes = 1; bytes < 8; bytes++) { /* cut short */
        add(f, CONTROL_OUT, 0, bytes, false);
        kick(f, CONTROL_OUT);
        assert_non_null(driver_get(&f->q[CONTROL_OUT], &len));
    }
    add(f, CONTROL_OUT, 0, 100, true); /* nothing to read */
    kick(f, CONTROL_OUT);
    assert_non_null(driver_get(&f->q[CONTROL_OUT], &len));
    assert_int_equal(len, 0);
    assert_int_equal(control_in(f, &value, NULL), 0);
    assert_int_equal(plugin_host_counter(&f->host, "bad-messages"),
                     sizeof(cases) / sizeof(cases[0]) + 8);
    assert_int_equal(driver_read(mmio_of(f), 0x070), 0xf);
}

static void slow_reader_holds_the_chain_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, 0);
    plugin_host_chr_room(&f->host.chr[0], 3);
    send(f, 1, 0, "abcdef");
    send(f, 1, 1, "ghi");
    assert_false(driver_pending(&f->q[1]));
    plugin_host_chr_room(&f->host.chr[0], 2);
    assert_false(driver_pending(&f->q[1]));
    plugin_host_chr_room(&f->host.chr[0], 2);
    assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), 1);
    assert_null(driver_get(&f->q[1], &len));
    plugin_host_chr_room(&f->host.chr[0], 100);
    assert_int_equal((uintptr_t)driver_get(&f->q[1], &len), 2);
    assert_memory_equal(f->host.chr[0].got, "abcdefghi", 9);
}

static void reset_forgets_what_was_held(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, MULTIPORT);
    bring_up(f);
    plugin_host_chr_room(&f->host.chr[0], 3);
    send(f, 1, 0, "abcdef");
    add(f, 0, 0, 10, true);
    kick(f, 0);
    f->host.chr[0].callbacks.can_receive(f->host.chr[0].opaque); /* takes the buffer */
    driver_write(mmio_of(f), 0x070, 0);
    assert_int_equal(driver_read(mmio_of(f), 0x070), 0);
    plugin_host_chr_room(&f->host.chr[0], 100);
    assert_int_equal(f->host.chr[0].got_len, 3);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[0], "x", 1), 0);
    negotiate(f, 0);
    send(f, 1, 0, "new");
    assert_non_null(driver_get(&f->q[1], &len));
    assert_memory_equal(f->host.chr[0].got, "abcnew", 6);
}

static void nothing_moves_while_it_stands_still(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, 0);
    plugin_host_chr_room(&f->host.chr[0], 3);
    send(f, 1, 0, "abcdef");
    add(f, 0, 0, 10, true);
    kick(f, 0);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    plugin_host_chr_room(&f->host.chr[0], 100);
    assert_int_equal(f->host.chr[0].got_len, 3);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[0], "x", 1), 0);
    ringvisor_device.resume(f->host.device);
    assert_int_equal(f->host.chr[0].got_len, 6);
    assert_non_null(driver_get(&f->q[1], &len));
    assert_true(f->host.chr[0].accepts);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[0], "x", 1), 1);
}

static void another_process_goes_on(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, MULTIPORT);
    bring_up(f);
    plugin_host_chr_room(&f->host.chr[0], 0);
    send(f, 1, 0, "abcdef");
    add(f, 4, 0, 10, true);
    kick(f, 4);
    f->host.chr[1].callbacks.can_receive(f->host.chr[1].opaque);
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    assert_non_null(driver_get(&f->q[1], &len));
    assert_memory_equal(f->host.chr[0].got, "abcdef", 6);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[1], "in", 2), 2);
    assert_non_null(driver_get(&f->q[4], &len));
    /* Who is connected to it may be another: both are told anew. */
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 0, 1);
    assert_control(f, VIRTIO_CONSOLE_PORT_OPEN, 1, 1);
}

static void greedy_driver_waits_for_the_next_pass(void **state)
{
    struct fixture *f = *state;
    struct driver_seg seg = {DRIVER_DATA, 0x100000, false};
    uint32_t len;

    start(f, 0);
    for (unsigned i = 0; i < 4; i++)
        assert_true(driver_add(&f->q[1], &seg, 1, false, f));
    kick(f, 1);
    assert_int_equal(plugin_host_timer_at(&f->host), 0);
    assert_int_equal(f->host.chr[0].got_len, 0x100000);
    for (unsigned i = 0; i < 8; i++)
        plugin_host_turn(&f->host, 0);
    assert_int_equal(f->host.chr[0].got_len, 0x400000);
    for (unsigned i = 0; i < 4; i++)
        assert_ptr_equal(driver_get(&f->q[1], &len), f);
    for (unsigned i = 0; i < 64; i++)
        add(f, 1, i, 1, false);
    plugin_host_turn(&f->host, 0);
    kick(f, 1);
    assert_int_equal(plugin_host_timer_at(&f->host), 0);
}

static void empty_buffers_and_wrong_directions_are_harmless(void **state)
{
    struct fixture *f = *state;
    uint32_t len;

    start(f, 0);
    add(f, 0, 0, 10, false); /* to be filled, and cannot be */
    add(f, 0, 1, 10, true);
    kick(f, 0);
    assert_int_equal(plugin_host_chr_input(&f->host.chr[0], "x", 1), 1);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 1);
    assert_int_equal(len, 0);
    assert_int_equal((uintptr_t)driver_get(&f->q[0], &len), 2);
    assert_int_equal(len, 1);
    add(f, 1, 0, 10, true); /* to be written out, and is not readable */
    kick(f, 1);
    assert_non_null(driver_get(&f->q[1], &len));
    assert_int_equal(f->host.chr[0].got_len, 0);
}

static void emergency_write_needs_no_queue(void **state)
{
    struct fixture *f = *state;
    uint64_t value;

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x108, 4, 'E', NULL), 0);
    assert_int_equal(f->host.chr[0].got_len, 1);
    assert_int_equal(f->host.chr[0].got[0], 'E');
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x100, 4, 'x', NULL), 0);
    assert_int_equal(f->host.chr[0].got_len, 1);
    ringvisor_device.regions[0].read(f->host.device, 0x104, 4, &value, NULL);
    assert_int_equal(value, 2);
}

static void wrong_properties_are_refused(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"name1", ""},
        {"chardev3", "fourth"},
        {"name2", "name-without-a-chardev"},
        {"name", "a-name-of-more-than-64-characters-is-longer-than-anything-that-is-looked-up"}};
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plugin_host_set(&f->host, cases[i].name, cases[i].value);
        f->host.errors = 0;
        assert_int_equal(plugin_host_start(&f->host, 0), -EINVAL);
        assert_int_equal(f->host.errors, 1);
        plugin_host_set(&f->host, cases[i].name, NULL);
    }
    f->host.chr_fail_at = 2;
    assert_true(plugin_host_start(&f->host, 0) < 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(driver_without_multiport_has_a_console),
        TEST(ports_are_announced_named_and_apart),
        TEST(input_waits_until_the_guest_has_opened_the_port),
        TEST(who_is_at_the_other_end_is_told),
        TEST(size_of_the_terminal_is_told),
        TEST(size_is_in_the_configuration_space_for_a_driver_with_one_port),
        TEST(news_wait_for_a_driver_without_buffers),
        TEST(the_driver_is_asked_to_tell_of_the_buffer_that_is_missing),
        TEST(messages_that_make_no_sense_do_nothing),
        TEST(slow_reader_holds_the_chain_and_loses_nothing),
        TEST(reset_forgets_what_was_held),
        TEST(nothing_moves_while_it_stands_still),
        TEST(another_process_goes_on),
        TEST(greedy_driver_waits_for_the_next_pass),
        TEST(empty_buffers_and_wrong_directions_are_harmless),
        TEST(emergency_write_needs_no_queue),
        TEST(wrong_properties_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
