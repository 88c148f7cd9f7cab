/* SPDX-License-Identifier: BSD-2-Clause */
/* What the vgic sends to the vCPUs, and when. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmm/gic/test_vgic_fake.h"

#define SPI 40u
#define PPI 20u
#define IRM (1ull << 31)

static int setup(void **state)
{
    struct fake *f = fake_new(FAKE_VCPUS);

    gicd_write(f, 0, 4, 3);
    for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++)
        gicr_write(f, vcpu, WAKER, 4, 0);
    fake_commands(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fake_free(*state);
    return 0;
}

static void line(struct fake *f, unsigned vcpu, unsigned intid, bool high)
{
    assert_int_equal(vgic_set_line(&f->vgic, vcpu, intid, high), 0);
}

static void pulse(struct fake *f, unsigned intid)
{
    line(f, 0, intid, true);
    line(f, 0, intid, false);
}

static void level_costs_one_inject_and_one_retract(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    assert_int_equal(fake_commands(f), 0);
    line(f, 0, SPI, true);
    assert_int_equal(f->injects, 1);
    assert_int_equal(fake_find(f, 0, SPI)->flags,
                     RV_IRQ_PENDING | RV_IRQ_EOI | RV_IRQ_GROUP1 | 0xa0);
    line(f, 0, SPI, true);
    assert_int_equal(fake_ack(f, 0), SPI);
    line(f, 0, SPI, false);
    fake_eoi(f, 0);
    fake_events(f);
    assert_int_equal(f->retracts, 1);
    assert_int_equal(fake_commands(f), 2);
    assert_int_equal(f->vcpu[0].count, 0);
}

static void level_still_high_at_eoi_is_injected_again(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    line(f, 0, SPI, true);
    assert_int_equal(fake_ack(f, 0), SPI);
    fake_eoi(f, 0);
    assert_int_equal(fake_ack(f, 0), FAKE_SPURIOUS);
    fake_events(f);
    assert_int_equal(fake_ack(f, 0), SPI);
}

static void level_that_falls_before_it_is_taken_is_withdrawn(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    line(f, 0, SPI, true);
    line(f, 0, SPI, false);
    assert_int_equal(fake_ack(f, 0), FAKE_SPURIOUS);
}

static void edge_is_one_command_and_waits_for_no_eoi(void **state)
{
    struct fake *f = *state;

    guest_edge(f, 0, SPI, true);
    guest_setup(f, 0, SPI, 0xa0);
    fake_commands(f);
    for (unsigned i = 0; i < 100; i++) {
        pulse(f, SPI);
        assert_int_equal(fake_commands(f), 1);
        assert_int_equal(fake_ack(f, 0), SPI);
        fake_eoi(f, 0);
        assert_int_equal(f->nr_events, 0);
    }
}

static void edge_while_active_is_taken_after_the_end(void **state)
{
    struct fake *f = *state;

    guest_edge(f, 0, SPI, true);
    guest_setup(f, 0, SPI, 0xa0);
    pulse(f, SPI);
    assert_int_equal(fake_ack(f, 0), SPI);
    pulse(f, SPI);
    assert_true(guest_test(f, 0, ISPENDR, SPI));
    assert_true(guest_test(f, 0, ISACTIVER, SPI));
    fake_eoi(f, 0);
    assert_int_equal(fake_ack(f, 0), SPI);
    assert_false(guest_test(f, 0, ISPENDR, SPI));
}

static void ppi_goes_to_its_own_vcpu(void **state)
{
    struct fake *f = *state;

    for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++)
        guest_setup(f, vcpu, PPI, 0x80);
    line(f, 2, PPI, true);
    for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++)
        assert_int_equal(fake_state(f, vcpu, PPI), vcpu == 2 ? RV_LR_PENDING : 0);
    assert_true(guest_test(f, 2, ISPENDR, PPI));
    assert_false(guest_test(f, 1, ISPENDR, PPI));
}

static void wires_that_do_not_exist_are_refused(void **state)
{
    struct fake *f = *state;

    assert_int_equal(vgic_set_line(&f->vgic, 0, 15, true), -EINVAL);
    assert_int_equal(vgic_set_line(&f->vgic, 0, VGIC_NR_INTIDS, true), -EINVAL);
    assert_int_equal(vgic_set_line(&f->vgic, FAKE_VCPUS, 16, true), -EINVAL);
    assert_int_equal(vgic_eoi(&f->vgic, FAKE_VCPUS, 40), -EINVAL);
    assert_int_equal(vgic_eoi(&f->vgic, 0, VGIC_NR_INTIDS), -EINVAL);
    assert_int_equal(vgic_eoi(&f->vgic, 3, 287), 0);
}

static void sgi_reaches_exactly_the_vcpus_that_are_named(void **state)
{
    /* MPIDR: 0.0.0.0, 0.0.0.1, 0.0.1.0, 1.0.0.2 */
    static const struct {
        unsigned source;
        enum vgic_sgi_reg which;
        uint64_t value;
        uint64_t want;
    } cases[] = {
        {0, VGIC_SGI1R, 0x5000001, 0x1},
        {0, VGIC_SGI1R, 0x5000003, 0x3},
        {0, VGIC_SGI1R, 0x500ffff, 0x3},
        {0, VGIC_SGI1R, 0x501ffff, 0x4},
        {0, VGIC_SGI1R, 0x01000005000004, 0x8},
        {0, VGIC_SGI1R, 0x00000105000004, 0}, /* Aff2 */
        {0, VGIC_SGI1R, 0x00100005000003, 0}, /* RS=1: Aff0 16 to 31 */
        {1, VGIC_SGI1R, 0x10005000000, 0xd},  /* IRM: all but the source */
        {1, VGIC_SGI1R, 0x10005000002, 0xd},
        {0, VGIC_SGI0R, 0x5000003, 0}, /* group 1: not by these two */
        {0, VGIC_ASGI1R, 0x5000003, 0},
        {0, VGIC_SGI0R, 0x6000003, 0x3}, /* SGI 6 is of group 0 */
        {0, VGIC_ASGI1R, 0x6000003, 0x3},
        {0, VGIC_SGI1R, 0x6000003, 0x3},
        {0, VGIC_SGI1R, 0x7000003, 0}, /* not enabled */
    };
    struct fake *f = *state;

    for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++) {
        guest_setup(f, vcpu, 5, 0x40);
        guest_setup(f, vcpu, 6, 0x40);
        guest_group(f, vcpu, 6, false);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned intid = cases[i].value >> 24 & 0xf;

        assert_int_equal(vgic_sgi(&f->vgic, cases[i].source, cases[i].which, cases[i].value, 0),
                         cases[i].want);
        for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++) {
            bool hit = cases[i].want >> vcpu & 1;

            assert_int_equal(fake_ack(f, vcpu), hit ? intid : FAKE_SPURIOUS);
            if (hit)
                fake_eoi(f, vcpu);
        }
    }
    /* SGI 7 was made pending by the last case, although disabled. */
    assert_true(guest_test(f, 0, ISPENDR, 7));
    guest_bit(f, 0, ISENABLER, 7);
    assert_int_equal(fake_state(f, 0, 7), RV_LR_PENDING);
}

