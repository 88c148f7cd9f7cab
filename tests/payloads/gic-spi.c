/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPIs: by the distributor's registers alone, more of them than there are list
 * registers, and the test device's lines, level- and edge-triggered.
 */
#include "tests/payloads/gicv3.h"
#include "tests/payloads/testdev.h"

#define SELF 1u
#define SPI  100u /* no device is at these: 100 to 107 */
#define SPIS 8u
#define BOTH 24u /* 16 SGIs and the SPIs: no GIC has so many list registers */

#define LEVEL_LINE TESTDEV_INTID
#define EDGE_LINE  (TESTDEV_INTID + 1u)

static unsigned intid_of(unsigned i)
{
    return i < 16u ? i : SPI + i - 16u;
}

static unsigned index_of(unsigned intid)
{
    return intid < 16u ? intid : intid - SPI + 16u;
}

/* 11 and 24 have no common divisor: each priority once. */
static uint8_t priority_of(unsigned i)
{
    return (uint8_t)(8u + (i * 11u % BOTH) * 8u);
}

static void pend_both(void)
{
    gic_init();
    for (unsigned i = 0; i < BOTH; i++) {
        gic_set_priority(intid_of(i), priority_of(i));
        gic_set_edge(SPI + i % SPIS, true);
        gic_enable(intid_of(i));
    }
    for (unsigned i = 0; i < BOTH; i++)
        gic_write_bit(GIC_ISPENDR, intid_of(i));
}

static void check_by_priority(const char *name)
{
    unsigned wrong = 0;

    check(gic_log.count, BOTH, "%s_all_come", name);
    for (unsigned i = 0; i < BOTH; i++) {
        unsigned index = index_of(gic_log.intid[i]);

        wrong += index >= BOTH || priority_of(index) != 8u + i * 8u;
    }
    check(wrong, 0, "%s_come_by_priority", name);
}

static void test_more_than_list_registers(void)
{
    unsigned missing = 0;

    pend_both();
    for (unsigned i = 0; i < BOTH; i++)
        missing += !gic_read_bit(GIC_ISPENDR, intid_of(i));
    check(missing, 0, "more_than_list_registers_are_all_pending");
    gic_take(BOTH);
    check_by_priority("more_than_list_registers");

    /* The same after a look at all of it, and with some taken back and set again. */
    pend_both();
    for (unsigned i = 0; i < BOTH; i += 3)
        gic_write_bit(GIC_ICPENDR, intid_of(i));
    missing = 0;
    for (unsigned i = 0; i < BOTH; i++)
        missing += gic_read_bit(GIC_ISPENDR, intid_of(i)) != (i % 3 != 0);
    check(missing, 0, "more_than_list_registers_taken_back");
    for (unsigned i = 0; i < BOTH; i += 3)
        gic_write_bit(GIC_ISPENDR, intid_of(i));
    gic_take(BOTH);
    check_by_priority("more_than_list_registers_set_again");
}

/* All of the same interrupts again from within the handlers: none may be lost. */
static void hook_again(unsigned intid)
{
    if (gic_log.count <= BOTH)
        gic_write_bit(GIC_ISPENDR, intid);
}

static void test_refill(void)
{
    pend_both();
    gic_hook = hook_again;
    gic_take(2 * BOTH);
    check(gic_log.count, 2 * BOTH, "more_than_list_registers_come_twice");
}

/* EOImode 1 and nothing deactivated: active ones fill the list registers, others still come. */
static void test_active_fill(void)
{
    unsigned active = 0;

    pend_both();
    ICC_WRITE(ICC_CTLR, ICC_CTLR_EOIMODE);
    gic_take(BOTH);
    check_by_priority("list_registers_full_of_active");
    for (unsigned i = 0; i < BOTH; i++)
        active += gic_read_bit(GIC_ISACTIVER, intid_of(i));
    check(active, BOTH, "list_registers_full_of_active_all_are_active");
    for (unsigned i = 0; i < BOTH; i++)
        ICC_WRITE(ICC_DIR, intid_of(i));
    active = 0;
    for (unsigned i = 0; i < BOTH; i++)
        active += gic_read_bit(GIC_ISACTIVER, intid_of(i));
    check(active, 0, "list_registers_full_of_active_dir_ends_all");
    ICC_WRITE(ICC_CTLR, 0);
}

