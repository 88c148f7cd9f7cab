/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random guests and devices against a GIC that has no list registers: a plain
 * model of each interrupt's state. After every step the entries that the vgic
 * placed must be those that the model calls for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/vmm/gic/test_vgic_fake.h"

#define VCPUS    3u
#define MAX_SPIS 160u
#define NOWHERE  0xffu
#define ANY      0xfeu /* 1-of-N */

struct model_irq {
    bool enabled, group1, edge, line, latch, active;
    unsigned active_on;
    uint8_t priority;
    unsigned route;
};

struct model {
    struct fake *fake;
    uint64_t seed;
    unsigned nr_spis;
    bool crowded; /* more interrupts than a vCPU may hold entries */
    uint32_t ctlr;
    bool awake[VCPUS];
    struct model_irq spi[MAX_SPIS];
    struct model_irq private[VCPUS][32];
};

static uint32_t rnd(struct model *m, uint32_t below)
{
    m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(m->seed >> 33) % below;
}

static struct model_irq *get(struct model *m, unsigned vcpu, unsigned intid)
{
    return intid < 32 ? &m->private[vcpu][intid] : &m->spi[intid - 32];
}

static bool pending(const struct model_irq *irq)
{
    return irq->latch || (!irq->edge && irq->line);
}

static bool wanted(const struct model *m, const struct model_irq *irq)
{
    return pending(irq) && irq->enabled && (m->ctlr & (irq->group1 ? 2u : 1u));
}

static bool is_for(const struct model *m, const struct model_irq *irq, unsigned intid,
                   unsigned vcpu)
{
    if (intid < 32)
        return true;
    return irq->route == vcpu || (irq->route == ANY && m->awake[vcpu]);
}

static bool has_target(const struct model *m, const struct model_irq *irq, unsigned intid)
{
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        if (is_for(m, irq, intid, vcpu))
            return true;
    }
    return false;
}

static void check_irq(struct model *m, unsigned owner, unsigned intid)
{
    const struct model_irq *irq = get(m, owner, intid);
    unsigned where = NOWHERE, count = 0;

    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        uint32_t state;

        if (intid < 32 && vcpu != owner)
            continue;
        state = fake_state(m->fake, vcpu, intid);
        if (state & RV_LR_ACTIVE) {
            assert_true(irq->active);
            if (irq->active_on != NOWHERE)
                assert_int_equal(irq->active_on, vcpu);
        }
        if (state & RV_LR_PENDING) {
            where = vcpu;
            count++;
        }
    }
    assert_true(count <= 1);
    if (count) {
        assert_true(wanted(m, irq));
        if (!irq->active) {
            assert_true(is_for(m, irq, intid, where));
            assert_int_equal(fake_find(m->fake, where, intid)->flags & RV_IRQ_PRIORITY,
                             irq->priority);
            assert_int_equal(!!(fake_find(m->fake, where, intid)->flags & RV_IRQ_GROUP1),
                             irq->group1);
        }
    } else if (!m->fake->nr_events && wanted(m, irq) && !irq->active && has_target(m, irq, intid)) {
        /* Missing: only where no room was, and up to 16 ends since then went unreported. */
        bool full = false;

        for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++)
            full |= m->fake->vcpu[vcpu].count >= VGIC_MAX_HELD - 16;
        assert_true(m->crowded && full);
    }
}

static void check_all(struct model *m)
{
    for (unsigned i = 0; i < m->nr_spis; i++)
        check_irq(m, 0, 32 + i);
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        for (unsigned intid = 0; intid < 32; intid++)
            check_irq(m, vcpu, intid);
    }
}

/* What the guest reads of pending and active is the model's, whatever is in flight. */
static void check_reads(struct model *m, unsigned vcpu, unsigned intid)
{
    const struct model_irq *irq = get(m, vcpu, intid);

    assert_int_equal(guest_test(m->fake, vcpu, rnd(m, 2) ? ISPENDR : ICPENDR, intid), pending(irq));
    assert_int_equal(guest_test(m->fake, vcpu, rnd(m, 2) ? ISACTIVER : ICACTIVER, intid),
                     irq->active);
    assert_int_equal(guest_test(m->fake, vcpu, ISENABLER, intid), irq->enabled);
}

