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

/* See rank(): the priority is added to it. */
#define RANK_UNREPORTED 0x000u
#define RANK_ACTIVE     0x100u
#define RANK_PENDING    0x200u
#define RANK_FREE       0x300u

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
    if (n >= cpu.nr_lrs) {
        vcpu->queue[n - cpu.nr_lrs] = lr;
        return;
    }
    switch (n) {
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

/* The guest has ended it, and the vmm is to be told (RV_EVENT_EOI). */
static bool is_unreported(uint64_t lr)
{
    return lr & LR_EOI && !(lr & (LR_STATES | LR_HW));
}

/*
 * The order in which entries get list registers: ends to be reported, since they raise the
 * maintenance interrupt there; active ones, since the guest may end them; pending ones.
 */
static uint32_t rank(uint64_t lr)
{
    if (lr & LR_ACTIVE)
        return RANK_ACTIVE + (uint32_t)LR_PRIORITY(lr);
    if (lr & LR_PENDING)
        return RANK_PENDING + (uint32_t)LR_PRIORITY(lr);
    return is_unreported(lr) ? RANK_UNREPORTED : RANK_FREE;
}

/* The first in that order, of the entries from `from` on with at least this rank; or entries(). */
static uint32_t find_first(const struct vcpu *vcpu, uint32_t from, uint32_t least)
{
    uint32_t best = entries(vcpu);
    uint32_t best_rank = RANK_FREE;

    for (uint32_t n = from; n < entries(vcpu); n++) {
        uint32_t r = rank(entry_read(vcpu, n));

        if (r >= least && r < best_rank) {
            best = n;
            best_rank = r;
        }
    }
    return best;
}

static void swap(struct vcpu *vcpu, uint32_t a, uint32_t b)
{
    uint64_t lr = entry_read(vcpu, a);

    entry_write(vcpu, a, entry_read(vcpu, b));
    entry_write(vcpu, b, lr);
}

/*
 * ICH_HCR_EL2.EOIcount: how many interrupts the guest has ended that no list register had.
 * They were in the queue. The most urgent ended first: a guest with EOImode 0 ends in the
 * reverse order of taking. One with EOImode 1 is trapped instead, and what is counted is not
 * taken for an end: a bare-metal guest with EOImode 1 failed on QEMU 7.2 when it was, with 4
 * of 24 interrupts active. (It looks as if priority drops were counted; that was not examined.)
 */
static void end_queued(struct vcpu *vcpu)
{
    bool split = (read_sysreg(ich_vmcr_el2) & ICH_VMCR_VEOIM) != 0;

    for (uint32_t n = ICH_HCR_EOICOUNT(read_sysreg(ich_hcr_el2)); n && !split; n--) {
        uint32_t i = find_first(vcpu, cpu.nr_lrs, RANK_ACTIVE) - cpu.nr_lrs;

        if (i == vcpu->nr_queue || !(vcpu->queue[i] & LR_ACTIVE))
            return; /* it ended what is not there: nothing happens */
        if (vcpu->queue[i] & LR_HW)
            write_sysreg(LR_PINTID(vcpu->queue[i]), icc_dir_el1);
        vcpu->queue[i] &= ~LR_ACTIVE;
    }
}

/*
 * Give the list registers to the entries that come first, and the guest something to take.
 * What then waits needs a maintenance interrupt when there may be room for it: when at
 * most one list register is in use (UIE), when the guest has nothing left to take (NPIE),
 * or when it has ended an active one before that (LRENPIE). A guest with EOImode 1 ends
 * them in any order, so its ICC_DIR_EL1 traps: by TDIR or, where that does not exist
 * (Cortex-A53), by TC, which traps others as well.
 */
static void settle(struct vcpu *vcpu)
{
    uint32_t last = cpu.nr_lrs - 1;
    uint64_t hcr = ICH_HCR_EN;

    end_queued(vcpu);
    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint32_t first = find_first(vcpu, n, RANK_UNREPORTED);

        if (first < entries(vcpu) && first != n)
            swap(vcpu, n, first);
    }
    if (rank(entry_read(vcpu, last)) < RANK_PENDING) {
        uint32_t pending = find_first(vcpu, cpu.nr_lrs, RANK_PENDING);

        if (pending < entries(vcpu))
            swap(vcpu, last, pending);
    }
    for (uint32_t i = vcpu->nr_queue; i > 0; i--) {
        if (rank(vcpu->queue[i - 1]) == RANK_FREE)
            vcpu->queue[i - 1] = vcpu->queue[--vcpu->nr_queue];
    }
    if (vcpu->nr_queue) {
        hcr |= ICH_HCR_UIE | ICH_HCR_LRENPIE;
        hcr |= read_sysreg(ich_vtr_el2) & ICH_VTR_TDS ? ICH_HCR_TDIR : ICH_HCR_TC;
    }
    if (find_first(vcpu, cpu.nr_lrs, RANK_PENDING) < entries(vcpu))
        hcr |= ICH_HCR_NPIE;
    write_sysreg(hcr, ich_hcr_el2);
}