static void sgi_to_a_vcpu_is_one_command(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 1, 0, 0x40);
    for (unsigned i = 0; i < 50; i++) {
        fake_commands(f);
        assert_int_equal(vgic_sgi(&f->vgic, 0, VGIC_SGI1R, 2, 0), 2);
        assert_int_equal(fake_commands(f), 1);
        assert_int_equal(fake_ack(f, 1), 0);
        fake_eoi(f, 1);
    }
}

/* Each takes a pending interrupt away from the vCPU, and gives it back. */
static void gates_take_a_pending_interrupt_back(void **state)
{
    struct fake *f = *state;

    for (unsigned edge = 0; edge < 2; edge++) {
        guest_edge(f, 0, SPI, edge);
        guest_setup(f, 0, SPI, 0xa0);
        line(f, 0, SPI, true);
        assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
        guest_bit(f, 0, ICENABLER, SPI);
        assert_int_equal(fake_state(f, 0, SPI), 0);
        assert_true(guest_test(f, 0, ISPENDR, SPI));
        guest_bit(f, 0, ISENABLER, SPI);
        assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
        gicd_write(f, 0, 4, 1);
        assert_int_equal(fake_state(f, 0, SPI), 0);
        guest_group(f, 0, SPI, false);
        assert_int_equal(fake_find(f, 0, SPI)->flags & RV_IRQ_GROUP1, 0);
        guest_group(f, 0, SPI, true);
        assert_int_equal(fake_state(f, 0, SPI), 0);
        gicd_write(f, 0, 4, 3);
        assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
        guest_priority(f, 0, SPI, 0x50);
        assert_int_equal(fake_find(f, 0, SPI)->flags & RV_IRQ_PRIORITY, 0x50);
        guest_route(f, SPI, 0x777);
        assert_int_equal(fake_state(f, 0, SPI), 0);
        assert_true(guest_test(f, 0, ISPENDR, SPI));
        guest_route(f, SPI, 0x100000002);
        assert_int_equal(fake_state(f, 3, SPI), RV_LR_PENDING);
        assert_int_equal(fake_ack(f, 3), SPI);
        line(f, 0, SPI, false);
        fake_eoi(f, 3);
        fake_events(f);
        assert_int_equal(fake_ack(f, 3), FAKE_SPURIOUS);
        guest_route(f, SPI, 0);
    }
}

