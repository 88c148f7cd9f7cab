/* SPDX-License-Identifier: BSD-2-Clause */
/* A back end that is shared: watchers never hold the device up, and keys keep their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/chardev/chardev_internal.h"
#include "vmm/chardev/chardev_shared.h"

/* The back end behind. */
static struct {
    size_t room; /* for output */
    char out[64];
    unsigned accepts;
} behind;

static size_t behind_write(struct chardev *chardev, const uint8_t *data, size_t len)
{
    if (len > behind.room)
        len = behind.room;
    behind.room -= len;
    if (strlen(behind.out) + len < sizeof(behind.out))
        strncat(behind.out, (const char *)data, len);
    return len;
}

static void behind_accept(struct chardev *chardev)
{
    behind.accepts++;
}

static void nothing(struct chardev *chardev)
{
}

static const struct chardev_ops behind_ops = {
    .attached = nothing, .write = behind_write, .accept = behind_accept, .free = nothing};
static struct chardev inner;

/* The device. */
static struct {
    size_t room;
    char in[64];
    unsigned writable;
} device;

static size_t can_receive(void *opaque)
{
    return device.room;
}

static void receive(void *opaque, const uint8_t *data, size_t len)
{
    assert_true(len <= device.room);
    device.room -= len;
    strncat(device.in, (const char *)data, len);
}

static void writable(void *opaque)
{
    device.writable++;
}

static const struct chardev_client client = {
    .can_receive = can_receive, .receive = receive, .writable = writable};

static char seen[0x8000];

static void see(void *opaque, const uint8_t *data, size_t len)
{
    strncat(seen, (const char *)data, len);
}

static struct chardev_watcher watcher = {.output = see};
static struct event_base *base;
static struct chardev *shared;

static int setup(void **state)
{
    memset(&behind, 0, sizeof(behind));
    memset(&device, 0, sizeof(device));
    seen[0] = '\0';
    inner = (struct chardev){.ops = &behind_ops};
    behind.room = SIZE_MAX;
    base = event_base_new();
    shared = chardev_shared_new(base, &inner);
    assert_non_null(shared);
    assert_int_equal(chardev_attach(shared, &client, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    chardev_detach(shared);
    assert_null(inner.client);
    chardev_free(shared);
    event_base_free(base);
    return 0;
}

static void print(const char *text, size_t taken)
{
    assert_int_equal(chardev_write(shared, (const uint8_t *)text, strlen(text)), taken);
}

static void type(const char *text, size_t taken)
{
    assert_int_equal(chardev_shared_type(shared, (const uint8_t *)text, strlen(text)), taken);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void watchers_see_what_the_back_end_has_taken(void **state)
{
    chardev_shared_watch(shared, &watcher);
    print("one ", 4);
    behind.room = 2;
    print("two", 2);
    assert_string_equal(behind.out, "one tw");
    assert_string_equal(seen, "one tw");
    inner.client->writable(inner.opaque);
    assert_int_equal(device.writable, 1);
    chardev_shared_unwatch(shared, &watcher);
    behind.room = 10;
    print("o", 1);
    assert_string_equal(seen, "one tw");
}

static void new_watcher_sees_the_last_lines_whole(void **state)
{
    print("first\nlogin: ", 13);
    chardev_shared_watch(shared, &watcher);
    assert_string_equal(seen, "first\nlogin: ");
    chardev_shared_unwatch(shared, &watcher);
    for (unsigned i = 0; i < 2000; i++)
        print("0123456789\n", 11);
    seen[0] = '\0';
    chardev_shared_watch(shared, &watcher);
    assert_true(strlen(seen) > 0x3f00 && strlen(seen) <= 0x4000);
    assert_int_equal(strlen(seen) % 11, 0);
    assert_memory_equal(seen, "0123456789\n", 11);
    chardev_shared_unwatch(shared, &watcher);
}

static void keys_go_in_as_the_device_reads_and_in_their_order(void **state)
{
    device.room = 2;
    type("abcd", 4);
    assert_string_equal(device.in, "ab");
    device.room = 3;
    assert_int_equal(inner.client->can_receive(inner.opaque), 0); /* these come first */
    chardev_accept(shared);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_string_equal(device.in, "abcd");
    assert_int_equal(inner.client->can_receive(inner.opaque), 1);
    assert_true(behind.accepts >= 2); /* as the device told, and when the keys were gone */
    inner.client->receive(inner.opaque, (const uint8_t *)"e", 1);
    assert_string_equal(device.in, "abcde");
}

static void keys_that_nobody_reads_are_refused_at_last(void **state)
{
    static char many[0x10000];

    memset(many, 'x', sizeof(many) - 1);
    type(many, sizeof(many) - 1);
    type("y", 1);
    type("z", 0);
    chardev_detach(shared); /* while keys wait */
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(chardev_attach(shared, &client, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(watchers_see_what_the_back_end_has_taken),
        TEST(new_watcher_sees_the_last_lines_whole),
        TEST(keys_go_in_as_the_device_reads_and_in_their_order),
        TEST(keys_that_nobody_reads_are_refused_at_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
