/* SPDX-License-Identifier: BSD-2-Clause */
/* The GIC with SGIs alone: CPU interface, priorities, states, groups, redistributor. */
#include "tests/payloads/gicv3.h"

#define SELF 1u /* target list of SGI registers: CPU 0 */

static void test_identification(void)
{
    uint64_t typer = mmio_read64(GICR_BASE + GICR_TYPER);

    check(mmio_read32(GICD_BASE + GICD_PIDR2) >> 4 & 0xf, 3, "gicd_is_of_version_3");
    check(mmio_read32(GICR_BASE + GICR_PIDR2) >> 4 & 0xf, 3, "gicr_is_of_version_3");
    check_true((mmio_read32(GICD_BASE + GICD_TYPER) & 0x1f) >= 4, "gicd_typer_has_160_intids");
    check_true((mmio_read32(GICD_BASE + GICD_CTLR) & GICD_CTLR_DS) != 0,
               "gicd_has_one_security_state");
    check(typer >> 32, READ_SYSREG(mpidr_el1) & 0xffffff, "gicr_typer_affinity");
    check(typer >> 8 & 0xffff, 0, "gicr_typer_processor_number");
    check(mmio_read32(GICR_BASE + GICR_TYPER), typer & 0xffffffff, "gicr_typer_low_word");
    check(mmio_read32(GICR_BASE + GICR_TYPER + 4), typer >> 32, "gicr_typer_high_word");
    check(ICC_READ(ICC_SRE) & 1, 1, "icc_sre_is_on");
}

static void test_waker(void)
{
    mmio_write32(GICR_BASE + GICR_WAKER, GICR_WAKER_PS);
    check(mmio_read32(GICR_BASE + GICR_WAKER) & 6u, GICR_WAKER_PS | GICR_WAKER_CA,
          "gicr_waker_sleeps");
    mmio_write32(GICR_BASE + GICR_WAKER, 0);
    check(mmio_read32(GICR_BASE + GICR_WAKER) & 6u, 0, "gicr_waker_wakes");
}

static void test_spurious(void)
{
    gic_init();
    check(ICC_READ(ICC_IAR1), GIC_SPURIOUS, "iar1_is_1023_when_idle");
    check(ICC_READ(ICC_IAR0), GIC_SPURIOUS, "iar0_is_1023_when_idle");
    check(ICC_READ(ICC_HPPIR1), GIC_SPURIOUS, "hppir1_is_1023_when_idle");
    check(ICC_READ(ICC_RPR), 0xff, "rpr_is_ff_when_idle");
}

static void test_each_sgi(void)
{
    unsigned wrong = 0;

    gic_init();
    for (unsigned i = 0; i < 16; i++) {
        gic_enable(i);
        gic_log_clear();
        gic_send_sgi(i, SELF);
        gic_take(1);
        wrong |= (unsigned)(gic_log.count != 1 || gic_log.intid[0] != i) << i;
    }
    check(wrong, 0, "each_sgi_comes_to_its_sender");

    gic_log_clear();
    ICC_WRITE(ICC_SGI1R, 1ull << 40 | 3u << 24);
    gic_take(0);
    check(gic_log.count, 0, "sgi_to_all_others_does_not_come_back");
    gic_send_sgi(3, 0x8000);
    ICC_WRITE(ICC_SGI1R, 3ull << 48 | 2ull << 32 | 1u << 16 | 3u << 24 | SELF);
    gic_take(0);
    check(gic_log.count, 0, "sgi_to_a_cpu_that_is_not_there_is_dropped");
}

static void test_many_sgis(void)
{
    gic_init();
    gic_enable(5);
    for (unsigned i = 0; i < 1000; i++) {
        gic_send_sgi(5, SELF);
        irq_unmask();
        wait_for(&gic_log.count, i + 1);
        irq_mask();
    }
    gic_take(1000);
    check(gic_log.count, 1000, "thousand_sgis_come_once_each");
}

/* Distinct priorities, so that the order is the architecture's; 5 bits are in each GIC. */
static uint8_t shuffled_priority(unsigned i)
{
    return (uint8_t)(0x10u + (i * 7u % 16u) * 8u);
}