static void test_spi_states(void)
{
    gic_init();
    gic_set_edge(SPI, true);
    gic_write_bit(GIC_ISPENDR, SPI);
    gic_take(0);
    check(gic_log.count, 0, "spi_disabled_does_not_come");
    gic_enable(SPI);
    gic_take(1);
    check(gic_log.intid[0], SPI, "spi_by_ispendr_comes");
    check(gic_log.count, 1, "spi_by_ispendr_comes_once");
    check_true(!gic_read_bit(GIC_ISPENDR, SPI), "spi_is_not_pending_after");

    gic_log_clear();
    gic_write_bit(GIC_ISPENDR, SPI);
    gic_disable(SPI);
    gic_take(0);
    check(gic_log.count, 0, "spi_disabled_while_pending_does_not_come");
    gic_enable(SPI);
    gic_take(1);
    check(gic_log.count, 1, "spi_enabled_again_comes");

    gic_log_clear();
    gic_write_bit(GIC_ISACTIVER, SPI);
    gic_write_bit(GIC_ISPENDR, SPI);
    gic_take(0);
    check(gic_log.count, 0, "spi_active_does_not_come");
    gic_write_bit(GIC_ICACTIVER, SPI);
    gic_take(1);
    check(gic_log.count, 1, "spi_deactivated_comes");

    /* Level-triggered without a device: ISPENDR is a latch that the acknowledge clears. */
    gic_log_clear();
    gic_set_edge(SPI, false);
    gic_write_bit(GIC_ISPENDR, SPI);
    gic_take(1);
    check(gic_log.count, 1, "spi_level_by_ispendr_comes_once");
}

static void test_routing(void)
{
    gic_init();
    gic_set_edge(SPI, true);
    gic_enable(SPI);
    gic_route(SPI, 0x05);
    check(mmio_read64(GICD_BASE + GICD_IROUTER + SPI * 8u), 0x05, "irouter_keeps_its_value");
    gic_write_bit(GIC_ISPENDR, SPI);
    gic_take(0);
    check(gic_log.count, 0, "spi_to_a_cpu_that_is_not_there_waits");
    gic_route(SPI, 0);
    gic_take(1);
    check(gic_log.count, 1, "spi_routed_here_comes");

    gic_log_clear();
    gic_route(SPI, 1ull << 31);
    gic_write_bit(GIC_ISPENDR, SPI);
    gic_take(1);
    check(gic_log.count, 1, "spi_routed_to_any_comes");
    gic_route(SPI, 0);

    gic_log_clear();
    gic_set_group(SPI, 0);
    gic_write_bit(GIC_ISPENDR, SPI);
    gic_take(1);
    check(gic_log.fiqs, 1, "spi_of_group_0_comes_as_fiq");
    gic_set_group(SPI, 1);
}

static void line(unsigned reg, unsigned level)
{
    mmio_write32(TESTDEV_BASE + reg, level);
}

static void hook_lower(unsigned intid)
{
    (void)intid;
    line(TESTDEV_LINE0, 0);
}

static void hook_lower_third_time(unsigned intid)
{
    (void)intid;
    if (gic_log.count == 3)
        line(TESTDEV_LINE0, 0);
}