static void active_interrupt_is_not_delivered_to_its_new_vcpu(void **state)
{
    struct fake *f = *state;

    guest_edge(f, 0, SPI, true);
    guest_setup(f, 0, SPI, 0xa0);
    pulse(f, SPI);
    assert_int_equal(fake_ack(f, 0), SPI);
    guest_route(f, SPI, 1);
    pulse(f, SPI);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_ACTIVE);
    assert_int_equal(fake_state(f, 1, SPI), 0);
    assert_true(guest_test(f, 0, ISPENDR, SPI));
    fake_eoi(f, 0);
    fake_events(f);
    assert_int_equal(fake_ack(f, 1), SPI);
}

static void interrupt_taken_during_a_move_is_not_delivered_twice(void **state)
{
    struct fake *f = *state;

    guest_edge(f, 0, SPI, true);
    guest_setup(f, 0, SPI, 0xa0);
    pulse(f, SPI);
    assert_int_equal(fake_ack(f, 0), SPI);
    guest_route(f, SPI, 1);
    f->swift = true;
    pulse(f, SPI);
    f->swift = false;
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_ACTIVE);
    assert_false(guest_test(f, 0, ISPENDR, SPI));
    fake_eoi(f, 0);
    fake_events(f);
    assert_int_equal(fake_ack(f, 1), FAKE_SPURIOUS);
}

static void active_set_by_the_guest_goes_where_it_can_be_ended(void **state)
{
    struct fake *f = *state;

    /* A stale entry in vCPU 0 must not attract it. */
    guest_edge(f, 0, SPI, true);
    guest_setup(f, 0, SPI, 0xa0);
    pulse(f, SPI);
    assert_int_equal(fake_ack(f, 0), SPI);
    guest_route(f, SPI, 1);
    fake_eoi(f, 0);
    guest_bit(f, 0, ISACTIVER, SPI);
    assert_int_equal(fake_state(f, 0, SPI), 0);
    assert_int_equal(fake_state(f, 1, SPI), RV_LR_ACTIVE);
    guest_bit(f, 0, ICACTIVER, SPI);
    assert_int_equal(fake_state(f, 1, SPI), 0);
    /* Disabled and without a vCPU it is active all the same, and finds its vCPU later. */
    guest_bit(f, 0, ICENABLER, 41);
    guest_route(f, 41, 0x777);
    guest_bit(f, 0, ISACTIVER, 41);
    assert_true(guest_test(f, 0, ICACTIVER, 41));
    guest_route(f, 41, 0x100);
    assert_int_equal(fake_state(f, 2, 41), RV_LR_ACTIVE);
    guest_bit(f, 0, ICACTIVER, 41);
    assert_false(guest_test(f, 0, ISACTIVER, 41));
}

