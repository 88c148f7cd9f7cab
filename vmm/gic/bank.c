/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/bank.h"

#include "vmm/gic/deliver.h"

/* A word of one bit for each INTID: 1 where any of `bits` is set. */
static uint32_t read_bits(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t bits)
{
    uint32_t value = 0;

    state_note(vgic);
    for (unsigned i = 0; i < 32 && first + i < VGIC_NR_INTIDS; i++) {
        if (state_ref(vgic, vcpu, first + i).irq->bits & bits)
            value |= 1u << i;
    }
    return value;
}

/* Sets or clears a bit that decides on delivery. */
static void change_bit(struct vgic *vgic, struct vgic_ref ref, uint32_t bit, bool set)
{
    if (set == !!(ref.irq->bits & bit))
        return;
    deliver_begin(vgic, ref);
    ref.irq->bits ^= bit;
    (void)deliver_end(vgic, ref);
}

/* Calls fn for each INTID whose bit is 1 in a word that was written. */
static void for_each_bit(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value,
                         void (*fn)(struct vgic *vgic, struct vgic_ref ref))
{
    for (unsigned i = 0; i < 32 && first + i < VGIC_NR_INTIDS; i++) {
        if (value >> i & 1u)
            fn(vgic, state_ref(vgic, vcpu, first + i));
    }
}

static uint32_t bank_read_group(struct vgic *vgic, unsigned vcpu, unsigned first)
{
    return read_bits(vgic, vcpu, first, IRQ_GROUP1);
}

static void bank_write_group(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for (unsigned i = 0; i < 32 && first + i < VGIC_NR_INTIDS; i++)
        change_bit(vgic, state_ref(vgic, vcpu, first + i), IRQ_GROUP1, value >> i & 1u);
}

static uint32_t bank_read_enable(struct vgic *vgic, unsigned vcpu, unsigned first)
{
    return read_bits(vgic, vcpu, first, IRQ_ENABLED);
}

static void set_enable(struct vgic *vgic, struct vgic_ref ref)
{
    change_bit(vgic, ref, IRQ_ENABLED, true);
}

static void bank_set_enable(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for_each_bit(vgic, vcpu, first, value, set_enable);
}

static void clear_enable(struct vgic *vgic, struct vgic_ref ref)
{
    change_bit(vgic, ref, IRQ_ENABLED, false);
}

static void bank_clear_enable(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for_each_bit(vgic, vcpu, first, value, clear_enable);
}

/* The vCPUs whose entries can tell more about an interrupt. */
static uint64_t holders(const struct vgic_state *state, struct vgic_ref ref)
{
    uint64_t held = ref.irq->bits & IRQ_HELD ? 1ull << ref.irq->held_by : 0;

    if (!(ref.irq->bits & IRQ_DIRECT))
        return held;
    /* The stub injects it without telling: in its vCPU, or an SPI in any. */
    if (state_is_private(ref))
        return 1ull << ref.vcpu;
    return ~0ull >> (64 - state->nr_vcpus);
}

/* Adds what the entries of the vCPUs in `look` show of the states in `mask`. */
static uint32_t read_entries(struct vgic *vgic, unsigned vcpu, unsigned first, uint64_t look,
                             uint32_t mask)
{
    struct deliver_snapshot snapshot;
    uint32_t value = 0;

    for (unsigned holder = 0; holder < vgic->state->nr_vcpus; holder++) {
        if (!(look >> holder & 1u) || deliver_look(vgic, holder, &snapshot))
            continue;
        for (unsigned i = 0; i < 32 && first + i < VGIC_NR_INTIDS; i++) {
            const struct vgic_irq *irq = state_ref(vgic, vcpu, first + i).irq;
            bool line = (irq->bits & (IRQ_DIRECT | IRQ_EDGE)) == IRQ_DIRECT &&
                        deliver_direct_line(vgic->state, &snapshot, first + i);

            if ((snapshot.entry[first + i] & mask) || (line && (mask & RV_LR_PENDING)))
                value |= 1u << i;
        }
    }
    return value;
}

static uint32_t bank_read_pending(struct vgic *vgic, unsigned vcpu, unsigned first)
{
    uint32_t value = 0;
    uint64_t look = 0;

    for (unsigned i = 0; i < 32 && first + i < VGIC_NR_INTIDS; i++) {
        struct vgic_ref ref = state_ref(vgic, vcpu, first + i);

        if (deliver_is_pending(ref.irq))
            value |= 1u << i;
        else if (ref.irq->bits & (IRQ_SENT | IRQ_DIRECT))
            look |= holders(vgic->state, ref);
    }
    return value | read_entries(vgic, vcpu, first, look, RV_LR_PENDING);
}

/* GICD_ISPENDR and GICD_SETSPI_NSR of an edge interrupt; at a level, it is pending till taken. */
static void set_pending(struct vgic *vgic, struct vgic_ref ref)
{
    ref.irq->bits |= IRQ_LATCH;
    (void)deliver_update(vgic, ref);
}

void bank_set_pending(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for_each_bit(vgic, vcpu, first, value, set_pending);
}

