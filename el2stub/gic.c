/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The physical GICv3 (IHI 0069). All of the stub's interrupts are group 1 and
 * are taken at EL2: the kick (SGI 0), the doorbell (an SPI), the maintenance
 * interrupt, and those that it injects directly. Priority drop and deactivation
 * are separate (EOImode 1): a guest's EOI deactivates what was injected.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define INTID_KICK    0u
#define ICC_SRE_ON    0x7u /* SRE, DFB, DIB; not Enable */
#define PRIORITIES_A0 0xa0a0a0a0u
#define BOUND         1000000u /* looks at a register that is to change soon */

/* 0, or RV_BOOT_NO_GICV3: the bits did not clear. */
static int wait_clear(uint64_t reg, uint32_t bits)
{
    for (uint32_t i = 0; i < BOUND; i++) {
        if (!(mmio32(reg) & bits))
            return 0;
    }
    return RV_BOOT_NO_GICV3;
}

/* Boot CPU only. 0 or RV_BOOT_NO_GICV3. */
int gic_init(void)
{
    uint64_t gicd = boot.gicd_base;
    uint32_t spi = boot.doorbell_intid;

    mmio32(gicd + GICD_CTLR) = GICD_CTLR_ARE | GICD_CTLR_GRP1;
    if (wait_clear(gicd + GICD_CTLR, GICD_CTLR_RWP))
        return RV_BOOT_NO_GICV3;
    mmio32(gicd + GICD_IGROUPR(spi)) |= 1u << spi % 32;
    mmio32(gicd + GICD_IPRIORITYR(spi)) = PRIORITIES_A0;
    mmio64(gicd + GICD_IROUTER(spi)) = boot.pcpu[0].mpidr & MPIDR_AFFINITY;
    mmio32(gicd + GICD_ISENABLER(spi)) = 1u << spi % 32;
    return 0;
}

/* On each core. 0 or RV_BOOT_NO_GICV3. */
int gic_init_cpu(struct pcpu *pcpu)
{
    GICR(pcpu, GICR_WAKER) &= ~GICR_WAKER_PROCESSOR_SLEEP;
    if (wait_clear(boot.pcpu[pcpu->index].gicr_base + GICR_WAKER, GICR_WAKER_CHILDREN_ASLEEP))
        return RV_BOOT_NO_GICV3;
    GICR(pcpu, GICR_ICENABLER0) = ~0u;
    GICR(pcpu, GICR_ICACTIVER0) = ~0u;
    GICR(pcpu, GICR_IGROUPR0) = ~0u;
    for (uint32_t i = 0; i < 8; i++)
        GICR(pcpu, GICR_IPRIORITYR0 + 4 * i) = PRIORITIES_A0;
    GICR(pcpu, GICR_ISENABLER0) = 1u << INTID_KICK | 1u << boot.maintenance_intid;

    /* The guest's ICC_SRE_EL1 is on too, and traps: ICC_SRE_EL2.Enable is 0. */
    write_sysreg(ICC_SRE_ON, icc_sre_el2);
    isb();
    write_sysreg(ICC_SRE_ON, icc_sre_el1);
    isb();
    write_sysreg(0xff, icc_pmr_el1);
    write_sysreg(0, icc_bpr1_el1);
    write_sysreg(ICC_CTLR_EOI, icc_ctlr_el1);
    write_sysreg(1, icc_igrpen1_el1);
    isb();
    return 0;
}

/* The value of ICC_SGI1R_EL1 that sends the kick to this core. */
static uint64_t kick_to(uint64_t mpidr)
{
    uint64_t aff3 = mpidr >> 32 & 0xff;
    uint64_t aff2 = mpidr >> 16 & 0xff;
    uint64_t aff1 = mpidr >> 8 & 0xff;
    uint64_t range = mpidr >> 4 & 0xf; /* which 16 values of Aff0 the target list is for */
    uint64_t targets = 1ull << (mpidr & 0xf);

    return aff3 << 48 | range << 44 | aff2 << 32 | (uint64_t)INTID_KICK << 24 | aff1 << 16 |
           targets;
}

/* Send the kick to all pCPUs in the mask. */
void gic_kick(uint64_t mask)
{
    dsb_ish(); /* what the target is to see was stored before */
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        if (mask >> i & 1)
            write_sysreg(kick_to(boot.pcpu[i].mpidr), icc_sgi1r_el1);
    }
    isb();
}

/* Enable the PPI of a direct entry in this core, or mask it, as the entry says. */
void gic_enable_ppi(struct pcpu *pcpu, const struct direct_entry *entry)
{
    if (entry->flags & RV_IRQ_ENABLED)
        GICR(pcpu, GICR_ISENABLER0) = 1u << entry->pintid;
    else
        GICR(pcpu, GICR_ICENABLER0) = 1u << entry->pintid;
}

/* A direct interrupt of the vCPU that is live here goes into a list register. */
static bool inject_direct(struct vcpu *vcpu, uint32_t intid)
{
    if (!vcpu)
        return false;
    for (uint32_t i = 0; i < RV_MAX_DIRECT; i++) {
        const struct direct_entry *d = &vcpu->direct[i];
        uint64_t lr = rv_gic_irq(d->vintid, d->flags | RV_IRQ_PENDING);

        if (d->pintid != intid || !(d->flags & RV_IRQ_ENABLED))
            continue;
        lr |= LR_HW | (uint64_t)intid << LR_PINTID_SHIFT;
        return lr_inject(vcpu, lr) == 0;
    }
    return false;
}

/* An interrupt that is neither the stub's own nor the guest's. True: the guest deactivates it. */
static bool handle_other(struct pcpu *pcpu, uint32_t intid)
{
    if (inject_direct(pcpu->vcpu, intid))
        return true;
    if (intid < 32)
        GICR(pcpu, GICR_ICENABLER0) = 1u << intid; /* nobody's: not again */
    return false;
}

/*
 * Take what is pending. A guest may not keep the core here, so the number of
 * rounds has a bound; what is left raises the exception again.
 */
void gic_irq(struct pcpu *pcpu)
{
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t intid = (uint32_t)read_sysreg(icc_iar1_el1) & 0xffffff;
        bool of_guest = false;

        if (intid >= INTID_SPECIAL)
            return;
        dsb_ish();
        write_sysreg(intid, icc_eoir1_el1);
        if (intid == boot.doorbell_intid)
            gic_kick(platform_doorbell_kicks() & ~(1ull << pcpu->index));
        else if (intid == boot.maintenance_intid)
            lr_maintain(pcpu);
        else if (intid != INTID_KICK)
            of_guest = handle_other(pcpu, intid);
        if (!of_guest)
            write_sysreg(intid, icc_dir_el1);
    }
}