static void clearing_the_active_state_of_a_high_level_delivers_it_again(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    line(f, 0, SPI, true);
    assert_int_equal(fake_ack(f, 0), SPI);
    guest_bit(f, 0, ICACTIVER, SPI);
    assert_int_equal(f->nr_events, 0);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
}

static void latched_level_stays_pending_until_taken_or_cleared(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    guest_bit(f, 0, ISPENDR, SPI);
    line(f, 0, SPI, true);
    line(f, 0, SPI, false);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    guest_bit(f, 0, ICPENDR, SPI);
    assert_int_equal(fake_state(f, 0, SPI), 0);
    assert_false(guest_test(f, 0, ISPENDR, SPI));
    /* With the line high, clearing changes nothing. */
    line(f, 0, SPI, true);
    fake_commands(f);
    guest_bit(f, 0, ICPENDR, SPI);
    assert_int_equal(fake_commands(f), 0);
    assert_true(guest_test(f, 0, ISPENDR, SPI));
    assert_int_equal(fake_ack(f, 0), SPI);
}

static void message_spi_is_a_level_until_cleared(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    gicd_write(f, SETSPI, 4, SPI);
    assert_int_equal(fake_ack(f, 0), SPI);
    fake_eoi(f, 0);
    fake_events(f);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    guest_bit(f, 0, ICPENDR, SPI);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    gicd_write(f, CLRSPI, 2, SPI);
    assert_int_equal(fake_state(f, 0, SPI), 0);
    guest_edge(f, 0, SPI, true);
    gicd_write(f, SETSPI, 2, SPI);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    gicd_write(f, CLRSPI, 4, SPI);
    assert_int_equal(fake_state(f, 0, SPI), 0);
    gicd_write(f, SETSPI, 4, 31);
    gicd_write(f, SETSPI, 4, VGIC_NR_INTIDS);
    gicd_write(f, SETSPI, 4, 0x1fff);
    assert_int_equal(f->vcpu[0].count, 0);
}

static void one_of_n_goes_to_an_awake_vcpu_with_the_group_enabled(void **state)
{
    struct fake *f = *state;

    guest_edge(f, 0, SPI, true);
    guest_setup(f, 0, SPI, 0xa0);
    guest_route(f, SPI, IRM);
    f->vcpu[0].vmcr = 1;
    pulse(f, SPI);
    assert_int_equal(fake_state(f, 1, SPI), RV_LR_PENDING);
    /* Its holder closes the group; the next edge goes on with what was pending. */
    f->vcpu[1].vmcr = 1;
    pulse(f, SPI);
    assert_int_equal(fake_state(f, 1, SPI), 0);
    assert_int_equal(fake_state(f, 2, SPI), RV_LR_PENDING);
    gicr_write(f, 2, WAKER, 4, 2);
    assert_int_equal(fake_state(f, 3, SPI), RV_LR_PENDING);
    gicr_write(f, 3, 0, 4, 1u << 25); /* DPG1NS */
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    gicr_write(f, 0, WAKER, 4, 2);
    gicr_write(f, 1, WAKER, 4, 2);
    assert_true(guest_test(f, 0, ISPENDR, SPI));
    for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++)
        assert_int_equal(fake_state(f, vcpu, SPI), 0);
    gicr_write(f, 2, WAKER, 4, 0);
    assert_int_equal(fake_ack(f, 2), SPI);
}

static void full_vcpu_gets_the_rest_by_priority_when_room_comes(void **state)
{
    struct fake *f = *state;
    unsigned taken = 0;

    for (unsigned intid = 32; intid < VGIC_NR_INTIDS; intid++) {
        guest_edge(f, 0, intid, true);
        guest_setup(f, 0, intid, (uint8_t)(intid < 200 ? 0x80 : 0x40));
    }
    for (unsigned intid = 32; intid < VGIC_NR_INTIDS; intid++)
        pulse(f, intid);
    assert_int_equal(f->vcpu[0].count, VGIC_MAX_HELD);
    /* Nothing but the EOI events can bring the rest. */
    for (unsigned intid; (intid = fake_ack(f, 0)) != FAKE_SPURIOUS; taken++) {
        fake_eoi(f, 0);
        fake_events(f);
        if (taken == VGIC_MAX_HELD + 20)
            assert_true(intid >= 200);
    }
    assert_int_equal(taken, VGIC_NR_SPIS);
}

