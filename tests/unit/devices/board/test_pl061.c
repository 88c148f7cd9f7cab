/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL061 and its power button. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"

#define DIR   0x400
#define IS    0x404
#define IBE   0x408
#define IEV   0x40c
#define IE    0x410
#define RIS   0x414
#define MIS   0x418
#define IC    0x41c
#define AFSEL 0x420

#define BUTTON   8u /* line 3 */
#define DATA(m)  (4u * (m))
#define PRESS_MS 100u

static bool press(void)
{
    return ringvisor_device.event(host.device,
                                  &(struct rv_device_event){.size = sizeof(struct rv_device_event),
                                                            .type = RV_EVENT_POWER_BUTTON});
}

/* DDI 0190, 3.3.1: the address says which bits are meant. */
static void data_is_masked_by_the_address(void **state)
{
    put(DIR, 0xff);
    put(DATA(0xff), 0xa5);
    assert_int_equal(get(DATA(0xff)), 0xa5);
    assert_int_equal(get(DATA(0x0f)), 0x05);
    put(DATA(0x81), 0x00);
    assert_int_equal(get(DATA(0xff)), 0x24);
    put(DATA(0x00), 0xff);
    assert_int_equal(get(DATA(0xff)), 0x24);
    put(DIR, 0xf0); /* what is an input reads what is outside */
    assert_int_equal(get(DATA(0xff)), 0x20);
    put(DIR, 0xff); /* and what was written is still there */
    assert_int_equal(get(DATA(0xff)), 0x24);
}

static void registers_hold_what_is_written(void **state)
{
    static const unsigned registers[] = {DIR, IBE, IEV, AFSEL};

    for (unsigned i = 0; i < 4; i++) {
        put(registers[i], 0x1ff);
        assert_int_equal(get(registers[i]), 0xff);
        put(registers[i], 0x5a);
        assert_int_equal(get(registers[i]), 0x5a);
    }
}

static void nobody_listens_until_the_interrupt_is_enabled(void **state)
{
    assert_false(press());
    put(IE, 0xf7);
    assert_false(press());
    put(DIR, BUTTON);
    put(IE, 0xff);
    assert_false(press()); /* an output */
    put(DIR, 0);
    assert_true(press());
    assert_false(ringvisor_device.event(
        host.device,
        &(struct rv_device_event){.size = sizeof(struct rv_device_event), .type = 77}));
}

/* How the line can be watched, and how many interrupts a press and its release make. */
static void edges_and_levels_interrupt_as_chosen(void **state)
{
    static const struct {
        unsigned is, ibe, iev;
        bool at_press, at_release, when_down, when_up;
    } cases[] = {
        {0, 0, 1, true, false, false, false},                                       /* rising */
        {0, 0, 0, false, true, false, false},                                       /* falling */
        {0, 1, 0, true, true, false, false},                                        /* both */
        {0, 1, 1, true, true, false, false},  {1, 0, 1, false, false, true, false}, /* high */
        {1, 0, 0, false, false, false, true},                                       /* low */
        {1, 1, 1, false, false, true, false}, /* IBE is of edges alone */
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        plugin_host_stop(&host);
        board_start(NULL, NULL);
        put(IS, cases[i].is * BUTTON);
        put(IBE, cases[i].ibe * BUTTON);
        put(IEV, cases[i].iev * BUTTON);
        put(IE, BUTTON);
        assert_int_equal(host.irq, cases[i].when_up);
        assert_true(press());
        assert_int_equal(get(DATA(BUTTON)), BUTTON);
        assert_int_equal(host.irq, cases[i].at_press || cases[i].when_down);
        assert_int_equal(get(RIS), host.irq ? BUTTON : 0);
        assert_int_equal(get(MIS), host.irq ? BUTTON : 0);
        put(IC, 0xf7);
        assert_int_equal(host.irq, cases[i].at_press || cases[i].when_down);
        put(IC, BUTTON);
        assert_int_equal(host.irq, cases[i].when_down); /* a level stays */
        pass(PRESS_MS * S / 1000);
        assert_int_equal(get(DATA(0xff)), 0);
        assert_int_equal(host.irq, cases[i].at_release || cases[i].when_up);
        put(IC, BUTTON);
        assert_int_equal(host.irq, cases[i].when_up);
    }
}

