/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/vgic.h"

#include <errno.h>
#include <string.h>

#include "vmm/gic/deliver.h"
#include "vmm/gic/state.h"
#include "vmm/util/log.h"

#define NR_SGIS 16u

void state_for_each(struct vgic *vgic, void (*fn)(struct vgic *vgic, struct vgic_ref ref))
{
    state_note(vgic);
    for (unsigned intid = VGIC_NR_PRIVATE; intid < VGIC_NR_INTIDS; intid++)
        fn(vgic, state_ref(vgic, 0, intid));
    for (unsigned vcpu = 0; vcpu < vgic->state->nr_vcpus; vcpu++) {
        for (unsigned intid = 0; intid < VGIC_NR_PRIVATE; intid++)
            fn(vgic, state_ref(vgic, vcpu, intid));
    }
}

uint8_t state_find(const struct vgic_state *state, uint32_t affinity)
{
    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++) {
        if (state->vcpu[vcpu].affinity == affinity)
            return (uint8_t)vcpu;
    }
    return IRQ_NOWHERE;
}

/* MPIDR_EL1 and GICD_IROUTER<n> have Aff3 in bits 39:32, Aff2 to Aff0 in 23:0. */
static uint32_t pack_affinity(uint64_t reg)
{
    return (uint32_t)(reg >> 32 & 0xff) << 24 | (uint32_t)(reg & 0xffffff);
}

void state_set_router(const struct vgic_state *state, struct vgic_irq *irq, uint64_t router)
{
    irq->router = router & GICD_IROUTER_MASK;
    irq->target = state_find(state, pack_affinity(router));
}

/* What stays over a reset: the wires, and which interrupts are direct. */
static void reset_irq(struct vgic *vgic, struct vgic_ref ref)
{
    struct vgic_irq *irq = ref.irq;

    irq->bits &= IRQ_LINE | IRQ_DIRECT | IRQ_HELD;
    irq->priority = 0;
    if (ref.intid < 16)
        irq->bits |= IRQ_EDGE;
    if (!state_is_private(ref))
        state_set_router(vgic->state, irq, 0);
}

static void reset_vcpu(struct vgic_vcpu *vcpu)
{
    vcpu->ctlr = 0;
    vcpu->statusr = 0;
    vcpu->waker = GICR_WAKER_PROCESSOR_SLEEP | GICR_WAKER_CHILDREN_ASLEEP;
}

static void reset_registers(struct vgic *vgic)
{
    struct vgic_state *state = vgic->state;

    state->ctlr = 0;
    state->statusr = 0;
    state->backlog = 0;
    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++)
        reset_vcpu(&state->vcpu[vcpu]);
    state_for_each(vgic, reset_irq);
}

size_t vgic_state_size(unsigned nr_vcpus)
{
    if (nr_vcpus == 0 || nr_vcpus > RV_MAX_VCPUS)
        return 0;
    return sizeof(struct vgic_state) + nr_vcpus * sizeof(struct vgic_vcpu);
}

int vgic_init(struct vgic *vgic, void *state, size_t size, unsigned nr_vcpus, const uint64_t *mpidr,
              const struct vgic_ops *ops, void *ctx)
{
    size_t need = vgic_state_size(nr_vcpus);

    if (!need || size < need || (uintptr_t)state % _Alignof(struct vgic_state)) {
        log_error("vgic: no state for %u vCPUs (%u at most) in %zu bytes at %p", nr_vcpus,
                  RV_MAX_VCPUS, size, state);
        return -EINVAL;
    }
    memset(state, 0, need);
    *vgic = (struct vgic){.ops = ops, .ctx = ctx, .state = state};
    vgic->state->magic = VGIC_STATE_MAGIC;
    vgic->state->version = VGIC_STATE_VERSION;
    for (unsigned vcpu = 0; vcpu < nr_vcpus; vcpu++) {
        uint32_t affinity = pack_affinity(mpidr[vcpu]);

        if (state_find(vgic->state, affinity) != IRQ_NOWHERE) {
            log_error("vgic: vCPU %u has the affinity 0x%x of another: give each its own", vcpu,
                      affinity);
            return -EINVAL;
        }
        vgic->state->vcpu[vcpu].affinity = affinity;
        vgic->state->nr_vcpus = vcpu + 1;
    }
    reset_registers(vgic);
    return 0;
}

