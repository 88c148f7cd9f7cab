/* SPDX-License-Identifier: BSD-2-Clause */
/* The VM generation ID: when it changes, and when it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"

struct id {
    uint32_t word[4];
};

static struct id read_id(void)
{
    struct id id;

    for (unsigned i = 0; i < 4; i++)
        id.word[i] = get(4 * i);
    return id;
}

static bool same(struct id a, struct id b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void each_guest_has_a_number_of_its_own_that_it_cannot_change(void **state)
{
    struct id first = read_id();

    put(0, 1);
    put(12, 1);
    assert_true(same(read_id(), first));
    ringvisor_device.reset(host.device);
    assert_true(same(read_id(), first));
    assert_int_equal(host.rises, 0);
    plugin_host_stop(&host);
    board_start(NULL, NULL);
    assert_false(same(read_id(), first));
    every_access(0x1000);
}

static void next_vmm_leaves_the_number_as_it_is(void **state)
{
    struct id first = read_id();

    plugin_host_stop(&host);
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_true(same(read_id(), first));
    assert_int_equal(host.rises, 0);
}

static void guest_of_a_snapshot_gets_another_number_and_one_interrupt(void **state)
{
    struct id first = read_id(), second;

    plugin_host_stop(&host);
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME | RV_CREATE_RESTORED), 0);
    second = read_id();
    assert_false(same(second, first));
    assert_int_equal(host.rises, 1);
    ringvisor_device.resume(host.device); /* after a pause */
    assert_int_equal(host.rises, 1);
    assert_true(same(read_id(), second));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, board_setup, board_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_guest_has_a_number_of_its_own_that_it_cannot_change),
        TEST(next_vmm_leaves_the_number_as_it_is),
        TEST(guest_of_a_snapshot_gets_another_number_and_one_interrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