static void step_ack(struct model *m, unsigned vcpu)
{
    uint32_t running = fake_running(m->fake, vcpu);
    unsigned intid;
    uint32_t best = 0x100;

    if (m->fake->vcpu[vcpu].depth + 1 >= FAKE_STACK)
        return;
    for (unsigned i = 0; i < 32 + m->nr_spis; i++) {
        const struct model_irq *irq = get(m, vcpu, i);

        if (wanted(m, irq) && !irq->active && is_for(m, irq, i, vcpu) &&
            !(i >= 32 && irq->route == ANY) && irq->priority < best)
            best = irq->priority;
    }
    intid = fake_ack(m->fake, vcpu);
    if (intid == FAKE_SPURIOUS) {
        if (!m->fake->nr_events && !m->crowded)
            assert_true(best >= running);
        return;
    }
    struct model_irq *irq = get(m, vcpu, intid);

    assert_true(wanted(m, irq) && !irq->active && is_for(m, irq, intid, vcpu));
    if (!m->fake->nr_events && !m->crowded)
        assert_true(irq->priority <= best);
    irq->active = true;
    irq->active_on = vcpu;
    irq->latch = false;
}

static void step_eoi(struct model *m, unsigned vcpu)
{
    struct fake_vcpu *v = &m->fake->vcpu[vcpu];
    struct model_irq *irq;

    if (!v->depth)
        return;
    irq = get(m, vcpu, v->running[v->depth - 1].intid);
    if (irq->active && irq->active_on == vcpu)
        irq->active = false;
    fake_eoi(m->fake, vcpu);
}

static bool on_a_stack(struct model *m, unsigned intid)
{
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        for (unsigned i = 0; i < m->fake->vcpu[vcpu].depth; i++) {
            if (m->fake->vcpu[vcpu].running[i].intid == intid)
                return true;
        }
    }
    return false;
}

static void set_line(struct model *m, unsigned vcpu, unsigned intid, bool high)
{
    struct model_irq *irq = get(m, vcpu, intid);

    if (high && !irq->line && irq->edge)
        irq->latch = true;
    irq->line = high;
    assert_int_equal(vgic_set_line(&m->fake->vgic, vcpu, intid, high), 0);
}

static void step_sgi(struct model *m, unsigned vcpu, unsigned intid)
{
    bool all = rnd(m, 2);
    enum vgic_sgi_reg which = rnd(m, 4) ? VGIC_SGI1R : VGIC_SGI0R;
    unsigned to = rnd(m, VCPUS);
    uint64_t value = (uint64_t)intid << 24;

    if (all)
        value |= 1ull << 40;
    else
        value |= (fake_mpidr[to] & 0xff00) << 8 | 1ull << (fake_mpidr[to] & 0xf);
    for (unsigned i = 0; i < VCPUS; i++) {
        if ((all ? i != vcpu : i == to) && (which == VGIC_SGI1R || !get(m, i, intid)->group1))
            get(m, i, intid)->latch = true;
    }
    (void)vgic_sgi(&m->fake->vgic, vcpu, which, value, 0);
}

static void step_route(struct model *m, unsigned intid)
{
    struct model_irq *irq = get(m, 0, intid);
    uint32_t to = rnd(m, VCPUS + 2);

    irq->route = to < VCPUS ? to : to == VCPUS ? NOWHERE : ANY;
    guest_route(m->fake, intid,
                to < VCPUS    ? fake_mpidr[to] & 0xffffff
                : to == VCPUS ? 0x777777
                              : 1ull << 31);
}

static void step_waker(struct model *m, unsigned vcpu)
{
    m->awake[vcpu] = !m->awake[vcpu];
    gicr_write(m->fake, vcpu, WAKER, 4, m->awake[vcpu] ? 0 : 2);
}

static unsigned pick(struct model *m)
{
    uint32_t i = rnd(m, 8 + m->nr_spis);

    return i < 4 ? i : i < 8 ? 16 + i : 32 + i - 8;
}

