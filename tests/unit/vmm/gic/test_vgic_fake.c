/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/log_fake.h"
#include "tests/unit/vmm/gic/test_vgic_fake.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/util/log.h"

const uint64_t fake_mpidr[FAKE_VCPUS] = {0x80000000, 0x80000001, 0x80000100, 0x0180000000 | 2};

struct fake_entry *fake_find(struct fake *fake, unsigned vcpu, unsigned intid)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];

    for (unsigned i = 0; i < v->count; i++) {
        if (v->entry[i].intid == intid)
            return &v->entry[i];
    }
    return NULL;
}

uint32_t fake_state(struct fake *fake, unsigned vcpu, unsigned intid)
{
    struct fake_entry *entry = fake_find(fake, vcpu, intid);

    return entry ? entry->state : 0;
}

static struct fake_entry *add(struct fake *fake, unsigned vcpu, unsigned intid)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];

    assert_true(v->count < FAKE_ENTRIES);
    v->entry[v->count] = (struct fake_entry){.intid = intid};
    return &v->entry[v->count++];
}

static void drop(struct fake *fake, unsigned vcpu, struct fake_entry *entry)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];

    *entry = v->entry[--v->count];
}

/* A physical interrupt that is not active, enabled and high is taken and injected. */
static void direct_poll(struct fake *fake, unsigned vcpu)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];

    for (unsigned i = 0; i < v->nr_direct; i++) {
        struct fake_direct *d = &v->direct[i];
        struct fake_entry *entry;

        if (!d->line || d->phys_active || !(d->flags & VGIC_DIRECT_ENABLED) ||
            fake_find(fake, vcpu, d->intid))
            continue;
        d->phys_active = true;
        entry = add(fake, vcpu, d->intid);
        entry->hw = true;
        entry->state = RV_LR_PENDING;
        entry->flags = d->flags & (RV_IRQ_PRIORITY | RV_IRQ_GROUP1);
    }
}

static void end(struct fake *fake, unsigned vcpu, struct fake_entry *entry, bool report)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];
    unsigned intid = entry->intid;

    for (unsigned i = 0; entry->hw && i < v->nr_direct; i++) {
        if (v->direct[i].intid == intid)
            v->direct[i].phys_active = false;
    }
    if (report && !entry->hw && (entry->flags & RV_IRQ_EOI)) {
        assert_true(fake->nr_events < FAKE_EVENTS);
        fake->event[fake->nr_events++] = (struct fake_event){vcpu, intid};
    }
    drop(fake, vcpu, entry);
    direct_poll(fake, vcpu);
}

static int op_inject(void *ctx, unsigned vcpu, unsigned intid, uint32_t flags)
{
    struct fake *fake = ctx;
    struct fake_entry *entry;
    unsigned own = 0;

    fake->injects++;
    assert_true(vcpu < fake->nr_vcpus && intid < VGIC_NR_INTIDS);
    assert_true(flags & (RV_IRQ_PENDING | RV_IRQ_ACTIVE));
    assert_false(flags &
                 ~(RV_IRQ_PENDING | RV_IRQ_ACTIVE | RV_IRQ_PRIORITY | RV_IRQ_GROUP1 | RV_IRQ_EOI));
    if (fake->inject_error)
        return fake->inject_error;
    entry = fake_find(fake, vcpu, intid);
    if (!entry)
        entry = add(fake, vcpu, intid);
    entry->flags = flags | (entry->flags & RV_IRQ_EOI);
    entry->state |=
        (flags & RV_IRQ_PENDING ? RV_LR_PENDING : 0u) | (flags & RV_IRQ_ACTIVE ? RV_LR_ACTIVE : 0u);
    for (unsigned i = 0; i < fake->vcpu[vcpu].count; i++)
        own += !fake->vcpu[vcpu].entry[i].hw;
    assert_true(own <= VGIC_MAX_HELD);
    if (fake->swift && fake->vcpu[vcpu].depth) {
        fake_eoi(fake, vcpu);
        (void)fake_ack(fake, vcpu);
    }
    return 0;
}

static int op_retract(void *ctx, unsigned vcpu, unsigned intid, uint32_t mask)
{
    struct fake *fake = ctx;
    struct fake_entry *entry = fake_find(fake, vcpu, intid);
    uint32_t found = entry ? entry->state : 0;

    fake->retracts++;
    assert_true(mask != 0);
    if (entry) {
        entry->state &= ~mask;
        if (!entry->state)
            end(fake, vcpu, entry, false);
    }
    return (int)found;
}

