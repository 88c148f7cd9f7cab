/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/deliver.h"

#include <string.h>

#include "proto/arm/gic.h"

/*
 * Up to so many entries of a vCPU are left to end unseen. Those beyond carry
 * RV_IRQ_EOI whatever their kind, so that a full vCPU always has an entry whose
 * end is reported, and what waits for room is not forgotten.
 */
#define RELAXED_HELD 16u
_Static_assert(RELAXED_HELD < VGIC_MAX_HELD, "a full vCPU has entries that report their end");

_Static_assert(RV_LR_PENDING == 1u && RV_LR_ACTIVE == 2u, "ICH_LR<n>_EL2.State");

#define ICH_VMCR_VENG0 0x1u
#define ICH_VMCR_VENG1 0x2u

static bool is_high(const struct vgic_irq *irq)
{
    return !(irq->bits & IRQ_EDGE) && (irq->bits & (IRQ_LINE | IRQ_MSG));
}

bool deliver_is_pending(const struct vgic_irq *irq)
{
    return (irq->bits & IRQ_LATCH) || is_high(irq);
}

/* Enabled itself, and its group in GICD_CTLR. */
static bool is_enabled(const struct vgic_state *state, const struct vgic_irq *irq)
{
    uint32_t group = irq->bits & IRQ_GROUP1 ? GICD_CTLR_GRP1 : GICD_CTLR_GRP0;

    return (irq->bits & IRQ_ENABLED) && (state->ctlr & group);
}

uint32_t deliver_flags(const struct vgic_irq *irq)
{
    return irq->priority | (irq->bits & IRQ_GROUP1 ? RV_IRQ_GROUP1 : 0u);
}

static void hold(struct vgic_state *state, struct vgic_irq *irq, unsigned vcpu)
{
    irq->bits |= IRQ_HELD;
    irq->held_by = (uint8_t)vcpu;
    state->vcpu[vcpu].held++;
}

static void release(struct vgic_state *state, struct vgic_irq *irq)
{
    if (!(irq->bits & IRQ_HELD))
        return;
    irq->bits &= ~IRQ_HELD;
    state->vcpu[irq->held_by].held--;
}

/* A failing op means a lost machine, which the core reports: as if nothing was there. */
static uint32_t retract_at(struct vgic *vgic, unsigned vcpu, unsigned intid, uint32_t mask)
{
    int found = vgic->ops->retract(vgic->ctx, vcpu, intid, mask);

    return found < 0 ? 0 : (uint32_t)found & (RV_LR_PENDING | RV_LR_ACTIVE);
}

/* Returns the states that were there; of those only the ones not in `mask` still are. */
static uint32_t retract(struct vgic *vgic, struct vgic_ref ref, uint32_t mask)
{
    struct vgic_state *state = vgic->state;
    uint32_t found = 0;

    if (!(ref.irq->bits & IRQ_DIRECT)) {
        if (ref.irq->bits & IRQ_HELD)
            found = retract_at(vgic, ref.irq->held_by, ref.intid, mask);
    } else if (state_is_private(ref)) {
        found = retract_at(vgic, ref.vcpu, ref.intid, mask);
    } else {
        /* The stub put it there: any vCPU that it was ever routed to may have it. */
        for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++)
            found |= retract_at(vgic, vcpu, ref.intid, mask);
    }
    if (!(found & ~mask))
        release(state, ref.irq);
    return found;
}

static int push_direct(struct vgic *vgic, struct vgic_ref ref, unsigned vcpu, uint32_t flags)
{
    ref.irq->pushed = flags;
    ref.irq->home = (uint8_t)vcpu;
    return vgic->ops->set_direct(vgic->ctx, vcpu, ref.intid, ref.intid, flags);
}

static bool has_group_enabled(struct vgic *vgic, unsigned vcpu, bool group1)
{
    struct rv_gic gic;

    if (vgic->ops->save(vgic->ctx, vcpu, &gic))
        return false;
    return gic.vmcr & (group1 ? ICH_VMCR_VENG1 : ICH_VMCR_VENG0);
}

/*
 * 1-of-N (IHI 0069, 3.3.2): a vCPU that is awake, did not opt out (DPG bits) and
 * has the group enabled in its CPU interface; the one that has an entry already
 * comes first, then the lowest number. When none has the group enabled it goes
 * to the first that is awake, and waits there. Awake none: it stays pending.
 */