static void step(struct model *m)
{
    unsigned vcpu = rnd(m, VCPUS), intid = pick(m);
    struct model_irq *irq = get(m, vcpu, intid);
    uint32_t op = rnd(m, 100);

    if (op < 25) {
        if (intid >= 16)
            set_line(m, vcpu, intid, !irq->line);
    } else if (op < 40) {
        step_ack(m, vcpu);
    } else if (op < 55) {
        step_eoi(m, vcpu);
    } else if (op < 65) {
        fake_event(m->fake);
    } else if (op < 70) {
        step_sgi(m, vcpu, rnd(m, 4));
    } else if (op < 76) {
        irq->enabled = rnd(m, 3) != 0;
        guest_bit(m->fake, vcpu, irq->enabled ? ISENABLER : ICENABLER, intid);
    } else if (op < 79) {
        irq->latch = true;
        guest_bit(m->fake, vcpu, ISPENDR, intid);
    } else if (op < 81) {
        irq->latch = false;
        guest_bit(m->fake, vcpu, ICPENDR, intid);
    } else if (op < 83) {
        irq->active = false;
        guest_bit(m->fake, vcpu, ICACTIVER, intid);
    } else if (op < 84) {
        if (!on_a_stack(m, intid)) {
            irq->active = true;
            irq->active_on = NOWHERE;
            guest_bit(m->fake, vcpu, ISACTIVER, intid);
        }
    } else if (op < 87) {
        irq->priority = (uint8_t)(rnd(m, 32) << 3);
        guest_priority(m->fake, vcpu, intid, irq->priority);
    } else if (op < 89) {
        irq->group1 = rnd(m, 2);
        guest_group(m->fake, vcpu, intid, irq->group1);
    } else if (op < 91) {
        if (intid >= 16) {
            irq->edge = rnd(m, 2);
            guest_edge(m->fake, vcpu, intid, irq->edge);
        }
    } else if (op < 95) {
        if (intid >= 32)
            step_route(m, intid);
    } else if (op < 96) {
        if (!rnd(m, 4)) {
            m->ctlr = rnd(m, 4) ? 3 : rnd(m, 4);
            gicd_write(m->fake, 0, 4, m->ctlr);
        }
    } else if (op < 97) {
        step_waker(m, vcpu);
    } else {
        check_reads(m, vcpu, intid);
    }
}

/* Everything is let through: nothing that was wanted may remain. */
static void drain(struct model *m)
{
    bool progress = true;

    while (m->fake->nr_events || progress) {
        progress = false;
        fake_events(m->fake);
        for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
            while (m->fake->vcpu[vcpu].depth)
                step_eoi(m, vcpu);
            step_ack(m, vcpu);
            if (m->fake->vcpu[vcpu].depth) {
                unsigned intid = m->fake->vcpu[vcpu].running[0].intid;

                if (intid >= 16)
                    set_line(m, vcpu, intid, false);
                progress = true;
            }
        }
    }
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        for (unsigned intid = 0; intid < 32 + m->nr_spis; intid++) {
            const struct model_irq *irq = get(m, vcpu, intid);

            assert_false(wanted(m, irq) && !irq->active && has_target(m, irq, intid));
        }
    }
}

/* A vmm that dies between two steps leaves the state; the next takes it up. */
static void restart(struct model *m)
{
    struct vgic again;

    assert_int_equal(vgic_attach(&again, m->fake->state, m->fake->state_size, &fake_ops, m->fake),
                     0);
    m->fake->vgic = again;
    if (rnd(m, 2))
        m->fake->nr_events = 0; /* the rings began anew, too */
    assert_int_equal(vgic_resync(&m->fake->vgic), 0);
}

static void run(unsigned nr_spis, unsigned steps, uint64_t seed, bool restarts)
{
    struct model *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->fake = fake_new(VCPUS);
    m->seed = seed;
    m->nr_spis = nr_spis;
    m->crowded = nr_spis > 32;
    for (unsigned vcpu = 0; vcpu < VCPUS; vcpu++) {
        for (unsigned i = 0; i < 16; i++)
            m->private[vcpu][i].edge = true;
    }
    m->ctlr = 3;
    gicd_write(m->fake, 0, 4, 3);
    for (unsigned i = 0; i < steps; i++) {
        step(m);
        if (restarts && !rnd(m, 50))
            restart(m);
        check_all(m);
        if (i % 5000 == 4999)
            drain(m);
    }
    drain(m);
    fake_free(m->fake);
    free(m);
}

static void vgic_agrees_with_a_plain_gic_model(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 8; seed++)
        run(12, 30000, seed, false);
}

static void vgic_loses_nothing_when_entries_run_out(void **unused)
{
    (void)unused;
    for (uint64_t seed = 100; seed < 103; seed++)
        run(MAX_SPIS, 30000, seed, false);
}

static void vgic_agrees_with_the_model_over_restarts(void **unused)
{
    (void)unused;
    for (uint64_t seed = 200; seed < 203; seed++)
        run(12, 30000, seed, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vgic_agrees_with_a_plain_gic_model),
        cmocka_unit_test(vgic_loses_nothing_when_entries_run_out),
        cmocka_unit_test(vgic_agrees_with_the_model_over_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