static int op_save(void *ctx, unsigned vcpu, struct rv_gic *out)
{
    struct fake *fake = ctx;
    struct fake_vcpu *v = &fake->vcpu[vcpu];

    fake->saves++;
    assert_true(vcpu < fake->nr_vcpus);
    memset(out, 0xff, sizeof(*out)); /* what is not valid must not be used */
    out->nr_irqs = 0;
    for (unsigned i = 0; i < v->count; i++) {
        const struct fake_entry *e = &v->entry[i];
        uint64_t lr = e->intid | (uint64_t)e->state << 62 |
                      (uint64_t)(e->flags & RV_IRQ_PRIORITY) << 48 | (uint64_t)e->hw << 61;

        out->irq[out->nr_irqs++] = lr;
    }
    out->vmcr = v->vmcr;
    out->ppi_pending = 0;
    for (unsigned i = 0; i < v->nr_direct; i++)
        out->ppi_pending |= (uint64_t)v->direct[i].line << v->direct[i].intid % 32;
    return 0;
}

static int op_set_direct(void *ctx, unsigned vcpu, unsigned pintid, unsigned vintid, uint32_t flags)
{
    struct fake *fake = ctx;
    struct fake_vcpu *v = &fake->vcpu[vcpu];
    unsigned i = 0;

    fake->set_directs++;
    assert_int_equal(pintid, vintid);
    while (i < v->nr_direct && v->direct[i].intid != pintid)
        i++;
    assert_true(i < VGIC_MAX_DIRECT);
    if (i == v->nr_direct)
        v->direct[v->nr_direct++] = (struct fake_direct){.intid = pintid};
    v->direct[i].flags = flags;
    direct_poll(fake, vcpu);
    return 0;
}

const struct vgic_ops fake_ops = {op_inject, op_retract, op_save, op_set_direct};

struct fake *fake_new(unsigned nr_vcpus)
{
    struct fake *fake = calloc(1, sizeof(*fake));

    assert_non_null(fake);
    fake->nr_vcpus = nr_vcpus;
    fake->state_size = vgic_state_size(nr_vcpus);
    fake->state = malloc(fake->state_size);
    assert_non_null(fake->state);
    assert_int_equal(vgic_init(&fake->vgic, fake->state, fake->state_size, nr_vcpus, fake_mpidr,
                               &fake_ops, fake),
                     0);
    for (unsigned i = 0; i < nr_vcpus; i++)
        fake->vcpu[i].vmcr = 3;
    return fake;
}

void fake_free(struct fake *fake)
{
    free(fake->state);
    free(fake);
}

unsigned fake_commands(struct fake *fake)
{
    unsigned sum = fake->injects + fake->retracts + fake->saves + fake->set_directs;

    fake->injects = fake->retracts = fake->saves = fake->set_directs = 0;
    return sum;
}

uint32_t fake_running(const struct fake *fake, unsigned vcpu)
{
    const struct fake_vcpu *v = &fake->vcpu[vcpu];

    return v->depth ? v->running[v->depth - 1].priority : 0x100;
}

unsigned fake_ack(struct fake *fake, unsigned vcpu)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];
    struct fake_entry *best = NULL;
    uint32_t priority = fake_running(fake, vcpu);

    for (unsigned i = 0; i < v->count; i++) {
        struct fake_entry *e = &v->entry[i];

        if (e->state == RV_LR_PENDING && (e->flags & RV_IRQ_PRIORITY) < priority &&
            (v->vmcr & (e->flags & RV_IRQ_GROUP1 ? 2u : 1u))) {
            best = e;
            priority = e->flags & RV_IRQ_PRIORITY;
        }
    }
    if (!best)
        return FAKE_SPURIOUS;
    best->state = RV_LR_ACTIVE;
    assert_true(v->depth < FAKE_STACK);
    v->running[v->depth].intid = best->intid;
    v->running[v->depth++].priority = priority;
    return best->intid;
}

void fake_eoi(struct fake *fake, unsigned vcpu)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];
    struct fake_entry *entry;

    assert_true(v->depth > 0);
    entry = fake_find(fake, vcpu, v->running[--v->depth].intid);
    if (!entry || !(entry->state & RV_LR_ACTIVE))
        return;
    entry->state &= ~RV_LR_ACTIVE;
    if (!entry->state)
        end(fake, vcpu, entry, true);
}

