/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * List registers (GICv3 IHI 0069, ICH_LR<n>_EL2) of the vCPU that is live in this core. An
 * interrupt that finds none free goes to the vmm, which decides who gets them.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define GUEST_PPIS (~(SGIS | 1u << boot.maintenance_intid)) /* a bit for each */

static uint64_t lr_read(uint32_t n)
{
    switch (n) {
#define X(i) \
    case i: return read_sysreg(ich_lr##i##_el2);
        EACH_OF_16(X)
#undef X
    default: return 0;
    }
}

static void lr_write(uint32_t n, uint64_t lr)
{
    switch (n) {
#define X(i) \
    case i: write_sysreg(lr, ich_lr##i##_el2); break;
        EACH_OF_16(X)
#undef X
    default: break;
    }
    isb(); /* before ICH_ELRSR_EL2 and ICH_EISR_EL2 are read */
}

/* The first that is in use and, of the bits in `mask`, has just these; or cpu.nr_lrs. */
static uint32_t find(uint64_t mask, uint64_t bits)
{
    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t lr = lr_read(n);

        if (lr & LR_STATES && (lr & mask) == bits)
            return n;
    }
    return cpu.nr_lrs;
}

/*
 * Add an interrupt, or new states of one that is there. Once one has found no room, and while
 * the vmm has some that wait, those after it go the same way: none gets two places, and none
 * overtakes.
 */
void lr_inject(struct pcpu *pcpu, uint64_t lr)
{
    uint32_t n = find(LR_VINTID(~0ull), LR_VINTID(lr));
    uint64_t empty = read_sysreg(ich_elrsr_el2); /* not in use, and their ends are reported */

    if (n < cpu.nr_lrs) {
        uint64_t old = lr_read(n);

        if (old & LR_HW)
            return; /* it may not be pending and active, and its line is its own */
        if (!(lr & LR_HW))
            lr |= old & (LR_STATES | LR_EOI);
        lr_write(n, lr);
        return;
    }
    if (empty && !pcpu->vcpu->overflowed) {
        lr_write((uint32_t)__builtin_ctzll(empty), lr);
        return;
    }
    pcpu->vcpu->overflowed = true;
    event_send(pcpu, RV_EVENT_REFILL, 0, 0, lr);
}

/* Take `states` from an interrupt: RV_LR_*, as is the result, those that it had. */
uint32_t lr_retract(uint32_t vintid, uint32_t states)
{
    uint32_t n = find(LR_VINTID(~0ull), vintid);
    uint64_t old, left;

    if (n == cpu.nr_lrs)
        return 0;
    old = lr_read(n);
    left = old & ~((uint64_t)states << LR_STATE_SHIFT);
    if (!(left & LR_STATES)) {
        left = 0;
        if (old & LR_HW)
            write_sysreg(LR_PINTID(old), icc_dir_el1); /* a line that is still high comes again */
    }
    lr_write(n, left);
    return (uint32_t)(old >> LR_STATE_SHIFT);
}

/*
 * The maintenance interrupt: report what the guest has ended. If the vmm wants to know of room
 * (RV_ICH_HCR_REFILL), there may be some: it is told once, and asks again when it has filled it.
 */
static void maintain(struct pcpu *pcpu)
{
    uint64_t hcr = read_sysreg(ich_hcr_el2);

    /* ICH_EISR_EL2: what the guest has ended and the vmm is to be told of (LR_EOI). */
    for (uint64_t ended = read_sysreg(ich_eisr_el2); ended; ended &= ended - 1) {
        uint32_t n = (uint32_t)__builtin_ctzll(ended);
        uint64_t lr = lr_read(n);

        lr_write(n, 0);
        event_send(pcpu, RV_EVENT_EOI, 0, 0, LR_VINTID(lr));
    }
    if (hcr & RV_ICH_HCR_REFILL) {
        write_sysreg(hcr & ~(uint64_t)RV_ICH_HCR_REFILL, ich_hcr_el2);
        event_send(pcpu, RV_EVENT_REFILL, 0, 0, 0);
    }
}

/*
 * Do what the PPIs ask for that gic_irq() has acknowledged. One that nobody here has asked for
 * is masked, so that it does not come again: those of a vCPU that has just left come here.
 */
void lr_take_ppis(struct pcpu *pcpu)
{
    while (pcpu->ppis) {
        uint32_t intid = (uint32_t)__builtin_ctz(pcpu->ppis);
        uint64_t lr = pcpu->vcpu ? pcpu->vcpu->direct[intid] : 0;

        pcpu->ppis &= ~(1u << intid);
        if (intid == boot.maintenance_intid) {
            if (pcpu->vcpu)
                maintain(pcpu);
        } else if (lr & LR_PENDING) {
            lr_inject(pcpu, lr);
            continue; /* the guest deactivates it */
        } else {
            gic_write_ppis(pcpu, GICR_ICENABLER0, 1u << intid);
        }
        write_sysreg(intid, icc_dir_el1);
    }
}

/* Is there anything that the guest could take? */
bool lr_pending(void)
{
    return find(LR_PENDING, LR_PENDING) < cpu.nr_lrs;
}

/* From the page: what the stub injects by itself into the vCPU, which is live or about to be. */
void lr_load_direct(struct vcpu *vcpu)
{
    const volatile uint64_t *direct = vcpu->page->direct;
    uint32_t enabled = 0;

    for (uint32_t n = 0; n < RV_NR_DIRECT; n++) {
        uint64_t lr = (direct[n] & RV_DIRECT_BITS) | n;

        if (!(SGIS >> n & 1))
            lr |= LR_HW | (uint64_t)n << LR_PINTID_SHIFT;
        if (lr & LR_PENDING)
            enabled |= 1u << n;
        vcpu->direct[n] = lr;
    }
    gic_write_ppis(vcpu->pcpu, GICR_ICENABLER0, GUEST_PPIS & ~enabled);
    gic_write_ppis(vcpu->pcpu, GICR_ISENABLER0, GUEST_PPIS & enabled);
    sgi_accept(vcpu, SGIS & enabled);
}

/* Their physical side, as the vCPU goes. */
void lr_mask_direct(struct vcpu *vcpu)
{
    gic_write_ppis(vcpu->pcpu, GICR_ICENABLER0, GUEST_PPIS);
    gic_write_ppis(vcpu->pcpu, GICR_ICACTIVER0, GUEST_PPIS);
}

/* To the page. EOIcount moves there: the vmm knows what the guest has ended. */
void lr_save(struct vcpu *vcpu)
{
    struct rv_gic *gic = &vcpu->page->gic;
    uint64_t hcr = read_sysreg(ich_hcr_el2);

    for (uint32_t n = 0; n < cpu.nr_lrs; n++)
        gic->irq[n] = lr_read(n);
    gic->vmcr = read_sysreg(ich_vmcr_el2);
    gic->ap0r0 = read_sysreg(ich_ap0r0_el2);
    gic->ap1r0 = read_sysreg(ich_ap1r0_el2);
    gic->hcr = hcr & (RV_ICH_HCR_BITS | ICH_HCR_EOICOUNT);
    write_sysreg(hcr & ~ICH_HCR_EOICOUNT, ich_hcr_el2);
    gic->ppi_pending = GICR(vcpu->pcpu, GICR_ISPENDR0);
    gic->ppi_active = GICR(vcpu->pcpu, GICR_ISACTIVER0);
}

/* May the guest have this interrupt? HW=1 lets it deactivate a physical one: a PPI of its own. */
static bool is_legal(uint64_t lr)
{
    uint32_t intid = LR_VINTID(lr);

    if (!(lr & LR_HW))
        return intid < INTID_SPECIAL;
    if ((lr & LR_STATES) == LR_STATES)
        return false; /* UNPREDICTABLE with HW */
    return intid == LR_PINTID(lr) && intid < INTID_SPI && GUEST_PPIS >> intid & 1;
}

/*
 * From the page. The interrupts are copied, and the copy is checked before anything changes.
 * No virtual INTID may be there twice: in list registers that is UNPREDICTABLE (IHI 0069,
 * ICH_LR<n>_EL2.vINTID). 0 or RV_REFUSED_REGISTER.
 */
int lr_load(struct vcpu *vcpu)
{
    const volatile struct rv_gic *gic = &vcpu->page->gic;
    uint64_t irq[16], hcr = gic->hcr & RV_ICH_HCR_BITS;
    uint32_t active = (uint32_t)gic->ppi_active & GUEST_PPIS;

    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        irq[n] = gic->irq[n];
        if (!(irq[n] & LR_STATES)) {
            irq[n] = 0;
            continue;
        }
        if (!is_legal(irq[n]))
            return RV_REFUSED_REGISTER;
        for (uint32_t i = 0; i < n; i++) {
            if (irq[i] && LR_VINTID(irq[i]) == LR_VINTID(irq[n]))
                return RV_REFUSED_REGISTER;
        }
    }
    for (uint32_t n = 0; n < cpu.nr_lrs; n++)
        lr_write(n, irq[n]);
    if (active)
        gic_write_ppis(vcpu->pcpu, GICR_ISACTIVER0, active);
    write_sysreg(gic->vmcr, ich_vmcr_el2);
    write_sysreg(gic->ap0r0, ich_ap0r0_el2);
    write_sysreg(gic->ap1r0, ich_ap1r0_el2);
    write_sysreg(ICH_HCR_EN | hcr, ich_hcr_el2);
    vcpu->overflowed = hcr != 0;
    return 0;
}