/* Makes whole what is derived, so that no bytes can lead out of an array. */
static bool check_irq(struct vgic_state *state, struct vgic_irq *irq)
{
    if ((irq->bits & ~IRQ_BITS) || (irq->priority & ~VGIC_PRIORITY_MASK) ||
        irq->home >= state->nr_vcpus)
        return false;
    state_set_router(state, irq, irq->router);
    if (irq->bits & IRQ_HELD) {
        if (irq->held_by >= state->nr_vcpus)
            return false;
        state->vcpu[irq->held_by].held++;
    }
    return true;
}

static bool check_state(struct vgic *vgic)
{
    struct vgic_state *state = vgic->state;
    bool good = state->nr_direct <= VGIC_MAX_DIRECT;

    for (unsigned i = 0; good && i < state->nr_direct; i++)
        good = state->direct[i] >= 16 && state->direct[i] < VGIC_NR_INTIDS;
    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++)
        state->vcpu[vcpu].held = 0;
    for (unsigned i = 0; good && i < VGIC_NR_SPIS; i++)
        good = check_irq(state, &state->spi[i]);
    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++) {
        for (unsigned i = 0; good && i < VGIC_NR_PRIVATE; i++) {
            struct vgic_irq *irq = &state->vcpu[vcpu].irq[i];

            good = check_irq(state, irq) && (!(irq->bits & IRQ_HELD) || irq->held_by == vcpu);
        }
    }
    return good;
}

int vgic_attach(struct vgic *vgic, void *state, size_t size, const struct vgic_ops *ops, void *ctx)
{
    const struct vgic_state *header = state;

    if (size < sizeof(*header) || (uintptr_t)state % _Alignof(struct vgic_state) ||
        header->magic != VGIC_STATE_MAGIC || header->version != VGIC_STATE_VERSION) {
        log_error("vgic: the saved state is not of version %u: start the guest anew",
                  VGIC_STATE_VERSION);
        return -EINVAL;
    }
    *vgic = (struct vgic){.ops = ops, .ctx = ctx, .state = state};
    if (!vgic_state_size(header->nr_vcpus) || size < vgic_state_size(header->nr_vcpus) ||
        !check_state(vgic)) {
        log_error("vgic: the saved state is damaged: start the guest anew");
        return -EINVAL;
    }
    return 0;
}

bool vgic_has_vcpus(const struct vgic *vgic, unsigned nr_vcpus, const uint64_t *mpidr)
{
    bool same = vgic->state->nr_vcpus == nr_vcpus;

    for (unsigned vcpu = 0; same && vcpu < nr_vcpus; vcpu++)
        same = vgic->state->vcpu[vcpu].affinity == pack_affinity(mpidr[vcpu]);
    return same;
}

int vgic_resync(struct vgic *vgic)
{
    struct vgic_state *state = vgic->state;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < state->nr_direct; i++)
        rc = deliver_announce(vgic, state->direct[i]);
    for (unsigned intid = 0; rc == 0 && intid < NR_SGIS; intid++)
        rc = deliver_announce(vgic, intid);
    if (rc == 0)
        rc = deliver_resync(vgic);
    deliver_backlog(vgic);
    return rc;
}

void vgic_reset(struct vgic *vgic)
{
    state_for_each(vgic, deliver_forget);
    reset_registers(vgic);
}

static void mark_direct(struct vgic_irq *irq)
{
    irq->bits = (irq->bits & ~IRQ_LINE) | IRQ_DIRECT;
}