/* Add an interrupt, or new states of one that is there. 0 or NO_ROOM. */
int lr_inject(struct vcpu *vcpu, uint64_t lr)
{
    uint32_t n = find(vcpu, LR_VINTID(~0ull), LR_VINTID(lr));
    uint64_t old = n < entries(vcpu) ? entry_read(vcpu, n) : 0;

    if (!old) {
        if (vcpu->nr_queue == RV_VCPU_IRQS - cpu.nr_lrs)
            return NO_ROOM;
        vcpu->queue[vcpu->nr_queue++] = lr;
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
    uint64_t old, left;
    uint32_t n;

    settle(vcpu); /* what the guest has ended is not active any more */
    n = find(vcpu, LR_VINTID(~0ull), vintid);
    if (n == entries(vcpu))
        return 0;
    old = entry_read(vcpu, n);
    left = old & ~((uint64_t)states << LR_STATE_SHIFT);
    if (!(left & LR_STATES)) {
        left = 0;
        if (old & LR_HW)
            write_sysreg(LR_PINTID(old), icc_dir_el1); /* a line that is still high comes again */
    }
    entry_write(vcpu, n, left);
    settle(vcpu);
    return (uint32_t)(old >> LR_STATE_SHIFT);
}

/* The maintenance interrupt: report what the guest has ended, then use the room. */
void lr_maintain(struct pcpu *pcpu)
{
    struct vcpu *vcpu = pcpu->vcpu;

    if (!vcpu)
        return;
    settle(vcpu);
    for (uint32_t i = 0; i < RV_VCPU_IRQS; i++) {
        uint32_t n = find_first(vcpu, 0, RANK_UNREPORTED);
        uint64_t lr = n < entries(vcpu) ? entry_read(vcpu, n) : 0;

        if (!is_unreported(lr))
            break;
        entry_write(vcpu, n, 0);
        event_send(pcpu, RV_EVENT_EOI, 0, 0, LR_VINTID(lr));
    }
    settle(vcpu);
}

/* Is there anything that the guest could take? */
bool lr_pending(const struct vcpu *vcpu)
{
    return find(vcpu, LR_PENDING, LR_PENDING) < entries(vcpu);
}

/* The direct entry that has this physical INTID, or NULL. 0: the first free one. */
struct direct_entry *lr_direct_entry(struct vcpu *vcpu, uint64_t pintid)
{
    for (uint32_t i = 0; i < RV_MAX_DIRECT; i++) {
        if (vcpu->direct[i].pintid == pintid)
            return &vcpu->direct[i];
    }
    return NULL;
}

/* The physical side of the direct entries, as the vCPU comes or goes. */
void lr_direct(struct vcpu *vcpu, bool on)
{
    for (uint32_t i = 0; i < RV_MAX_DIRECT && vcpu->direct[i].pintid; i++) {
        const struct direct_entry *d = &vcpu->direct[i];

        if (on) {
            gic_enable_ppi(vcpu->pcpu, d);
        } else {
            gic_write_ppis(vcpu->pcpu, GICR_ICENABLER0, 1u << d->pintid);
            gic_write_ppis(vcpu->pcpu, GICR_ICACTIVER0, 1u << d->pintid);
        }
    }
}

void lr_save(struct vcpu *vcpu)
{
    struct rv_gic *gic = &vcpu->page->gic;
    uint32_t nr_irqs = 0;

    settle(vcpu);
    for (uint32_t n = 0; n < entries(vcpu); n++) {
        uint64_t lr = entry_read(vcpu, n);

        if (lr & LR_STATES)
            gic->irq[nr_irqs++] = lr;
    }
    gic->nr_irqs = nr_irqs;
#define X(field, reg) gic->field = read_sysreg(reg);
    GIC_REGISTERS(X)
#undef X
    gic->ppi_pending = GICR(vcpu->pcpu, GICR_ISPENDR0);
}

/* May the guest have this entry? HW=1 lets it deactivate a physical interrupt. */
static bool is_legal(struct vcpu *vcpu, uint64_t lr)
{
    const struct direct_entry *d;

    if (!(lr & LR_STATES))
        return false;
    if (!(lr & LR_HW))
        return LR_VINTID(lr) < INTID_SPECIAL;
    if ((lr & LR_STATES) == LR_STATES)
        return false; /* UNPREDICTABLE with HW */
    d = lr_direct_entry(vcpu, LR_PINTID(lr));
    return d && d->pintid && d->vintid == LR_VINTID(lr);
}

/*
 * From the page. The interrupts are copied, and the copy is checked before anything changes.
 * No virtual INTID may be there twice: in list registers that is UNPREDICTABLE (IHI 0069,
 * ICH_LR<n>_EL2.vINTID). 0 or RV_REFUSED_REGISTER.
 */
int lr_load(struct vcpu *vcpu)
{
    const volatile struct rv_gic *gic = &vcpu->page->gic;
    uint32_t nr_irqs = gic->nr_irqs;
    uint64_t irq[RV_VCPU_IRQS];
    uint32_t direct = 0;

    if (nr_irqs > RV_VCPU_IRQS)
        return RV_REFUSED_REGISTER;
    nr_irqs = (uint32_t)index_nospec(nr_irqs, RV_VCPU_IRQS + 1);
    for (uint32_t i = 0; i < nr_irqs; i++) {
        irq[i] = gic->irq[i];
        if (!is_legal(vcpu, irq[i]))
            return RV_REFUSED_REGISTER;
        for (uint32_t j = 0; j < i; j++) {
            if (LR_VINTID(irq[j]) == LR_VINTID(irq[i]))
                return RV_REFUSED_REGISTER;
        }
    }
    for (uint32_t n = 0; n < cpu.nr_lrs; n++)
        entry_write(vcpu, n, 0);
    vcpu->nr_queue = nr_irqs;
    for (uint32_t i = 0; i < nr_irqs; i++) {
        vcpu->queue[i] = irq[i];
        if (irq[i] & LR_HW)
            direct |= 1u << LR_PINTID(irq[i]) % 32;
    }
    if (direct)
        gic_write_ppis(vcpu->pcpu, GICR_ISACTIVER0, direct);
#define X(field, reg) write_sysreg(gic->field, reg);
    GIC_REGISTERS(X)
#undef X
    write_sysreg(0, ich_hcr_el2); /* EOIcount: of another vCPU's, or of what is forgotten here */
    settle(vcpu);
    return 0;
}
