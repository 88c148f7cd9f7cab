/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * List registers (GICv3 IHI 0069, ICH_LR<n>_EL2) of the vCPU that is live in
 * this core, and the queue of interrupts that found no room in them. What is
 * pending in a list register always has at least the priority of what waits.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define ICH_HCR_EN   (1u << 0)
#define ICH_HCR_UIE  (1u << 1) /* maintenance interrupt: at most one LR is in use */
#define ICH_HCR_NPIE (1u << 3) /* ... no LR is pending */

#define LRS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static uint64_t lr_read(uint32_t n)
{
    switch (n) {
#define X(i) case i: return read_sysreg(ich_lr##i##_el2);
        LRS(X)
#undef X
    default: return 0;
    }
}

static void lr_write(uint32_t n, uint64_t lr)
{
    switch (n) {
#define X(i) case i: write_sysreg(lr, ich_lr##i##_el2); break;
        LRS(X)
#undef X
    default: break;
    }
}

static bool is_empty(uint64_t lr)
{
    return !(lr & (LR_PENDING | LR_ACTIVE));
}

/*
 * While something waits, ask for a maintenance interrupt when it may find room:
 * when nothing is pending, or, if all list registers are active, when all but
 * one are done (NPIE would fire without end then).
 */
static void update_hcr(const struct vcpu *vcpu)
{
    uint64_t hcr = ICH_HCR_EN;

    if (vcpu->nr_queue) {
        hcr |= ICH_HCR_UIE;
        for (uint32_t i = 0; i < cpu.nr_lrs; i++) {
            if (lr_read(i) & LR_PENDING)
                hcr |= ICH_HCR_NPIE;
        }
    }
    write_sysreg(hcr, ich_hcr_el2);
}

/* Merge new states into an entry that is there. Hardware's may not be both. */
static uint64_t merge(uint64_t old, uint64_t new)
{
    uint64_t states = (old | new) & (LR_PENDING | LR_ACTIVE);

    if (old & LR_HW)
        return old;
    return (old & ~(LR_PRIORITY_MASK | LR_GROUP1 | LR_EOI)) | (new & ~LR_HW) | states;
}

/* 0, or -1: the queue is full. */
int lr_inject(struct vcpu *vcpu, uint64_t lr)
{
    uint32_t victim = cpu.nr_lrs;

    for (uint32_t i = 0; i < vcpu->nr_queue; i++) {
        if (LR_VINTID(vcpu->queue[i]) == LR_VINTID(lr)) {
            vcpu->queue[i] = merge(vcpu->queue[i], lr);
            return 0;
        }
    }
    for (uint32_t i = 0; i < cpu.nr_lrs; i++) {
        uint64_t old = lr_read(i);

        if (!is_empty(old) && LR_VINTID(old) == LR_VINTID(lr)) {
            lr_write(i, merge(old, lr));
            return 0;
        }
    }
    /* A free one, else the least urgent of those that are only pending. */
    for (uint32_t i = 0; i < cpu.nr_lrs; i++) {
        uint64_t old = lr_read(i);

        if (is_empty(old) && !(old & LR_EOI)) {
            lr_write(i, lr);
            return 0;
        }
        if (!(old & LR_ACTIVE) && (old & LR_PENDING) && LR_PRIORITY(old) > LR_PRIORITY(lr) &&
            (victim == cpu.nr_lrs || LR_PRIORITY(old) > LR_PRIORITY(lr_read(victim))))
            victim = i;
    }
    if (vcpu->nr_queue == RV_VCPU_QUEUE)
        return -1;
    vcpu->queue[vcpu->nr_queue++] = victim < cpu.nr_lrs ? lr_read(victim) : lr;
    if (victim < cpu.nr_lrs)
        lr_write(victim, lr);
    update_hcr(vcpu);
    return 0;
}

/* Clear `states` of one entry. What goes away for good gives back its physical interrupt. */
static uint64_t clear(uint64_t lr, uint32_t states, uint32_t *found)
{
    *found = (uint32_t)(lr >> LR_STATE_SHIFT);
    lr &= ~((uint64_t)states << LR_STATE_SHIFT);
    if (is_empty(lr)) {
        if (lr & LR_HW)
            gic_deactivate(LR_PINTID(lr));
        lr = 0;
    }
    return lr;
}

/* The states that the interrupt had, RV_LR_*. */
uint32_t lr_retract(struct vcpu *vcpu, uint32_t intid, uint32_t states)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < cpu.nr_lrs; i++) {
        uint64_t lr = lr_read(i);

        if (!is_empty(lr) && LR_VINTID(lr) == intid) {
            lr_write(i, clear(lr, states, &found));
            return found;
        }
    }
    for (uint32_t i = 0; i < vcpu->nr_queue; i++) {
        if (LR_VINTID(vcpu->queue[i]) != intid)
            continue;
        vcpu->queue[i] = clear(vcpu->queue[i], states, &found);
        if (!vcpu->queue[i])
            vcpu->queue[i] = vcpu->queue[--vcpu->nr_queue];
        break;
    }
    return found;
}

static uint32_t most_urgent(const struct vcpu *vcpu)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < vcpu->nr_queue; i++) {
        if (LR_PRIORITY(vcpu->queue[i]) < LR_PRIORITY(vcpu->queue[best]))
            best = i;
    }
    return best;
}

