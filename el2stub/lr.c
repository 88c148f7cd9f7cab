/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * List registers (GICv3 IHI 0069, ICH_LR<n>_EL2) of the vCPU that is live in
 * this core, and the queue of interrupts that found no room in them. What is
 * pending in a list register always has at least the priority of what waits.
 */
#include "arch.h"
#include "el2stub/stub.h"

/* clang-format off */
#define GIC_REGISTERS(X) X(vmcr, ich_vmcr_el2) X(ap0r0, ich_ap0r0_el2) X(ap1r0, ich_ap1r0_el2)
/* clang-format on */

/* An entry: a list register, or behind those a place in the queue. */
static uint64_t entry_read(const struct vcpu *vcpu, uint32_t n)
{
    if (n >= cpu.nr_lrs)
        return vcpu->queue[n - cpu.nr_lrs];
    switch (n) {
#define X(i) \
    case i: return read_sysreg(ich_lr##i##_el2);
        EACH_OF_16(X)
#undef X
    default: return 0;
    }
}

static void entry_write(struct vcpu *vcpu, uint32_t n, uint64_t lr)
{
    if (n >= cpu.nr_lrs)
        vcpu->queue[n - cpu.nr_lrs] = lr;
    switch (n < cpu.nr_lrs ? n : RV_VCPU_IRQS) {
#define X(i) \
    case i: write_sysreg(lr, ich_lr##i##_el2); break;
        EACH_OF_16(X)
#undef X
    default: break;
    }
}

static uint32_t entries(const struct vcpu *vcpu)
{
    return cpu.nr_lrs + vcpu->nr_queue;
}

/* The first entry that is in use and, of the bits in `mask`, has just these; or entries(). */
static uint32_t find(const struct vcpu *vcpu, uint64_t mask, uint64_t bits)
{
    uint32_t n = 0;

    while (n < entries(vcpu) &&
           (!(entry_read(vcpu, n) & LR_STATES) || (entry_read(vcpu, n) & mask) != bits))
        n++;
    return n;
}

/* Could the guest take it? Not while it is active as well. */
#define is_takeable(lr) (((lr)&LR_STATES) == LR_PENDING)

/*
 * The list register that a waiting entry may have: a free one; for one that can be
 * taken also that of the least urgent other such, if it is less urgent; if the guest
 * has nothing at all to take, that of the least urgent active one. cpu.nr_lrs: none.
 */
static uint32_t find_room(const struct vcpu *vcpu, uint64_t lr)
{
    uint32_t worst[2] = {cpu.nr_lrs, cpu.nr_lrs}; /* active, pending */

    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t old = entry_read(vcpu, n);
        uint32_t *w = &worst[is_takeable(old)];

        if (!(old & LR_STATES) && (old & LR_HW || !(old & LR_EOI)))
            return n; /* one with EOI is yet to be reported */
        if (old & LR_STATES &&
            (*w == cpu.nr_lrs || LR_PRIORITY(old) > LR_PRIORITY(entry_read(vcpu, *w))))
            *w = n;
    }
    if (is_takeable(lr) && worst[1] == cpu.nr_lrs)
        return worst[0];
    return is_takeable(lr) && LR_PRIORITY(entry_read(vcpu, worst[1])) > LR_PRIORITY(lr)
               ? worst[1]
               : cpu.nr_lrs;
}

/* Which of the two is to have a list register first? What is active, then by priority. */
static bool is_before(uint64_t a, uint64_t b)
{
    if ((a ^ b) & LR_ACTIVE)
        return (a & LR_ACTIVE) != 0;
    return LR_PRIORITY(a) < LR_PRIORITY(b);
}

/*
 * Move what waits into list registers. What still waits then needs a maintenance
 * interrupt when there may be room: pending ones when the guest has nothing left
 * to take (NPIE), active ones before it gets to end them (UIE). Since a guest
 * with EOImode 1 ends them in any order, its ICC_DIR_EL1 goes to the vmm (TDIR).
 */
static void settle(struct vcpu *vcpu)
{
    uint64_t hcr = ICH_HCR_EN;

    for (;;) {
        uint32_t best = RV_VCPU_IRQS, room;
        uint64_t lr, old;

        for (uint32_t i = 0; i < vcpu->nr_queue; i++) {
            if (find_room(vcpu, vcpu->queue[i]) < cpu.nr_lrs &&
                (best == RV_VCPU_IRQS || is_before(vcpu->queue[i], vcpu->queue[best])))
                best = i;
        }
        if (best == RV_VCPU_IRQS)
            break;
        lr = vcpu->queue[best];
        room = find_room(vcpu, lr);
        old = entry_read(vcpu, room);
        vcpu->queue[best] = old & LR_STATES ? old : vcpu->queue[--vcpu->nr_queue];
        entry_write(vcpu, room, lr);
    }
    for (uint32_t i = 0; i < vcpu->nr_queue; i++) {
        hcr |= ICH_HCR_UIE;
        hcr |= is_takeable(vcpu->queue[i]) ? ICH_HCR_NPIE : 0;
        hcr |= vcpu->queue[i] & LR_ACTIVE ? ICH_HCR_TDIR : 0;
    }
    write_sysreg(hcr, ich_hcr_el2);
}

/* Add an interrupt, or new states of one that is there. 0, or -1: no room. */
int lr_inject(struct vcpu *vcpu, uint64_t lr)
{
    uint32_t n = find(vcpu, LR_VINTID(~0ull), LR_VINTID(lr));

    if (n == entries(vcpu)) {
        if (vcpu->nr_queue == RV_VCPU_IRQS - cpu.nr_lrs)
            return -1;
        vcpu->queue[vcpu->nr_queue++] = lr;
    } else if (!(entry_read(vcpu, n) & LR_HW)) {
        /* One with HW may not be pending and active, and its line is its own. */
        entry_write(vcpu, n, lr | (lr & LR_HW ? 0 : entry_read(vcpu, n) & (LR_STATES | LR_EOI)));
    }
    settle(vcpu);
    return 0;
}

/* Take `states` from an interrupt: RV_LR_*, as is the result, those that it had. */
uint32_t lr_retract(struct vcpu *vcpu, uint32_t vintid, uint32_t states)
{
    uint32_t n = find(vcpu, LR_VINTID(~0ull), vintid);
    uint64_t old = n < entries(vcpu) ? entry_read(vcpu, n) : 0;
    uint64_t new = old & ~((uint64_t)states << LR_STATE_SHIFT);

    if (n == entries(vcpu))
        return 0;
    if (!(new &LR_STATES)) {
        if (old & LR_HW)
            write_sysreg(LR_PINTID(old), icc_dir_el1); /* a line that is still high comes again */
        new = n < cpu.nr_lrs ? 0 : vcpu->queue[--vcpu->nr_queue];
    }
    entry_write(vcpu, n, new);
    settle(vcpu);
    return (uint32_t)(old >> LR_STATE_SHIFT);
}

/* The maintenance interrupt: report what the guest has ended, then use the room. */
void lr_maintain(struct pcpu *pcpu)
{
    struct vcpu *vcpu = pcpu->vcpu;

    for (uint32_t n = 0; vcpu && n < cpu.nr_lrs; n++) {
        uint64_t lr = entry_read(vcpu, n);

        if (lr & (LR_STATES | LR_HW) || !(lr & LR_EOI))
            continue;
        event_send(pcpu, RV_EVENT_EOI, 0, 0, LR_VINTID(lr));
        entry_write(vcpu, n, 0);
    }
    if (vcpu)
        settle(vcpu);
}

/* Is there anything that the guest could take? */
bool lr_pending(const struct vcpu *vcpu)
{
    return find(vcpu, LR_PENDING, LR_PENDING) < entries(vcpu);
}

/* The physical side of the direct entries, as the vCPU comes or goes. */
void lr_direct(struct vcpu *vcpu, bool on)
{
    for (uint32_t i = 0; i < RV_MAX_DIRECT && vcpu->direct[i].pintid; i++) {
        const struct direct_entry *d = &vcpu->direct[i];
        bool enable = on && d->flags & RV_IRQ_ENABLED;

        GICR(vcpu->pcpu, enable ? GICR_ISENABLER0 : GICR_ICENABLER0) = 1u << d->pintid;
        if (!on)
            GICR(vcpu->pcpu, GICR_ICACTIVER0) = 1u << d->pintid;
    }
}

void lr_save(struct vcpu *vcpu)
{
    struct rv_gic *gic = &vcpu->page->gic;
    uint32_t nr_irqs = 0;

    for (uint32_t n = 0; n < entries(vcpu); n++) {
        if (entry_read(vcpu, n) & LR_STATES)
            gic->irq[nr_irqs++] = entry_read(vcpu, n);
    }
    gic->nr_irqs = nr_irqs;
#define X(field, reg) gic->field = read_sysreg(reg);
    GIC_REGISTERS(X)
#undef X
    gic->ppi_pending = GICR(vcpu->pcpu, GICR_ISPENDR0);
}

/* May the guest have this entry? HW=1 lets it deactivate a physical interrupt. */
static bool is_legal(const struct vcpu *vcpu, uint64_t lr)
{
    if (!(lr & LR_HW))
        return LR_VINTID(lr) < INTID_SPECIAL;
    for (uint32_t i = 0; i < RV_MAX_DIRECT && vcpu->direct[i].pintid; i++) {
        if (vcpu->direct[i].pintid == LR_PINTID(lr) && vcpu->direct[i].vintid == LR_VINTID(lr))
            return (lr & LR_STATES) != LR_STATES; /* UNPREDICTABLE with HW */
    }
    return false;
}

/* Copies the interrupts out of the shared page, and checks the copy. 0 or RV_REFUSED_REGISTER. */
int lr_snapshot(const struct vcpu *vcpu, struct lr_snapshot *snapshot)
{
    const volatile struct rv_gic *gic = &vcpu->page->gic;

    snapshot->nr_irqs = gic->nr_irqs;
    if (snapshot->nr_irqs > RV_VCPU_IRQS)
        return RV_REFUSED_REGISTER;
    for (uint32_t i = 0; i < snapshot->nr_irqs; i++) {
        snapshot->irq[i] = gic->irq[i];
        if (!(snapshot->irq[i] & LR_STATES) || !is_legal(vcpu, snapshot->irq[i]))
            return RV_REFUSED_REGISTER;
    }
    return 0;
}

void lr_load(struct vcpu *vcpu, const struct lr_snapshot *snapshot)
{
    const struct rv_gic *gic = &vcpu->page->gic;

    for (uint32_t n = 0; n < cpu.nr_lrs; n++)
        entry_write(vcpu, n, 0);
    vcpu->nr_queue = snapshot->nr_irqs;
    for (uint32_t i = 0; i < snapshot->nr_irqs; i++) {
        vcpu->queue[i] = snapshot->irq[i];
        if (snapshot->irq[i] & LR_HW)
            GICR(vcpu->pcpu, GICR_ISACTIVER0) = 1u << LR_PINTID(snapshot->irq[i]) % 32;
    }
#define X(field, reg) write_sysreg(gic->field, reg);
    GIC_REGISTERS(X)
#undef X
    settle(vcpu);
}