static void test_order(void)
{
    unsigned wrong = 0;

    gic_init();
    for (unsigned i = 0; i < 16; i++) {
        gic_set_priority(i, shuffled_priority(i));
        gic_enable(i);
    }
    for (unsigned i = 0; i < 16; i++)
        gic_send_sgi(i, SELF);
    check(shuffled_priority(ICC_READ(ICC_HPPIR1) & 15u), 0x10, "hppir1_is_the_highest_priority");
    gic_take(16);
    check(gic_log.count, 16, "sixteen_pending_sgis_all_come");
    for (unsigned i = 0; i < 16; i++)
        wrong += shuffled_priority(gic_log.intid[i] & 15u) != 0x10u + i * 8u;
    check(wrong, 0, "sixteen_pending_sgis_come_by_priority");
}

static volatile unsigned depth;
static volatile unsigned deepest;
static volatile uint64_t rpr[2];

/* In SGI 1: lets interrupts in while SGI 2 is sent. */
static void hook_nest(unsigned intid)
{
    uint64_t elr = READ_SYSREG(elr_el1);
    uint64_t spsr = READ_SYSREG(spsr_el1);

    depth++;
    if (depth > deepest)
        deepest = depth;
    rpr[intid == 2] = ICC_READ(ICC_RPR);
    if (intid == 1) {
        gic_send_sgi(2, SELF);
        irq_unmask();
        delay_us(500);
        irq_mask();
    }
    depth--;
    WRITE_SYSREG(elr_el1, elr);
    WRITE_SYSREG(spsr_el1, spsr);
}

struct preemption {
    const char *name;
    uint8_t first, second; /* priorities of SGI 1 and SGI 2 */
    uint8_t bpr;
    unsigned depth;
};

static const struct preemption preemptions[] = {
    {"higher_priority", 0xa0, 0x40, 0, 2},    {"same_priority", 0xa0, 0xa0, 0, 1},
    {"lower_priority", 0x40, 0xa0, 0, 1},     {"same_group_by_bpr", 0x60, 0x40, 6, 1},
    {"other_group_by_bpr", 0xa0, 0x40, 6, 2}, {"top_bit_by_bpr", 0xa0, 0x40, 7, 2},
};

static void test_preemption(void)
{
    for (unsigned i = 0; i < sizeof(preemptions) / sizeof(preemptions[0]); i++) {
        const struct preemption *p = &preemptions[i];

        gic_init();
        ICC_WRITE(ICC_BPR1, p->bpr);
        gic_set_priority(1, p->first);
        gic_set_priority(2, p->second);
        gic_enable(1);
        gic_enable(2);
        depth = 0;
        deepest = 0;
        gic_hook = hook_nest;
        gic_send_sgi(1, SELF);
        gic_take(2);
        check(deepest, p->depth, "preemption_by_%s", p->name);
        check(gic_log.count, 2, "preemption_by_%s_both_come", p->name);
        check(ICC_READ(ICC_RPR), 0xff, "preemption_by_%s_rpr_is_ff_after", p->name);
        if (i == 0) {
            check(rpr[0], 0xa0, "rpr_in_the_first_handler");
            check(rpr[1], 0x40, "rpr_in_the_handler_that_preempts");
        }
    }
    ICC_WRITE(ICC_BPR1, 0);
}