static void interrupt_can_be_masked(void **state)
{
    put(IEV, BUTTON);
    put(IE, BUTTON);
    press();
    assert_true(host.irq);
    put(IE, 0);
    assert_false(host.irq);
    assert_int_equal(get(RIS), BUTTON);
    assert_int_equal(get(MIS), 0);
    put(IE, BUTTON);
    assert_true(host.irq);
}

static void second_press_is_longer_and_no_second_edge(void **state)
{
    put(IEV, BUTTON);
    put(IE, BUTTON);
    press();
    put(IC, BUTTON);
    pass(60 * S / 1000);
    assert_true(press());
    assert_false(host.irq);
    pass(60 * S / 1000);
    assert_int_equal(get(DATA(0xff)), BUTTON);
    pass(60 * S / 1000);
    assert_int_equal(get(DATA(0xff)), 0);
}

/* A driver looks at the line some time after the edge; the guest may be slow to take that. */
static void button_stays_down_until_the_edge_was_taken(void **state)
{
    put(IBE, BUTTON);
    put(IE, BUTTON);
    press();
    pass(3 * S);
    assert_int_equal(get(DATA(0xff)), BUTTON);
    put(IC, 0xf7); /* another line's */
    put(IC, BUTTON);
    pass(PRESS_MS * S / 1000 - 1);
    assert_int_equal(get(DATA(0xff)), BUTTON);
    put(IC, BUTTON); /* there is no edge: this does not hold it down longer */
    pass(1);
    assert_int_equal(get(DATA(0xff)), 0);
    assert_int_equal(get(RIS), BUTTON);
    assert_int_equal(plugin_host_timer_at(&host), PLUGIN_HOST_NEVER);
}

static void button_does_not_stay_down_for_ever(void **state)
{
    put(IEV, BUTTON);
    put(IE, BUTTON);
    press();
    pass(5 * S);
    assert_int_equal(get(DATA(0xff)), 0);
    assert_true(host.irq); /* the edge is still to be taken */
}

/* Another vmm finds the button down and no time, or a time in some other age; or nonsense. */
static void damaged_state_lets_the_button_come_up(void **state)
{
    static const uint64_t times[] = {0, 1, UINT64_MAX};

    for (unsigned i = 0; i < 3; i++) {
        plugin_host_stop(&host);
        memset(host.state, 0xff, sizeof(host.state));
        host.state[2] = times[i]; /* release_at, at 0x10 */
        assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
        put(DIR, 0);
        assert_int_equal(get(DATA(0xff)), BUTTON);
        pass(5 * S);
        assert_int_equal(get(DATA(0xff)), 0);
        assert_int_equal(plugin_host_timer_at(&host), PLUGIN_HOST_NEVER);
    }
}

static void pressed_button_comes_up_in_the_next_process(void **state)
{
    put(IEV, BUTTON);
    put(IE, BUTTON);
    press();
    plugin_host_stop(&host);
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_true(host.irq);
    assert_int_equal(get(DATA(0xff)), BUTTON);
    put(IC, BUTTON);
    pass(PRESS_MS * S / 1000);
    assert_int_equal(get(DATA(0xff)), 0);
}

static void reset_releases_the_button_and_the_line(void **state)
{
    put(IEV, BUTTON);
    put(IE, BUTTON);
    press();
    ringvisor_device.reset(host.device);
    assert_false(host.irq);
    assert_int_equal(get(DATA(0xff)), 0);
    assert_int_equal(plugin_host_timer_at(&host), PLUGIN_HOST_NEVER);
    assert_int_equal(get(IE), 0);
}

static void identification_is_what_drivers_look_for(void **state)
{
    static const uint8_t id[] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(0xfe0 + 4 * i), id[i]);
    every_access(0x1000);
    assert_int_equal(get(0xfe0), 0x61);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, board_setup, board_teardown)
    const struct CMUnitTest tests[] = {
        TEST(data_is_masked_by_the_address),
        TEST(registers_hold_what_is_written),
        TEST(nobody_listens_until_the_interrupt_is_enabled),
        TEST(edges_and_levels_interrupt_as_chosen),
        TEST(interrupt_can_be_masked),
        TEST(second_press_is_longer_and_no_second_edge),
        TEST(button_stays_down_until_the_edge_was_taken),
        TEST(button_does_not_stay_down_for_ever),
        TEST(damaged_state_lets_the_button_come_up),
        TEST(pressed_button_comes_up_in_the_next_process),
        TEST(reset_releases_the_button_and_the_line),
        TEST(identification_is_what_drivers_look_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