static void room_made_by_disabling_is_given_away(void **state)
{
    struct fake *f = *state;

    for (unsigned intid = 32; intid < 32 + VGIC_MAX_HELD + 1; intid++) {
        guest_edge(f, 0, intid, true);
        guest_setup(f, 0, intid, 0x80);
        pulse(f, intid);
    }
    assert_int_equal(fake_state(f, 0, 32 + VGIC_MAX_HELD), 0);
    guest_bit(f, 0, ICENABLER, 50);
    assert_int_equal(fake_state(f, 0, 32 + VGIC_MAX_HELD), RV_LR_PENDING);
}

static void edges_report_their_end_only_while_many_are_in_flight(void **state)
{
    struct fake *f = *state;

    for (unsigned intid = 32; intid < 72; intid++) {
        guest_edge(f, 0, intid, true);
        guest_setup(f, 0, intid, 0x80);
        pulse(f, intid);
    }
    while (fake_ack(f, 0) != FAKE_SPURIOUS)
        fake_eoi(f, 0);
    assert_true(f->nr_events > 0);
    fake_events(f);
    pulse(f, 71);
    assert_int_equal(fake_find(f, 0, 71)->flags & RV_IRQ_EOI, 0);
}

static void failed_inject_is_tried_again(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    guest_edge(f, 0, 41, true);
    guest_setup(f, 0, 41, 0xa0);
    f->inject_error = -ENOSPC;
    line(f, 0, SPI, true);
    pulse(f, 41);
    assert_int_equal(f->vcpu[0].count, 0);
    assert_true(guest_test(f, 0, ISPENDR, 41));
    f->inject_error = 0;
    assert_int_equal(vgic_eoi(&f->vgic, 0, 100), 0);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    assert_int_equal(fake_state(f, 0, 41), RV_LR_PENDING);
}

static void many_failed_injects_leave_no_entry_counted(void **state)
{
    struct fake *f = *state;

    f->inject_error = -ENOSPC;
    for (unsigned intid = 32; intid < 32 + VGIC_MAX_HELD; intid++) {
        guest_edge(f, 0, intid, true);
        guest_setup(f, 0, intid, 0x80);
        pulse(f, intid);
    }
    f->inject_error = 0;
    (void)gicd_read(f, 0, 4);
    assert_int_equal(f->vcpu[0].count, VGIC_MAX_HELD);
}

static void direct_configuration_follows_the_guest(void **state)
{
    struct fake *f = *state;

    assert_int_equal(vgic_set_direct(&f->vgic, 30), 0);
    assert_int_equal(vgic_set_direct(&f->vgic, 27), 0);
    assert_int_equal(vgic_set_direct(&f->vgic, 27), 0);
    assert_int_equal(f->set_directs, 2 * FAKE_VCPUS);
    assert_int_equal(vgic_set_direct(&f->vgic, 15), -EINVAL);
    assert_int_equal(vgic_set_direct(&f->vgic, VGIC_NR_INTIDS), -EINVAL);
    assert_int_equal(vgic_set_line(&f->vgic, 0, 27, true), -EINVAL);
    guest_setup(f, 1, 27, 0x90);
    assert_int_equal(f->vcpu[1].direct[1].flags, 0x90 | RV_IRQ_GROUP1 | VGIC_DIRECT_ENABLED);
    assert_int_equal(f->vcpu[0].direct[1].flags & VGIC_DIRECT_ENABLED, 0);
    gicd_write(f, 0, 4, 1);
    assert_int_equal(f->vcpu[1].direct[1].flags, 0x90 | RV_IRQ_GROUP1);
    gicd_write(f, 0, 4, 3);
    assert_int_equal(f->vcpu[1].direct[1].flags, 0x90 | RV_IRQ_GROUP1 | VGIC_DIRECT_ENABLED);
    assert_int_equal(f->injects + f->saves, 0);
    for (unsigned intid = 32; intid < 38; intid++)
        assert_int_equal(vgic_set_direct(&f->vgic, intid), 0);
    assert_int_equal(vgic_set_direct(&f->vgic, 38), -ENOSPC);
}