static void test_masks(void)
{
    gic_init();
    gic_enable(1);
    ICC_WRITE(ICC_PMR, GIC_PRIORITY);
    gic_send_sgi(1, SELF);
    gic_take(0);
    check(gic_log.count, 0, "pmr_holds_back_its_own_priority");
    check_true(gic_read_bit(GIC_ISPENDR, 1), "pmr_leaves_it_pending");
    ICC_WRITE(ICC_PMR, 0xff);
    gic_take(1);
    check(gic_log.count, 1, "pmr_raised_lets_it_in");

    gic_log_clear();
    ICC_WRITE(ICC_IGRPEN1, 0);
    gic_send_sgi(1, SELF);
    gic_take(0);
    check(gic_log.count, 0, "igrpen1_off_holds_it_back");
    ICC_WRITE(ICC_IGRPEN1, 1);
    gic_take(1);
    check(gic_log.count, 1, "igrpen1_on_lets_it_in");

    gic_log_clear();
    mmio_write32(GICD_BASE + GICD_CTLR, GICD_CTLR_ARE);
    gic_wait_rwp();
    gic_send_sgi(1, SELF);
    gic_take(0);
    check(gic_log.count, 0, "gicd_ctlr_off_holds_it_back");
    mmio_write32(GICD_BASE + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP0 | GICD_CTLR_GRP1);
    gic_wait_rwp();
    gic_take(1);
    check(gic_log.count, 1, "gicd_ctlr_on_lets_it_in");
}

static volatile bool was_active;
static volatile bool was_pending;

static void hook_look(unsigned intid)
{
    was_active = gic_read_bit(GIC_ISACTIVER, intid);
    was_pending = gic_read_bit(GIC_ISPENDR, intid);
}

static void test_states(void)
{
    gic_init();
    gic_send_sgi(4, SELF);
    gic_take(0);
    check(gic_log.count, 0, "disabled_sgi_does_not_come");
    check_true(gic_read_bit(GIC_ISPENDR, 4), "disabled_sgi_is_pending");
    check_true(gic_read_bit(GIC_ICPENDR, 4), "icpendr_reads_pending");
    gic_hook = hook_look;
    gic_enable(4);
    gic_take(1);
    check(gic_log.count, 1, "sgi_comes_when_enabled");
    check_true(was_active, "sgi_is_active_in_its_handler");
    check_true(!was_pending, "sgi_is_not_pending_in_its_handler");
    check_true(!gic_read_bit(GIC_ISACTIVER, 4), "sgi_is_not_active_after");

    gic_log_clear();
    gic_send_sgi(4, SELF);
    gic_write_bit(GIC_ICPENDR, 4);
    check_true(!gic_read_bit(GIC_ISPENDR, 4), "icpendr_clears");
    gic_take(0);
    check(gic_log.count, 0, "icpendr_takes_an_enabled_sgi_back");

    gic_write_bit(GIC_ISPENDR, 4);
    gic_take(1);
    check(gic_log.count, 1, "ispendr_makes_it_come");

    gic_log_clear();
    gic_send_sgi(4, SELF);
    gic_disable(4);
    gic_take(0);
    check(gic_log.count, 0, "disabled_while_pending_does_not_come");
    check_true(gic_read_bit(GIC_ISPENDR, 4), "disabled_while_pending_stays_pending");
    gic_enable(4);
    gic_take(1);
    check(gic_log.count, 1, "enabled_again_comes");

    gic_log_clear();
    gic_write_bit(GIC_ISACTIVER, 4);
    check_true(gic_read_bit(GIC_ISACTIVER, 4), "isactiver_sets");
    gic_send_sgi(4, SELF);
    gic_take(0);
    check(gic_log.count, 0, "active_interrupt_does_not_come_again");
    gic_write_bit(GIC_ICACTIVER, 4);
    check_true(!gic_read_bit(GIC_ISACTIVER, 4), "icactiver_clears");
    gic_take(1);
    check(gic_log.count, 1, "deactivated_interrupt_comes");
}

/* Pending while active: comes again right after its end. */
static void hook_resend(unsigned intid)
{
    if (gic_log.count == 1) {
        gic_send_sgi(intid, SELF);
        was_pending = gic_read_bit(GIC_ISPENDR, intid);
        was_active = gic_read_bit(GIC_ISACTIVER, intid);
    }
}

static void test_pending_and_active(void)
{
    gic_init();
    gic_enable(6);
    gic_hook = hook_resend;
    gic_send_sgi(6, SELF);
    gic_take(2);
    check(gic_log.count, 2, "sgi_sent_in_its_handler_comes_after");
    check_true(was_pending && was_active, "sgi_sent_in_its_handler_is_active_and_pending");
}