static unsigned select_one_of_n(struct vgic *vgic, const struct vgic_irq *irq)
{
    struct vgic_state *state = vgic->state;
    bool group1 = irq->bits & IRQ_GROUP1;
    uint32_t opt_out = group1 ? GICR_CTLR_DPG1NS : GICR_CTLR_DPG0;
    unsigned start = irq->bits & IRQ_HELD ? irq->held_by : 0;
    unsigned candidates[RV_MAX_VCPUS];
    unsigned count = 0;

    for (unsigned i = 0; i < state->nr_vcpus; i++) {
        unsigned vcpu = (start + i) % state->nr_vcpus;

        if (!(state->vcpu[vcpu].waker & GICR_WAKER_PROCESSOR_SLEEP) &&
            !(state->vcpu[vcpu].ctlr & opt_out))
            candidates[count++] = vcpu;
    }
    if (!count)
        return IRQ_NOWHERE;
    for (unsigned i = 0; count > 1 && i < count; i++) {
        if (has_group_enabled(vgic, candidates[i], group1))
            return candidates[i];
    }
    return candidates[0];
}

static unsigned route(struct vgic *vgic, struct vgic_ref ref)
{
    if (state_is_private(ref))
        return ref.vcpu;
    if (ref.irq->router & GICD_IROUTER_IRM)
        return select_one_of_n(vgic, ref.irq);
    return ref.irq->target;
}

/* An entry of `vcpu` gets the states `what` (RV_IRQ_PENDING, RV_IRQ_ACTIVE). */
static bool place(struct vgic *vgic, struct vgic_ref ref, unsigned vcpu, uint32_t what)
{
    struct vgic_state *state = vgic->state;
    struct vgic_irq *irq = ref.irq;
    uint32_t flags = deliver_flags(irq) | what;
    uint32_t sent_before = irq->bits & IRQ_SENT;
    struct deliver_snapshot unused;

    if (!(irq->bits & IRQ_HELD)) {
        if (state->vcpu[vcpu].held >= RELAXED_HELD)
            (void)deliver_look(vgic, vcpu, &unused);
        if (state->vcpu[vcpu].held >= VGIC_MAX_HELD) {
            state->backlog |= 1ull << vcpu;
            return false;
        }
        hold(state, irq, vcpu);
    }
    if (!(irq->bits & IRQ_EDGE) || state->vcpu[vcpu].held > RELAXED_HELD)
        flags |= RV_IRQ_EOI;
    /* Flags first, the latch last: a vmm that dies in between leaves what resync can mend. */
    if (what & RV_IRQ_PENDING)
        irq->bits |= IRQ_SENT;
    if (vgic->ops->inject(vgic->ctx, vcpu, ref.intid, flags)) {
        irq->bits = (irq->bits & ~IRQ_SENT) | sent_before; /* HELD may be stale */
        state->backlog |= 1ull << vcpu;
        return false;
    }
    if ((what & RV_IRQ_PENDING) && (irq->bits & IRQ_LATCH)) {
        if (!(irq->bits & IRQ_EDGE))
            irq->bits |= IRQ_SENT_LATCH;
        irq->bits &= ~IRQ_LATCH;
    }
    return true;
}

/* Takes the pending state out of the entry, back into the latch where it came from there. */
static void withdraw(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;

    if ((irq->bits & IRQ_SENT) || (irq->bits & IRQ_DIRECT)) {
        uint32_t found = retract(vgic, ref, RV_LR_PENDING);

        if ((found & RV_LR_PENDING) && (irq->bits & (IRQ_EDGE | IRQ_SENT_LATCH)))
            irq->bits |= IRQ_LATCH;
    }
    irq->bits &= ~(IRQ_SENT | IRQ_SENT_LATCH);
}

/*
 * The entry may be with another vCPU than the one that the SPI is for now. An
 * active interrupt is not delivered anywhere (IHI 0069, 4.1.2), so while it is
 * active there, it waits for the end. True: it may go elsewhere.
 */
static bool evict(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;
    unsigned old = irq->held_by;
    uint32_t found;

    if (irq->bits & IRQ_SENT)
        withdraw(vgic, ref);
    else
        (void)retract(vgic, ref, RV_LR_PENDING);
    if (!(irq->bits & IRQ_HELD))
        return true;
    /*
     * Active. Its end must be reported, but it may end at any moment and its
     * active state must not be touched. So it is made pending for a moment: that
     * carries RV_IRQ_EOI into the entry. If the vCPU takes it just then, it was
     * delivered before the change of routing.
     */
    if (vgic->ops->inject(vgic->ctx, old, ref.intid,
                          deliver_flags(irq) | RV_IRQ_PENDING | RV_IRQ_EOI)) {
        vgic->state->backlog |= 1ull << old;
        return false;
    }
    found = retract(vgic, ref, RV_LR_PENDING);
    if (!(found & RV_LR_PENDING))
        irq->bits &= ~IRQ_LATCH;
    return !(irq->bits & IRQ_HELD);
}

