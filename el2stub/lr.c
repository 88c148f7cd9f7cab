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
    for (uint32_t n = 0; n < entries(vcpu); n++) {
        uint64_t lr = entry_read(vcpu, n);

        if (lr & LR_STATES && (lr & mask) == bits)
            return n;
    }
    return entries(vcpu);
}

/* Could the guest take it? Not while it is active as well. */
static bool is_takeable(uint64_t lr)
{
    return (lr & LR_STATES) == LR_PENDING;
}

/* The guest has ended it, and the vmm is to be told (RV_EVENT_EOI). */
static bool is_unreported(uint64_t lr)
{
    return lr & LR_EOI && !(lr & (LR_STATES | LR_HW));
}

/* The less urgent of two list registers; `a` may be cpu.nr_lrs: none. */
static uint32_t less_urgent(const struct vcpu *vcpu, uint32_t a, uint32_t b)
{
    if (a == cpu.nr_lrs)
        return b;
    return LR_PRIORITY(entry_read(vcpu, b)) > LR_PRIORITY(entry_read(vcpu, a)) ? b : a;
}

/*
 * The list register that `lr` may have; cpu.nr_lrs: none. A free one; for an interrupt that
 * the guest could take also that of the least urgent other such, if that is less
 * urgent; if the guest has nothing at all to take, that of the least urgent active one.
 */
static uint32_t find_room(const struct vcpu *vcpu, uint64_t lr)
{
    uint32_t takeable = cpu.nr_lrs; /* the least urgent that the guest could take */
    uint32_t active = cpu.nr_lrs;   /* the least urgent of the others */

    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t old = entry_read(vcpu, n);

        if (is_unreported(old))
            continue;
        if (!(old & LR_STATES))
            return n;
        if (is_takeable(old))
            takeable = less_urgent(vcpu, takeable, n);
        else
            active = less_urgent(vcpu, active, n);
    }
    if (!is_takeable(lr))
        return cpu.nr_lrs;
    if (takeable == cpu.nr_lrs)
        return active;
    if (LR_PRIORITY(entry_read(vcpu, takeable)) > LR_PRIORITY(lr))
        return takeable;
    return cpu.nr_lrs;
}

/* Which of the two is to have a list register first? What is active, then by priority. */
static bool is_before(uint64_t a, uint64_t b)
{
    if ((a ^ b) & LR_ACTIVE)
        return (a & LR_ACTIVE) != 0;
    return LR_PRIORITY(a) < LR_PRIORITY(b);
}

/* The place in the queue of what is to have a list register next, and may; or nr_queue. */
static uint32_t find_next(const struct vcpu *vcpu)
{
    uint32_t best = vcpu->nr_queue;

    for (uint32_t i = 0; i < vcpu->nr_queue; i++) {
        uint64_t lr = vcpu->queue[i];

        if (find_room(vcpu, lr) == cpu.nr_lrs)
            continue;
        if (best == vcpu->nr_queue || is_before(lr, vcpu->queue[best]))
            best = i;
    }
    return best;
}

static void queue_remove(struct vcpu *vcpu, uint32_t i)
{
    vcpu->nr_queue--;
    vcpu->queue[i] = vcpu->queue[vcpu->nr_queue];
}

/* Move an interrupt from the queue into a list register, and what was there to the queue. */
static void move_to_lr(struct vcpu *vcpu, uint32_t i)
{
    uint64_t lr = vcpu->queue[i];
    uint32_t room = find_room(vcpu, lr);
    uint64_t old = entry_read(vcpu, room);

    if (old & LR_STATES)
        vcpu->queue[i] = old;
    else
        queue_remove(vcpu, i);
    entry_write(vcpu, room, lr);
}

/*
 * ICH_HCR_EL2. What waits needs a maintenance interrupt when there may be room for it:
 * pending ones when the guest has nothing left to take (NPIE), active ones before it
 * gets to end them (UIE). Since a guest with EOImode 1 ends them in any order, its
 * ICC_DIR_EL1 goes to the vmm (TDIR).
 */
static uint64_t control(const struct vcpu *vcpu)
{
    uint64_t hcr = ICH_HCR_EN;

    for (uint32_t i = 0; i < vcpu->nr_queue; i++) {
        hcr |= ICH_HCR_UIE;
        if (is_takeable(vcpu->queue[i]))
            hcr |= ICH_HCR_NPIE;
        if (vcpu->queue[i] & LR_ACTIVE)
            hcr |= ICH_HCR_TDIR;
    }
    return hcr;
}

/*
 * Move what waits into list registers. The most urgent goes first and stays, so that
 * there are no more moves than entries.
 */