/* EOImode 1: EOIR drops the priority, DIR deactivates. */
static void test_eoi_mode(void)
{
    gic_init();
    gic_enable(7);
    gic_enable(8);
    ICC_WRITE(ICC_CTLR, ICC_CTLR_EOIMODE);
    check(ICC_READ(ICC_CTLR) & ICC_CTLR_EOIMODE, ICC_CTLR_EOIMODE, "eoimode_can_be_set");
    gic_send_sgi(7, SELF);
    gic_take(1);
    check_true(gic_read_bit(GIC_ISACTIVER, 7), "eoimode_1_eoir_leaves_it_active");
    check(ICC_READ(ICC_RPR), 0xff, "eoimode_1_eoir_drops_the_priority");
    gic_send_sgi(7, SELF);
    gic_send_sgi(8, SELF);
    gic_take(2);
    check(gic_log.count, 2, "eoimode_1_the_active_one_waits");
    check(gic_log.intid[1], 8, "eoimode_1_another_one_comes");
    ICC_WRITE(ICC_DIR, 7);
    gic_take(3);
    check(gic_log.intid[2], 7, "eoimode_1_dir_lets_it_come_again");
    ICC_WRITE(ICC_DIR, 7);
    ICC_WRITE(ICC_DIR, 8);
    check_true(!gic_read_bit(GIC_ISACTIVER, 7) && !gic_read_bit(GIC_ISACTIVER, 8),
               "eoimode_1_dir_deactivates");

    gic_log_clear();
    gic_auto_dir = true;
    for (unsigned i = 0; i < 20; i++) {
        gic_send_sgi(7, SELF);
        irq_unmask();
        wait_for(&gic_log.count, i + 1);
        irq_mask();
    }
    gic_take(20);
    check(gic_log.count, 20, "eoimode_1_many_times");
    gic_auto_dir = false;
    ICC_WRITE(ICC_CTLR, 0);
}

static void test_group_0(void)
{
    gic_init();
    gic_set_group(9, 0);
    check_true(!gic_read_bit(GIC_IGROUPR, 9), "igroupr_can_be_cleared");
    gic_enable(9);
    gic_enable(10);
    ICC_WRITE(ICC_SGI0R, 9u << 24 | SELF);
    gic_take(1);
    check(gic_log.fiqs, 1, "group_0_comes_as_fiq");
    check(gic_log.intid[0], 9, "group_0_is_acknowledged_by_iar0");

    gic_log_clear();
    ICC_WRITE(ICC_SGI0R, 10u << 24 | SELF);
    gic_take(0);
    check(gic_log.count, 0, "sgi0r_does_not_send_group_1");
    gic_send_sgi(10, SELF);
    ICC_WRITE(ICC_SGI0R, 9u << 24 | SELF);
    gic_take(2);
    check(gic_log.count, 2, "both_groups_come");
    check(gic_log.fiqs, 1, "both_groups_one_fiq");
    gic_set_group(9, 1);
}

/* Byte and word views of the priorities are the same. */
static void test_priority_registers(void)
{
    gic_init();
    for (unsigned i = 0; i < 4; i++)
        mmio_write8(SGI_BASE + GIC_IPRIORITYR + i, (uint8_t)(0x20u * (i + 1u)));
    check(mmio_read32(SGI_BASE + GIC_IPRIORITYR), 0x80604020u, "ipriorityr_bytes_are_a_word");
    mmio_write32(SGI_BASE + GIC_IPRIORITYR, 0x10305070u);
    check(mmio_read8(SGI_BASE + GIC_IPRIORITYR + 3), 0x10, "ipriorityr_word_is_bytes");
    check(mmio_read32(SGI_BASE + GIC_ISENABLER), mmio_read32(SGI_BASE + GIC_ICENABLER),
          "isenabler_and_icenabler_read_the_same");
}

void test_main(void)
{
    test_identification();
    test_waker();
    test_spurious();
    test_each_sgi();
    test_many_sgis();
    test_order();
    test_preemption();
    test_masks();
    test_states();
    test_pending_and_active();
    test_eoi_mode();
    test_group_0();
    test_priority_registers();
}