bool deliver_update(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;
    unsigned target;

    if (irq->bits & IRQ_ACTIVE) {
        /* Without an entry the guest could not deactivate it: disabled or not, it needs one. */
        target = irq->bits & IRQ_HELD ? irq->held_by : route(vgic, ref);
        if (target == IRQ_NOWHERE || !place(vgic, ref, target, RV_IRQ_ACTIVE))
            return false;
        irq->bits &= ~IRQ_ACTIVE;
    }
    if (!deliver_is_pending(irq) || !is_enabled(vgic->state, irq))
        return false;
    /* A high level that was sent comes back here by vgic_eoi(). */
    if ((irq->bits & IRQ_SENT) && !(irq->bits & IRQ_LATCH))
        return false;
    target = route(vgic, ref);
    if (target == IRQ_NOWHERE)
        return false;
    if ((irq->bits & IRQ_HELD) && irq->held_by != target && !evict(vgic, ref))
        return false;
    return deliver_is_pending(irq) && place(vgic, ref, target, RV_IRQ_PENDING);
}

void deliver_begin(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;

    if (irq->bits & IRQ_DIRECT) {
        if (!(irq->pushed & VGIC_DIRECT_ENABLED) && !(irq->bits & IRQ_SENT))
            return;
        /* Masked first: else the line brings it back before the change is made. */
        if (irq->pushed & VGIC_DIRECT_ENABLED)
            (void)push_direct(vgic, ref, irq->home, irq->pushed & ~VGIC_DIRECT_ENABLED);
    }
    withdraw(vgic, ref);
}

/* The configuration that the stub should have, if it has another. */
static void sync_direct(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;
    uint32_t flags = deliver_flags(irq);
    unsigned vcpu = route(vgic, ref);

    if (vcpu == IRQ_NOWHERE)
        vcpu = irq->home;
    else if (is_enabled(vgic->state, irq))
        flags |= VGIC_DIRECT_ENABLED;
    /* Enabled, it was masked by deliver_begin(): a new vCPU always comes with new flags. */
    if (flags != irq->pushed)
        (void)push_direct(vgic, ref, vcpu, flags);
}

bool deliver_end(struct vgic *vgic, struct vgic_ref ref)
{
    if (ref.irq->bits & IRQ_DIRECT)
        sync_direct(vgic, ref);
    return deliver_update(vgic, ref);
}

void deliver_input(struct vgic *vgic, struct vgic_ref ref, uint32_t bit, bool high)
{
    struct vgic_irq *irq = ref.irq;

    if (high) {
        irq->bits |= bit;
        if (irq->bits & IRQ_EDGE)
            irq->bits |= IRQ_LATCH;
    } else {
        irq->bits &= ~bit;
        /* Not taken yet: the guest must not see an interrupt whose reason is gone. */
        if (!(irq->bits & IRQ_EDGE) && !is_high(irq) && (irq->bits & IRQ_SENT))
            withdraw(vgic, ref);
    }
    (void)deliver_update(vgic, ref);
}

void deliver_clear_active(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;

    irq->bits &= ~IRQ_ACTIVE;
    if (irq->bits & (IRQ_HELD | IRQ_DIRECT)) {
        /* An entry that ends in this way does not report it: a high level is sent anew. */
        if (!(retract(vgic, ref, RV_LR_ACTIVE) & RV_LR_PENDING))
            irq->bits &= ~(IRQ_SENT | IRQ_SENT_LATCH);
    }
    (void)deliver_update(vgic, ref);
}

/*
 * The event may be late: what it reports can be over, and the interrupt on its
 * way again. So nothing is concluded from it, only looked at. To inject a level
 * once more while it is high is never wrong: active, it is active and pending.
 */
void deliver_eoi(struct vgic *vgic, unsigned vcpu, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;
    struct deliver_snapshot unused;

    if (irq->bits & IRQ_SENT_LATCH)
        withdraw(vgic, ref);
    else if (is_high(irq))
        irq->bits &= ~IRQ_SENT;
    /* An edge interrupt reports its end only where there are many entries: count them anew. */
    if ((irq->bits & IRQ_EDGE) || (vgic->state->backlog & 1ull << vcpu))
        (void)deliver_look(vgic, vcpu, &unused);
    (void)deliver_update(vgic, ref);
}

void deliver_forget(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;

    if ((irq->bits & IRQ_DIRECT) && (irq->pushed & VGIC_DIRECT_ENABLED))
        (void)push_direct(vgic, ref, irq->home, irq->pushed & ~VGIC_DIRECT_ENABLED);
    if (irq->bits & (IRQ_HELD | IRQ_DIRECT))
        (void)retract(vgic, ref, RV_LR_PENDING | RV_LR_ACTIVE);
}