static void settle(struct vcpu *vcpu)
{
    for (uint32_t moves = 0; moves < RV_VCPU_IRQS; moves++) {
        uint32_t i = find_next(vcpu);

        if (i == vcpu->nr_queue)
            break;
        move_to_lr(vcpu, i);
    }
    write_sysreg(control(vcpu), ich_hcr_el2);
}

/* Add an interrupt, or new states of one that is there. 0 or NO_ROOM. */
int lr_inject(struct vcpu *vcpu, uint64_t lr)
{
    uint32_t n = find(vcpu, LR_VINTID(~0ull), LR_VINTID(lr));
    uint64_t old = n < entries(vcpu) ? entry_read(vcpu, n) : 0;

    if (!old) {
        if (vcpu->nr_queue == RV_VCPU_IRQS - cpu.nr_lrs)
            return NO_ROOM;
        vcpu->queue[vcpu->nr_queue] = lr;
        vcpu->nr_queue++;
    } else if (!(old & LR_HW)) {
        /* One with HW may not be pending and active, and its line is its own. */
        if (!(lr & LR_HW))
            lr |= old & (LR_STATES | LR_EOI);
        entry_write(vcpu, n, lr);
    }
    settle(vcpu);
    return 0;
}

/* Take `states` from an interrupt: RV_LR_*, as is the result, those that it had. */
uint32_t lr_retract(struct vcpu *vcpu, uint32_t vintid, uint32_t states)
{
    uint32_t n = find(vcpu, LR_VINTID(~0ull), vintid);
    uint64_t old;
    uint64_t left;

    if (n == entries(vcpu))
        return 0;
    old = entry_read(vcpu, n);
    left = old & ~((uint64_t)states << LR_STATE_SHIFT);
    if (left & LR_STATES) {
        entry_write(vcpu, n, left);
    } else {
        if (old & LR_HW)
            write_sysreg(LR_PINTID(old), icc_dir_el1); /* a line that is still high comes again */
        if (n < cpu.nr_lrs)
            entry_write(vcpu, n, 0);
        else
            queue_remove(vcpu, n - cpu.nr_lrs);
    }
    settle(vcpu);
    return (uint32_t)(old >> LR_STATE_SHIFT);
}

/* The maintenance interrupt: report what the guest has ended, then use the room. */
void lr_maintain(struct pcpu *pcpu)
{
    struct vcpu *vcpu = pcpu->vcpu;

    if (!vcpu)
        return;
    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t lr = entry_read(vcpu, n);

        if (!is_unreported(lr))
            continue;
        event_send(pcpu, RV_EVENT_EOI, 0, 0, LR_VINTID(lr));
        entry_write(vcpu, n, 0);
    }
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
    for (uint32_t i = 0; i < RV_MAX_DIRECT; i++) {
        const struct direct_entry *d = &vcpu->direct[i];

        if (!d->pintid)
            return;
        if (on) {
            gic_enable_ppi(vcpu->pcpu, d);
        } else {
            GICR(vcpu->pcpu, GICR_ICENABLER0) = 1u << d->pintid;
            GICR(vcpu->pcpu, GICR_ICACTIVER0) = 1u << d->pintid;
        }
    }
}

void lr_save(struct vcpu *vcpu)
{
    struct rv_gic *gic = &vcpu->page->gic;
    uint32_t nr_irqs = 0;

    for (uint32_t n = 0; n < entries(vcpu); n++) {
        uint64_t lr = entry_read(vcpu, n);

        if (lr & LR_STATES) {
            gic->irq[nr_irqs] = lr;
            nr_irqs++;
        }
    }
    gic->nr_irqs = nr_irqs;
#define X(field, reg) gic->field = read_sysreg(reg);
    GIC_REGISTERS(X)
#undef X
    gic->ppi_pending = GICR(vcpu->pcpu, GICR_ISPENDR0);
}

/* Is this physical interrupt tied to this virtual one? */
static bool is_direct(const struct vcpu *vcpu, uint64_t pintid, uint64_t vintid)
{
    for (uint32_t i = 0; i < RV_MAX_DIRECT; i++) {
        const struct direct_entry *d = &vcpu->direct[i];

        if (d->pintid && d->pintid == pintid && d->vintid == vintid)
            return true;
    }
    return false;
}

/* May the guest have this entry? HW=1 lets it deactivate a physical interrupt. */
static bool is_legal(const struct vcpu *vcpu, uint64_t lr)
{
    if (!(lr & LR_STATES))
        return false;
    if (!(lr & LR_HW))
        return LR_VINTID(lr) < INTID_SPECIAL;
    if ((lr & LR_STATES) == LR_STATES)
        return false; /* UNPREDICTABLE with HW */
    return is_direct(vcpu, LR_PINTID(lr), LR_VINTID(lr));
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
        if (!is_legal(vcpu, snapshot->irq[i]))
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