/* Report what the guest has ended, then fill the free list registers from the queue. */
void lr_maintain(struct pcpu *pcpu)
{
    struct vcpu *vcpu = pcpu->vcpu;

    for (uint32_t i = 0; vcpu && i < cpu.nr_lrs; i++) {
        uint64_t lr = lr_read(i);

        if (!is_empty(lr))
            continue;
        if (!(lr & LR_HW) && (lr & LR_EOI)) {
            struct rv_event *event = event_begin(pcpu, RV_EVENT_EOI);

            event->value = LR_VINTID(lr);
            event_publish(pcpu, event);
        }
        lr = 0;
        if (vcpu->nr_queue) {
            uint32_t best = most_urgent(vcpu);

            lr = vcpu->queue[best];
            vcpu->queue[best] = vcpu->queue[--vcpu->nr_queue];
        }
        lr_write(i, lr);
    }
    if (vcpu)
        update_hcr(vcpu);
}

/* Is there anything that the guest could take? */
bool lr_pending(void)
{
    for (uint32_t i = 0; i < cpu.nr_lrs; i++) {
        if (lr_read(i) & LR_PENDING)
            return true;
    }
    return false;
}

/* Arm or mask the physical side of the direct entries, as the vCPU comes or goes. */
void lr_direct(struct vcpu *vcpu, bool on)
{
    for (uint32_t i = 0; i < RV_MAX_DIRECT; i++) {
        const struct direct_entry *d = &vcpu->direct[i];

        if (d->pintid)
            gic_ppi_enable(vcpu->pcpu, d->pintid, on && (d->flags & RV_IRQ_ENABLED));
        if (d->pintid && !on)
            gic_ppi_active(vcpu->pcpu, d->pintid, false);
    }
}

#define VMCR_AND_APRS(X) X(vmcr, ich_vmcr_el2) X(ap0r[0], ich_ap0r0_el2) X(ap1r[0], ich_ap1r0_el2)
#define APRS_6_BITS(X)   X(ap0r[1], ich_ap0r1_el2) X(ap1r[1], ich_ap1r1_el2)
#define APRS_7_BITS(X)                                                                             \
    X(ap0r[2], ich_ap0r2_el2) X(ap0r[3], ich_ap0r3_el2) X(ap1r[2], ich_ap1r2_el2)                  \
    X(ap1r[3], ich_ap1r3_el2)

void lr_save(struct vcpu *vcpu)
{
    struct rv_gic *gic = &vcpu->page->gic;

    for (uint32_t i = 0; i < cpu.nr_lrs; i++)
        gic->lr[i] = lr_read(i);
    for (uint32_t i = 0; i < vcpu->nr_queue; i++)
        gic->queue[i] = vcpu->queue[i];
    gic->nr_lr = cpu.nr_lrs;
    gic->nr_queue = vcpu->nr_queue;
#define X(field, reg) gic->field = read_sysreg(reg);
    VMCR_AND_APRS(X)
    if (cpu.nr_aprs >= 2) {
        APRS_6_BITS(X)
    }
    if (cpu.nr_aprs >= 4) {
        APRS_7_BITS(X)
    }
#undef X
    gic->direct_pending = 0;
    for (uint32_t i = 0; i < RV_MAX_DIRECT; i++) {
        uint32_t pintid = vcpu->direct[i].pintid;

        if (pintid && gic_ppi_pending(vcpu->pcpu, pintid))
            gic->direct_pending |= 1ull << i;
    }
}

/* May the guest have this entry? HW=1 lets it deactivate a physical interrupt. */
static bool is_legal(const struct vcpu *vcpu, uint64_t lr)
{
    if (!(lr & LR_HW))
        return LR_VINTID(lr) < INTID_SPECIAL;
    for (uint32_t i = 0; i < RV_MAX_DIRECT; i++) {
        const struct direct_entry *d = &vcpu->direct[i];

        if (d->pintid && d->pintid == LR_PINTID(lr) && d->vintid == LR_VINTID(lr))
            return true;
    }
    return false;
}

/* Copies list registers and queue out of the shared page, and checks the copy. */
int lr_snapshot(const struct vcpu *vcpu, struct lr_snapshot *snapshot)
{
    const volatile struct rv_gic *gic = &vcpu->page->gic;

    snapshot->nr_queue = gic->nr_queue;
    if (snapshot->nr_queue > RV_VCPU_QUEUE)
        return RV_REFUSED_REGISTER;
    for (uint32_t i = 0; i < RV_VCPU_LRS; i++) {
        snapshot->lr[i] = gic->lr[i];
        if (!is_empty(snapshot->lr[i]) && !is_legal(vcpu, snapshot->lr[i]))
            return RV_REFUSED_REGISTER;
    }
    for (uint32_t i = 0; i < snapshot->nr_queue; i++) {
        snapshot->queue[i] = gic->queue[i];
        if (is_empty(snapshot->queue[i]) || !is_legal(vcpu, snapshot->queue[i]))
            return RV_REFUSED_REGISTER;
    }
    return 0;
}

static uint64_t load_one(const struct vcpu *vcpu, uint64_t lr)
{
    if (lr & LR_HW && !is_empty(lr))
        gic_ppi_active(vcpu->pcpu, LR_PINTID(lr), true);
    return lr;
}

void lr_load(struct vcpu *vcpu, const struct lr_snapshot *snapshot)
{
    const struct rv_gic *gic = &vcpu->page->gic;

    vcpu->nr_queue = snapshot->nr_queue;
    for (uint32_t i = 0; i < cpu.nr_lrs; i++)
        lr_write(i, load_one(vcpu, snapshot->lr[i]));
    for (uint32_t i = 0; i < snapshot->nr_queue; i++)
        vcpu->queue[i] = load_one(vcpu, snapshot->queue[i]);
#define X(field, reg) write_sysreg(gic->field, reg);
    VMCR_AND_APRS(X)
    if (cpu.nr_aprs >= 2) {
        APRS_6_BITS(X)
    }
    if (cpu.nr_aprs >= 4) {
        APRS_7_BITS(X)
    }
#undef X
    update_hcr(vcpu);
}