static void direct_interrupt_is_seen_and_withdrawn(void **state)
{
    struct fake *f = *state;

    assert_int_equal(vgic_set_direct(&f->vgic, 27), 0);
    fake_direct_line(f, 1, 27, true);
    assert_true(guest_test(f, 1, ISPENDR, 27)); /* disabled: the line alone */
    assert_false(guest_test(f, 0, ISPENDR, 27));
    guest_setup(f, 1, 27, 0x90);
    assert_int_equal(fake_state(f, 1, 27), RV_LR_PENDING);
    guest_bit(f, 1, ICENABLER, 27);
    assert_int_equal(fake_state(f, 1, 27), 0);
    assert_false(f->vcpu[1].direct[0].phys_active);
    guest_bit(f, 1, ISENABLER, 27);
    guest_priority(f, 1, 27, 0x30);
    assert_int_equal(fake_find(f, 1, 27)->flags & RV_IRQ_PRIORITY, 0x30);
    assert_int_equal(fake_ack(f, 1), 27);
    assert_true(guest_test(f, 1, ISACTIVER, 27));
    guest_bit(f, 1, ICACTIVER, 27);
    assert_int_equal(fake_state(f, 1, 27), RV_LR_PENDING); /* the line brought it again */
    fake_direct_line(f, 1, 27, false);
    guest_bit(f, 1, ICPENDR, 27);
    assert_int_equal(fake_state(f, 1, 27), 0);
    guest_bit(f, 1, ISPENDR, 27); /* by software */
    assert_int_equal(fake_state(f, 1, 27), RV_LR_PENDING);
    guest_bit(f, 1, ICPENDR, 27);
    assert_int_equal(fake_state(f, 1, 27), 0);
}

/* While the vCPU's entries are in its page, no direct interrupt comes; after, none was lost. */
static void direct_interrupt_waits_while_a_cpu_interface_restarts(void **state)
{
    struct fake *f = *state;
    uint32_t flags;

    assert_int_equal(vgic_set_direct(&f->vgic, 27), 0);
    guest_setup(f, 1, 27, 0x90);
    flags = f->vcpu[1].direct[0].flags;
    assert_true(flags & VGIC_DIRECT_ENABLED);
    fake_direct_line(f, 1, 27, true);
    assert_int_equal(fake_state(f, 1, 27), RV_LR_PENDING);
    vgic_cpu_restart_begin(&f->vgic, 1);
    assert_int_equal(fake_state(f, 1, 27), 0);
    assert_false(f->vcpu[1].direct[0].phys_active);
    fake_direct_line(f, 1, 27, true);
    assert_int_equal(fake_state(f, 1, 27), 0);
    vgic_cpu_restart_end(&f->vgic, 1);
    assert_int_equal(f->vcpu[1].direct[0].flags, flags);
    assert_int_equal(fake_state(f, 1, 27), RV_LR_PENDING);
}

/* An end whose event the load has dropped: the level that is still high comes again. */
static void restart_of_a_cpu_interface_finds_forgotten_ends(void **state)
{
    struct fake *f = *state;

    guest_setup(f, 0, SPI, 0xa0);
    guest_setup(f, 0, PPI, 0x90);
    guest_edge(f, 0, SPI + 1, true);
    guest_setup(f, 0, SPI + 1, 0xb0);
    line(f, 0, SPI, true);
    line(f, 0, PPI, true);
    pulse(f, SPI + 1);
    assert_int_equal(fake_ack(f, 0), PPI);
    line(f, 0, PPI, false);
    fake_eoi(f, 0);
    assert_int_equal(fake_ack(f, 0), SPI);
    fake_eoi(f, 0);
    vgic_cpu_restart_begin(&f->vgic, 0);
    f->nr_events = 0; /* the load */
    vgic_cpu_restart_end(&f->vgic, 0);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    assert_int_equal(fake_state(f, 0, SPI + 1), RV_LR_PENDING);
    assert_int_equal(fake_state(f, 0, PPI), 0);
    line(f, 0, PPI, true);
    assert_int_equal(fake_state(f, 0, PPI), RV_LR_PENDING);
}