static void test_level(void)
{
    gic_init();
    gic_enable(LEVEL_LINE);
    gic_hook = hook_lower;
    line(TESTDEV_LINE0, 1);
    check_true(gic_read_bit(GIC_ISPENDR, LEVEL_LINE), "level_high_is_pending");
    gic_take(1);
    check(gic_log.intid[0], LEVEL_LINE, "level_comes");
    check(gic_log.count, 1, "level_comes_once_when_lowered_in_the_handler");
    check_true(!gic_read_bit(GIC_ISPENDR, LEVEL_LINE), "level_low_is_not_pending");

    gic_log_clear();
    gic_hook = hook_lower_third_time;
    line(TESTDEV_LINE0, 1);
    gic_take(3);
    check(gic_log.count, 3, "level_comes_again_at_eoi_until_lowered");

    gic_log_clear();
    line(TESTDEV_LINE0, 1);
    line(TESTDEV_LINE0, 0);
    gic_take(0);
    check(gic_log.count, 0, "level_lowered_before_it_is_taken_does_not_come");

    gic_log_clear();
    gic_hook = hook_lower;
    line(TESTDEV_LINE0, 1);
    gic_write_bit(GIC_ICPENDR, LEVEL_LINE);
    check_true(gic_read_bit(GIC_ISPENDR, LEVEL_LINE), "level_high_cannot_be_cleared_by_icpendr");
    gic_take(1);
    check(gic_log.count, 1, "level_high_comes_in_spite_of_icpendr");

    gic_log_clear();
    gic_hook = hook_lower;
    gic_disable(LEVEL_LINE);
    line(TESTDEV_LINE0, 1);
    gic_take(0);
    check(gic_log.count, 0, "level_disabled_does_not_come");
    gic_enable(LEVEL_LINE);
    gic_take(1);
    check(gic_log.count, 1, "level_enabled_late_comes");
}

/* EOImode 1: nothing new between EOIR and DIR, however high the line is. */
static void test_level_eoi_mode(void)
{
    gic_init();
    ICC_WRITE(ICC_CTLR, ICC_CTLR_EOIMODE);
    gic_enable(LEVEL_LINE);
    line(TESTDEV_LINE0, 1);
    gic_take(1);
    check(gic_log.count, 1, "level_waits_for_dir");
    gic_hook = hook_lower;
    ICC_WRITE(ICC_DIR, LEVEL_LINE);
    gic_take(2);
    check(gic_log.count, 2, "level_comes_again_at_dir");
    ICC_WRITE(ICC_DIR, LEVEL_LINE);
    ICC_WRITE(ICC_CTLR, 0);
}

static void hook_pulse_once(unsigned intid)
{
    (void)intid;
    if (gic_log.count == 1)
        line(TESTDEV_PULSE, 2);
}

static void test_edge(void)
{
    gic_init();
    gic_set_edge(EDGE_LINE, true);
    gic_enable(EDGE_LINE);
    line(TESTDEV_PULSE, 2);
    check_true(gic_read_bit(GIC_ISPENDR, EDGE_LINE), "edge_stays_pending_when_low_again");
    gic_take(1);
    check(gic_log.intid[0], EDGE_LINE, "edge_comes");
    check(gic_log.count, 1, "edge_comes_once");

    gic_log_clear();
    line(TESTDEV_LINE1, 1);
    gic_take(1);
    check(gic_log.count, 1, "edge_held_high_comes_once");
    line(TESTDEV_LINE1, 0);

    gic_log_clear();
    line(TESTDEV_PULSE, 2);
    gic_write_bit(GIC_ICPENDR, EDGE_LINE);
    gic_take(0);
    check(gic_log.count, 0, "edge_is_cleared_by_icpendr");

    gic_log_clear();
    gic_hook = hook_pulse_once;
    line(TESTDEV_PULSE, 2);
    gic_take(2);
    check(gic_log.count, 2, "edge_while_active_comes_after");
}

void test_main(void)
{
    test_spi_states();
    test_routing();
    test_more_than_list_registers();
    test_refill();
    test_active_fill();
    if (!testdev_present()) {
        skip("device_lines", "no test device");
        return;
    }
    test_level();
    test_level_eoi_mode();
    test_edge();
}