void fake_event(struct fake *fake)
{
    struct fake_event event = fake->event[0];

    if (!fake->nr_events)
        return;
    memmove(fake->event, fake->event + 1, --fake->nr_events * sizeof(event));
    assert_int_equal(vgic_eoi(&fake->vgic, event.vcpu, event.intid), 0);
}

void fake_events(struct fake *fake)
{
    while (fake->nr_events)
        fake_event(fake);
}

void fake_direct_line(struct fake *fake, unsigned vcpu, unsigned intid, bool high)
{
    struct fake_vcpu *v = &fake->vcpu[vcpu];

    for (unsigned i = 0; i < v->nr_direct; i++) {
        if (v->direct[i].intid == intid)
            v->direct[i].line = high;
    }
    direct_poll(fake, vcpu);
}

uint64_t gicd_read(struct fake *fake, uint32_t offset, unsigned size)
{
    uint64_t value = 0;

    assert_int_equal(vgic_dist_bus_ops.read(&fake->vgic, offset, size, &value), 0);
    return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

void gicd_write(struct fake *fake, uint32_t offset, unsigned size, uint64_t value)
{
    assert_int_equal(vgic_dist_bus_ops.write(&fake->vgic, offset, size, value), 0);
}

uint64_t gicr_read(struct fake *fake, unsigned vcpu, uint32_t offset, unsigned size)
{
    uint64_t value = 0;

    offset += vcpu * VGIC_REDIST_SIZE;
    assert_int_equal(vgic_redist_bus_ops.read(&fake->vgic, offset, size, &value), 0);
    return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

void gicr_write(struct fake *fake, unsigned vcpu, uint32_t offset, unsigned size, uint64_t value)
{
    offset += vcpu * VGIC_REDIST_SIZE;
    assert_int_equal(vgic_redist_bus_ops.write(&fake->vgic, offset, size, value), 0);
}

static uint64_t bank_read(struct fake *fake, unsigned vcpu, uint32_t offset, unsigned intid,
                          unsigned size)
{
    return intid < 32 ? gicr_read(fake, vcpu, SGI_BASE + offset, size)
                      : gicd_read(fake, offset, size);
}

static void bank_write(struct fake *fake, unsigned vcpu, uint32_t offset, unsigned intid,
                       unsigned size, uint64_t value)
{
    if (intid < 32)
        gicr_write(fake, vcpu, SGI_BASE + offset, size, value);
    else
        gicd_write(fake, offset, size, value);
}

void guest_bit(struct fake *fake, unsigned vcpu, uint32_t bank, unsigned intid)
{
    bank_write(fake, vcpu, bank + intid / 32 * 4, intid, 4, 1u << intid % 32);
}

bool guest_test(struct fake *fake, unsigned vcpu, uint32_t bank, unsigned intid)
{
    return bank_read(fake, vcpu, bank + intid / 32 * 4, intid, 4) >> intid % 32 & 1;
}

void guest_priority(struct fake *fake, unsigned vcpu, unsigned intid, uint8_t priority)
{
    bank_write(fake, vcpu, IPRIORITYR + intid, intid, 1, priority);
}

static void replace(struct fake *fake, unsigned vcpu, uint32_t offset, unsigned intid, uint32_t bit,
                    bool set)
{
    uint64_t value = bank_read(fake, vcpu, offset, intid, 4);

    bank_write(fake, vcpu, offset, intid, 4, set ? value | bit : value & ~(uint64_t)bit);
}

void guest_group(struct fake *fake, unsigned vcpu, unsigned intid, bool group1)
{
    replace(fake, vcpu, IGROUPR + intid / 32 * 4, intid, 1u << intid % 32, group1);
}

void guest_edge(struct fake *fake, unsigned vcpu, unsigned intid, bool edge)
{
    replace(fake, vcpu, ICFGR + intid / 16 * 4, intid, 2u << intid % 16 * 2, edge);
}

void guest_route(struct fake *fake, unsigned intid, uint64_t router)
{
    gicd_write(fake, IROUTER + 8 * intid, 8, router);
}

void guest_setup(struct fake *fake, unsigned vcpu, unsigned intid, uint8_t priority)
{
    guest_priority(fake, vcpu, intid, priority);
    guest_group(fake, vcpu, intid, true);
    guest_bit(fake, vcpu, ISENABLER, intid);
}