int vgic_set_direct(struct vgic *vgic, unsigned intid)
{
    struct vgic_state *state = vgic->state;

    if (intid < 16 || intid >= VGIC_NR_INTIDS)
        return -EINVAL;
    for (unsigned i = 0; i < state->nr_direct; i++) {
        if (state->direct[i] == intid)
            return 0;
    }
    if (state->nr_direct == VGIC_MAX_DIRECT)
        return -ENOSPC;
    state->direct[state->nr_direct++] = intid;
    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++)
        mark_direct(state_ref(vgic, vcpu, intid).irq);
    return deliver_announce(vgic, intid);
}

void vgic_set_direct_sgis(struct vgic *vgic)
{
    struct vgic_state *state = vgic->state;

    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++) {
        for (unsigned intid = 0; intid < NR_SGIS; intid++)
            mark_direct(state_ref(vgic, vcpu, intid).irq);
    }
}

int vgic_set_line(struct vgic *vgic, unsigned vcpu, unsigned intid, bool high)
{
    struct vgic_ref ref;

    if (intid < 16 || intid >= VGIC_NR_INTIDS ||
        (intid < VGIC_NR_PRIVATE && vcpu >= vgic->state->nr_vcpus))
        return -EINVAL;
    ref = state_ref(vgic, vcpu, intid);
    if (ref.irq->bits & IRQ_DIRECT)
        return -EINVAL;
    if (high != !!(ref.irq->bits & IRQ_LINE)) {
        deliver_input(vgic, ref, IRQ_LINE, high);
        deliver_backlog(vgic);
    }
    return 0;
}

int vgic_eoi(struct vgic *vgic, unsigned vcpu, unsigned intid)
{
    if (vcpu >= vgic->state->nr_vcpus || intid >= VGIC_NR_INTIDS)
        return -EINVAL;
    deliver_eoi(vgic, vcpu, state_ref(vgic, vcpu, intid));
    deliver_backlog(vgic);
    return 0;
}

bool vgic_entry_flags(struct vgic *vgic, unsigned vcpu, unsigned intid, uint32_t *flags)
{
    const struct vgic_irq *irq = state_ref(vgic, vcpu, intid).irq;

    *flags = deliver_flags(irq) | RV_IRQ_EOI;
    return intid < NR_SGIS || !(irq->bits & IRQ_DIRECT);
}

/* Masked by deliver_begin(), and taken back: a line that is still high comes again. */
void vgic_cpu_restart_begin(struct vgic *vgic, unsigned vcpu)
{
    for (unsigned i = 0; i < vgic->state->nr_direct; i++)
        deliver_begin(vgic, state_ref(vgic, vcpu, vgic->state->direct[i]));
    for (unsigned intid = 0; intid < NR_SGIS; intid++)
        deliver_begin(vgic, state_ref(vgic, vcpu, intid));
}

void vgic_cpu_restart_end(struct vgic *vgic, unsigned vcpu)
{
    struct deliver_snapshot unused;

    for (unsigned i = 0; i < vgic->state->nr_direct; i++)
        (void)deliver_end(vgic, state_ref(vgic, vcpu, vgic->state->direct[i]));
    for (unsigned intid = 0; intid < NR_SGIS; intid++)
        (void)deliver_end(vgic, state_ref(vgic, vcpu, intid));
    if (deliver_look(vgic, vcpu, &unused))
        return;
    for (unsigned intid = 0; intid < VGIC_NR_INTIDS; intid++)
        (void)deliver_update(vgic, state_ref(vgic, vcpu, intid));
    deliver_backlog(vgic);
}

void vgic_dir(struct vgic *vgic, unsigned vcpu, uint32_t intid)
{
    if (vcpu >= vgic->state->nr_vcpus || intid >= VGIC_NR_INTIDS)
        return;
    /* The entry ends here instead of in the list register: nothing else reports it. */
    if (vgic->ops->retract(vgic->ctx, vcpu, intid, RV_LR_ACTIVE) > 0)
        (void)vgic_eoi(vgic, vcpu, intid);
}