/* A level that is high stays pending (IHI 0069, 4.1.4): only the latch is cleared. */
static void clear_pending(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;

    if (!(irq->bits & (IRQ_LATCH | IRQ_SENT | IRQ_DIRECT)))
        return;
    if ((irq->bits & (IRQ_EDGE | IRQ_SENT_LATCH | IRQ_DIRECT)))
        deliver_begin(vgic, ref);
    irq->bits &= ~IRQ_LATCH;
    (void)deliver_end(vgic, ref);
}

void bank_clear_pending(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for_each_bit(vgic, vcpu, first, value, clear_pending);
}

static uint32_t bank_read_active(struct vgic *vgic, unsigned vcpu, unsigned first)
{
    uint64_t look = 0;

    for (unsigned i = 0; i < 32 && first + i < VGIC_NR_INTIDS; i++)
        look |= holders(vgic->state, state_ref(vgic, vcpu, first + i));
    return read_bits(vgic, vcpu, first, IRQ_ACTIVE) |
           read_entries(vgic, vcpu, first, look, RV_LR_ACTIVE);
}

static void set_active(struct vgic *vgic, struct vgic_ref ref)
{
    struct deliver_snapshot unused;

    /* Not into a stale entry of a vCPU that it is no longer for: that one would never end it. */
    if (ref.irq->bits & IRQ_HELD)
        (void)deliver_look(vgic, ref.irq->held_by, &unused);
    ref.irq->bits |= IRQ_ACTIVE;
    (void)deliver_update(vgic, ref);
}

static void bank_set_active(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for_each_bit(vgic, vcpu, first, value, set_active);
}

static void bank_clear_active(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for_each_bit(vgic, vcpu, first, value, deliver_clear_active);
}

static uint32_t bank_read_priority(struct vgic *vgic, unsigned vcpu, unsigned first, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size && first + i < VGIC_NR_INTIDS; i++)
        value |= (uint32_t)state_ref(vgic, vcpu, first + i).irq->priority << 8 * i;
    return value;
}

static void bank_write_priority(struct vgic *vgic, unsigned vcpu, unsigned first, unsigned size,
                                uint32_t value)
{
    for (unsigned i = 0; i < size && first + i < VGIC_NR_INTIDS; i++) {
        struct vgic_ref ref = state_ref(vgic, vcpu, first + i);
        uint8_t priority = (uint8_t)(value >> 8 * i & VGIC_PRIORITY_MASK);

        if (priority == ref.irq->priority)
            continue;
        deliver_begin(vgic, ref);
        ref.irq->priority = priority;
        (void)deliver_end(vgic, ref);
    }
}

static uint32_t bank_read_config(struct vgic *vgic, unsigned vcpu, unsigned first)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 16 && first + i < VGIC_NR_INTIDS; i++) {
        if (state_ref(vgic, vcpu, first + i).irq->bits & IRQ_EDGE)
            value |= 2u << 2 * i;
    }
    return value;
}

/*
 * To change it while the interrupt is enabled is UNPREDICTABLE. Here a pending
 * edge becomes the latch of the level; a message's level ends.
 */
static void bank_write_config(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value)
{
    for (unsigned i = 0; i < 16 && first + i < VGIC_NR_INTIDS; i++) {
        struct vgic_ref ref = state_ref(vgic, vcpu, first + i);
        bool edge = value >> (2 * i + 1) & 1u;

        if (ref.intid < 16 || edge == !!(ref.irq->bits & IRQ_EDGE))
            continue;
        deliver_begin(vgic, ref);
        ref.irq->bits = (ref.irq->bits ^ IRQ_EDGE) & ~IRQ_MSG;
        (void)deliver_end(vgic, ref);
    }
}

/* `per_word` INTIDs share a word. */
#define BANK_WORD(reg, per_word, reader, writer)                                               \
    uint64_t bank_read_##reg(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size) \
    {                                                                                          \
        return reader(vgic, vcpu, offset / 4 * (per_word));                                    \
    }                                                                                          \
    void bank_write_##reg(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,    \
                          uint64_t value)                                                      \
    {                                                                                          \
        writer(vgic, vcpu, offset / 4 * (per_word), (uint32_t)value);                          \
    }

BANK_WORD(igroupr, 32, bank_read_group, bank_write_group)
BANK_WORD(isenabler, 32, bank_read_enable, bank_set_enable)
BANK_WORD(icenabler, 32, bank_read_enable, bank_clear_enable)
BANK_WORD(ispendr, 32, bank_read_pending, bank_set_pending)
BANK_WORD(icpendr, 32, bank_read_pending, bank_clear_pending)
BANK_WORD(isactiver, 32, bank_read_active, bank_set_active)
BANK_WORD(icactiver, 32, bank_read_active, bank_clear_active)
BANK_WORD(icfgr, 16, bank_read_config, bank_write_config)

uint64_t bank_read_ipriorityr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size)
{
    return bank_read_priority(vgic, vcpu, offset, size);
}

void bank_write_ipriorityr(struct vgic *vgic, unsigned vcpu, uint32_t offset, unsigned size,
                           uint64_t value)
{
    bank_write_priority(vgic, vcpu, offset, size, (uint32_t)value);
}