static void direct_spi_moves_with_its_route(void **state)
{
    struct fake *f = *state;

    assert_int_equal(vgic_set_direct(&f->vgic, SPI), 0);
    guest_setup(f, 0, SPI, 0x90);
    assert_true(f->vcpu[0].direct[0].flags & VGIC_DIRECT_ENABLED);
    fake_direct_line(f, 0, SPI, true);
    guest_route(f, SPI, 0x100);
    assert_false(f->vcpu[0].direct[0].flags & VGIC_DIRECT_ENABLED);
    assert_int_equal(f->vcpu[2].direct[0].flags, 0x90 | RV_IRQ_GROUP1 | VGIC_DIRECT_ENABLED);
    assert_int_equal(fake_state(f, 0, SPI), 0);
    fake_direct_line(f, 2, SPI, true);
    assert_int_equal(fake_ack(f, 2), SPI);
    assert_true(guest_test(f, 0, ISACTIVER, SPI));
    guest_route(f, SPI, 0x777);
    assert_false(f->vcpu[2].direct[0].flags & VGIC_DIRECT_ENABLED);
}

static void reset_takes_everything_back(void **state)
{
    struct fake *f = *state;

    assert_int_equal(vgic_set_direct(&f->vgic, 27), 0);
    guest_setup(f, 1, 27, 0x90);
    fake_direct_line(f, 1, 27, true);
    guest_setup(f, 0, SPI, 0xa0);
    line(f, 0, SPI, true);
    guest_setup(f, 2, 3, 0xa0);
    guest_bit(f, 2, ISPENDR, 3);
    assert_int_equal(fake_ack(f, 2), 3);
    guest_edge(f, 0, 41, true);
    guest_bit(f, 0, ISPENDR, 41);
    vgic_reset(&f->vgic);
    for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++)
        assert_int_equal(f->vcpu[vcpu].count, 0);
    assert_false(f->vcpu[1].direct[0].flags & VGIC_DIRECT_ENABLED);
    assert_false(guest_test(f, 0, ISPENDR, 41));
    assert_false(guest_test(f, 0, ISENABLER, SPI));
    assert_int_equal(gicd_read(f, ICFGR + 8, 4), 0);
    assert_int_equal(gicd_read(f, 0, 4), 0x50);
    /* The wire is still high. */
    gicd_write(f, 0, 4, 3);
    guest_setup(f, 0, SPI, 0xa0);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
}

static void restart_finds_what_is_in_flight(void **state)
{
    struct fake *f = *state;
    struct vgic again;

    assert_int_equal(vgic_set_direct(&f->vgic, 27), 0);
    guest_setup(f, 1, 27, 0x90);
    guest_setup(f, 0, SPI, 0xa0);
    line(f, 0, SPI, true);
    assert_int_equal(fake_ack(f, 0), SPI);
    fake_eoi(f, 0);
    f->nr_events = 0; /* the event died with the vmm */
    f->vcpu[1].direct[0].flags = 0;
    assert_int_equal(vgic_attach(&again, f->state, f->state_size, &fake_ops, f), 0);
    assert_int_equal(vgic_resync(&again), 0);
    assert_int_equal(fake_state(f, 0, SPI), RV_LR_PENDING);
    assert_int_equal(f->vcpu[1].direct[0].flags, 0x90 | RV_IRQ_GROUP1 | VGIC_DIRECT_ENABLED);
}