static int fetch(struct vgic *vgic, unsigned vcpu, struct deliver_snapshot *out)
{
    struct rv_gic gic;
    int rc = vgic->ops->save(vgic->ctx, vcpu, &gic);

    memset(out, 0, sizeof(*out));
    if (rc)
        return rc;
    for (unsigned i = 0; i < RV_VCPU_IRQS; i++) {
        uint32_t intid = LR_VINTID(gic.irq[i]);

        if (intid < VGIC_NR_INTIDS)
            out->entry[intid] |= (uint8_t)(gic.irq[i] >> LR_STATE_SHIFT);
    }
    out->ppi_lines = gic.ppi_pending;
    return 0;
}

int deliver_look(struct vgic *vgic, unsigned vcpu, struct deliver_snapshot *out)
{
    int rc = fetch(vgic, vcpu, out);

    if (rc)
        return rc;
    state_note(vgic);
    for (unsigned intid = 0; intid < VGIC_NR_INTIDS; intid++) {
        struct vgic_irq *irq = state_ref(vgic, vcpu, intid).irq;

        if (!(irq->bits & IRQ_HELD) || irq->held_by != vcpu)
            continue;
        if (!(out->entry[intid] & RV_LR_PENDING))
            irq->bits &= ~(IRQ_SENT | IRQ_SENT_LATCH);
        if (!out->entry[intid])
            release(vgic->state, irq);
    }
    return 0;
}

bool deliver_direct_line(const struct vgic_state *state, const struct deliver_snapshot *snapshot,
                         unsigned intid)
{
    for (unsigned i = 0; i < state->nr_direct; i++) {
        if (state->direct[i] == intid)
            return intid < VGIC_NR_PRIVATE && (snapshot->ppi_lines >> intid & 1u);
    }
    return false;
}

int deliver_announce(struct vgic *vgic, unsigned intid)
{
    for (unsigned vcpu = 0; vcpu < vgic->state->nr_vcpus; vcpu++) {
        struct vgic_ref ref = state_ref(vgic, vcpu, intid);
        unsigned home = state_is_private(ref) ? vcpu : ref.irq->home;
        uint32_t flags = ref.irq->pushed & ~(vcpu == home ? 0u : VGIC_DIRECT_ENABLED);
        int rc = ref.irq->bits & IRQ_DIRECT
                     ? vgic->ops->set_direct(vgic->ctx, vcpu, intid, intid, flags)
                     : 0;

        if (rc)
            return rc;
        if (state_is_private(ref))
            ref.irq->home = (uint8_t)vcpu;
    }
    return 0;
}

static void drop_held(struct vgic *vgic, struct vgic_ref ref)
{
    release(vgic->state, ref.irq);
    ref.irq->bits &= ~IRQ_SENT;
}

static void update_one(struct vgic *vgic, struct vgic_ref ref)
{
    if (!(ref.irq->bits & IRQ_SENT))
        ref.irq->bits &= ~IRQ_SENT_LATCH;
    (void)deliver_end(vgic, ref);
}

int deliver_resync(struct vgic *vgic)
{
    struct vgic_state *state = vgic->state;
    struct deliver_snapshot snapshot;

    state_for_each(vgic, drop_held);
    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++) {
        int rc = fetch(vgic, vcpu, &snapshot);

        if (rc)
            return rc;
        for (unsigned intid = 0; intid < VGIC_NR_INTIDS; intid++) {
            struct vgic_irq *irq = state_ref(vgic, vcpu, intid).irq;

            if (!snapshot.entry[intid] || (irq->bits & IRQ_HELD))
                continue;
            hold(state, irq, vcpu);
            if (snapshot.entry[intid] & RV_LR_PENDING)
                irq->bits |= IRQ_SENT;
        }
    }
    state_for_each(vgic, update_one);
    return 0;
}

void deliver_backlog(struct vgic *vgic)
{
    struct vgic_state *state = vgic->state;

    for (unsigned vcpu = 0; state->backlog && vcpu < state->nr_vcpus; vcpu++) {
        uint64_t bit = 1ull << vcpu;

        if (!(state->backlog & bit) || state->vcpu[vcpu].held >= VGIC_MAX_HELD)
            continue;
        state_note(vgic);
        state->backlog &= ~bit;
        /* The room goes to the most urgent. */
        for (unsigned priority = 0; priority <= VGIC_PRIORITY_MASK; priority += 8) {
            for (unsigned intid = 0; intid < VGIC_NR_INTIDS; intid++) {
                struct vgic_ref ref = state_ref(vgic, vcpu, intid);

                if (ref.irq->priority == priority)
                    (void)deliver_update(vgic, ref);
            }
        }
    }
}