static void damaged_state_is_refused_or_harmless(void **state)
{
    struct fake *f = *state;
    uint8_t *bytes = f->state;
    uint64_t seed = 1;
    struct vgic again;

    assert_int_equal(vgic_attach(&again, bytes, 16, &fake_ops, f), -EINVAL);
    assert_int_equal(vgic_attach(&again, bytes, f->state_size - 8, &fake_ops, f), -EINVAL);
    for (unsigned i = 0; i < 3000; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        bytes[(seed >> 33) % f->state_size] ^= (uint8_t)(seed >> 55);
        memcpy(bytes, "VGIC\1\0\0", 8);
        if (vgic_attach(&again, bytes, f->state_size, &fake_ops, f)) {
            assert_int_equal(
                vgic_init(&f->vgic, bytes, f->state_size, FAKE_VCPUS, fake_mpidr, &fake_ops, f), 0);
            continue;
        }
        /* No more than it survives; the fake's own limits do not hold for such state. */
        f->inject_error = -EIO;
        for (unsigned vcpu = 0; vcpu < FAKE_VCPUS; vcpu++)
            f->vcpu[vcpu].nr_direct = 0;
        (void)vgic_resync(&again);
        (void)vgic_set_line(&again, 0, 32 + i % 256, true);
        f->inject_error = 0;
    }
}

static void bad_set_up_is_refused(void **unused)
{
    static const uint64_t same[] = {0, 1, 0x80000001};
    struct vgic vgic;
    uint64_t *state = malloc(vgic_state_size(3) + 8);

    (void)unused;
    assert_int_equal(vgic_state_size(0), 0);
    assert_int_equal(vgic_state_size(RV_MAX_VCPUS + 1), 0);
    assert_true(vgic_state_size(RV_MAX_VCPUS) > vgic_state_size(1));
    assert_int_equal(vgic_init(&vgic, state, vgic_state_size(3), 3, same, &fake_ops, NULL),
                     -EINVAL);
    assert_int_equal(vgic_init(&vgic, state, vgic_state_size(2) - 1, 2, same, &fake_ops, NULL),
                     -EINVAL);
    assert_int_equal(
        vgic_init(&vgic, (char *)state + 4, vgic_state_size(2), 2, same, &fake_ops, NULL), -EINVAL);
    free(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(level_costs_one_inject_and_one_retract),
        T(level_still_high_at_eoi_is_injected_again),
        T(level_that_falls_before_it_is_taken_is_withdrawn),
        T(edge_is_one_command_and_waits_for_no_eoi),
        T(edge_while_active_is_taken_after_the_end),
        T(ppi_goes_to_its_own_vcpu),
        T(wires_that_do_not_exist_are_refused),
        T(sgi_reaches_exactly_the_vcpus_that_are_named),
        T(sgi_to_a_vcpu_is_one_command),
        T(gates_take_a_pending_interrupt_back),
        T(active_interrupt_is_not_delivered_to_its_new_vcpu),
        T(interrupt_taken_during_a_move_is_not_delivered_twice),
        T(active_set_by_the_guest_goes_where_it_can_be_ended),
        T(clearing_the_active_state_of_a_high_level_delivers_it_again),
        T(latched_level_stays_pending_until_taken_or_cleared),
        T(message_spi_is_a_level_until_cleared),
        T(one_of_n_goes_to_an_awake_vcpu_with_the_group_enabled),
        T(full_vcpu_gets_the_rest_by_priority_when_room_comes),
        T(room_made_by_disabling_is_given_away),
        T(edges_report_their_end_only_while_many_are_in_flight),
        T(failed_inject_is_tried_again),
        T(many_failed_injects_leave_no_entry_counted),
        T(direct_configuration_follows_the_guest),
        T(direct_interrupt_is_seen_and_withdrawn),
        T(direct_interrupt_waits_while_a_cpu_interface_restarts),
        T(restart_of_a_cpu_interface_finds_forgotten_ends),
        T(direct_spi_moves_with_its_route),
        T(reset_takes_everything_back),
        T(restart_finds_what_is_in_flight),
        T(damaged_state_is_refused_or_harmless),
        cmocka_unit_test(bad_set_up_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
