/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The physical GICv3 (IHI 0069). All of the stub's interrupts are group 1 and
 * are taken at EL2: the kick (SGI 0), the doorbell (an SPI), the maintenance
 * interrupt, and those that it injects directly. Priority drop and deactivation
 * are separate (EOImode 1): a guest's EOI deactivates what was injected.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define GICD_CTLR          0x0000u
#define GICD_CTLR_GRP1     (1u << 1)
#define GICD_CTLR_ARE      (1u << 4)
#define GICD_CTLR_RWP      (1u << 31)
#define GICD_IGROUPR(n)    (0x0080u + (n) / 32 * 4)
#define GICD_ISENABLER(n)  (0x0100u + (n) / 32 * 4)
#define GICD_IPRIORITYR(n) (0x0400u + (n) / 4 * 4)
#define GICD_IROUTER(n)    (0x6000u + (n)*8ull)
#define GICD_PIDR2         0xffe8u

#define GICR_FRAMES      0x20000ull /* RD_base and SGI_base of one core */
#define GICR_TYPER       0x0008u
#define GICR_TYPER_LAST  (1ull << 4)
#define GICR_WAKER       0x0014u
#define GICR_WAKER_SLEEP (1u << 1)
#define GICR_WAKER_CHILD (1u << 2)
#define GICR_SGI         0x10000u /* SGI_base: the registers below */
#define GICR_IGROUPR0    0x0080u
#define GICR_ISENABLER0  0x0100u
#define GICR_ICENABLER0  0x0180u
#define GICR_ISPENDR0    0x0200u
#define GICR_ISACTIVER0  0x0300u
#define GICR_ICACTIVER0  0x0380u
#define GICR_IPRIORITYR0 0x0400u

#define PRIORITIES_A0 0xa0a0a0a0u
#define INTID_KICK    0u
#define BOUND         1000000u /* looks at a register that is to change soon */

/* 0 or RV_BOOT_NO_GICV3. Boot CPU only. */
int gic_init(void)
{
    uint64_t gicd = boot.gicd_base;
    uint32_t spi = boot.doorbell_intid;
    uint32_t bit = 1u << spi % 32;

    if ((mmio_read32(gicd + GICD_PIDR2) >> 4 & 0xf) < 3)
        return RV_BOOT_NO_GICV3;
    mmio_write32(gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1);
    for (uint32_t i = 0; mmio_read32(gicd + GICD_CTLR) & GICD_CTLR_RWP; i++) {
        if (i == BOUND)
            return RV_BOOT_NO_GICV3;
    }
    mmio_write32(gicd + GICD_IGROUPR(spi), mmio_read32(gicd + GICD_IGROUPR(spi)) | bit);
    mmio_write32(gicd + GICD_IPRIORITYR(spi), PRIORITIES_A0);
    mmio_write64(gicd + GICD_IROUTER(spi), boot.mpidr[0] & 0xff00ffffffull);
    mmio_write32(gicd + GICD_ISENABLER(spi), bit);
    return 0;
}

/* This core's redistributor is the one that has its affinity in GICR_TYPER. */
static uint64_t find_redistributor(uint64_t mpidr)
{
    uint64_t affinity = (mpidr & 0xffffff) | (mpidr >> 8 & 0xff000000);

    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        uint64_t gicr = boot.gicr_base + i * GICR_FRAMES;
        uint64_t typer = mmio_read64(gicr + GICR_TYPER);

        if (typer >> 32 == affinity)
            return gicr;
        if (typer & GICR_TYPER_LAST)
            break;
    }
    return 0;
}

/* 0 or RV_BOOT_NO_GICV3. On each core. */
int gic_init_cpu(struct pcpu *pcpu)
{
    uint64_t gicr = find_redistributor(boot.mpidr[pcpu->index]);
    uint64_t sgi = gicr + GICR_SGI;

    if (!gicr)
        return RV_BOOT_NO_GICV3;
    pcpu->gicr = gicr;
    mmio_write32(gicr + GICR_WAKER, mmio_read32(gicr + GICR_WAKER) & ~GICR_WAKER_SLEEP);
    for (uint32_t i = 0; mmio_read32(gicr + GICR_WAKER) & GICR_WAKER_CHILD; i++) {
        if (i == BOUND)
            return RV_BOOT_NO_GICV3;
    }
    mmio_write32(sgi + GICR_ICENABLER0, ~0u);
    mmio_write32(sgi + GICR_ICACTIVER0, ~0u);
    mmio_write32(sgi + GICR_IGROUPR0, ~0u);
    for (uint32_t i = 0; i < 8; i++)
        mmio_write32(sgi + GICR_IPRIORITYR0 + 4 * i, PRIORITIES_A0);
    mmio_write32(sgi + GICR_ISENABLER0, 1u << INTID_KICK | 1u << boot.maintenance_intid);

    write_sysreg(0xf, icc_sre_el2); /* SRE, no bypass, and EL1 may use it too */
    isb();
    write_sysreg(0xff, icc_pmr_el1);
    write_sysreg(0, icc_bpr1_el1);
    write_sysreg(1u << 1, icc_ctlr_el1); /* EOImode */
    write_sysreg(1, icc_igrpen1_el1);
    isb();
    return 0;
}

/* Send the kick to all pCPUs in the mask. */
void gic_kick(uint64_t mask)
{
    dsb_ish(); /* what the target is to see was stored before */
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        uint64_t mpidr = boot.mpidr[i];

        if (!(mask >> i & 1))
            continue;
        /* ICC_SGI1R_EL1: Aff3.Aff2.Aff1, range of Aff0 by 16, target list. */
        write_sysreg((mpidr >> 32 & 0xff) << 48 | (mpidr >> 4 & 0xf) << 44 |
                         (mpidr >> 16 & 0xff) << 32 | (uint64_t)INTID_KICK << 24 |
                         (mpidr >> 8 & 0xff) << 16 | 1ull << (mpidr & 0xf),
                     icc_sgi1r_el1);
    }
    isb();
}

void gic_ppi_enable(const struct pcpu *pcpu, uint32_t intid, bool on)
{
    mmio_write32(pcpu->gicr + GICR_SGI + (on ? GICR_ISENABLER0 : GICR_ICENABLER0), 1u << intid);
}

void gic_ppi_active(const struct pcpu *pcpu, uint32_t intid, bool on)
{
    mmio_write32(pcpu->gicr + GICR_SGI + (on ? GICR_ISACTIVER0 : GICR_ICACTIVER0), 1u << intid);
}

bool gic_ppi_pending(const struct pcpu *pcpu, uint32_t intid)
{
    return mmio_read32(pcpu->gicr + GICR_SGI + GICR_ISPENDR0) >> intid & 1;
}

void gic_deactivate(uint32_t intid)
{
    write_sysreg(intid, icc_dir_el1);
}

/* A direct interrupt of the vCPU that is live here goes into a list register. */
static bool inject_direct(struct pcpu *pcpu, uint32_t intid)
{
    struct vcpu *vcpu = pcpu->vcpu;

    for (uint32_t i = 0; vcpu && i < RV_MAX_DIRECT; i++) {
        const struct direct_entry *d = &vcpu->direct[i];

        if (d->pintid != intid || !(d->flags & RV_IRQ_ENABLED))
            continue;
        return lr_inject(vcpu, LR_PENDING | LR_HW | (uint64_t)intid << 32 | d->vintid |
                                   (d->flags & RV_IRQ_GROUP1 ? LR_GROUP1 : 0) |
                                   (uint64_t)(d->flags & RV_IRQ_PRIORITY) << 48) == 0;
    }
    return false;
}

/*
 * Take what is pending. At most one of each kind can be, and a guest may not
 * keep the core here, so the number of rounds has a bound; what is left raises
 * the exception again.
 */
void gic_irq(struct pcpu *pcpu)
{
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t intid = (uint32_t)read_sysreg(icc_iar1_el1) & 0xffffff;

        if (intid >= INTID_SPECIAL)
            return;
        dsb_ish();
        write_sysreg(intid, icc_eoir1_el1);
        if (intid == boot.doorbell_intid)
            gic_kick(platform_doorbell_kicks() & ~(1ull << pcpu->index));
        else if (intid == boot.maintenance_intid)
            lr_maintain(pcpu);
        else if (intid != INTID_KICK && inject_direct(pcpu, intid))
            continue; /* the guest deactivates it */
        else if (intid != INTID_KICK && intid < 32)
            gic_ppi_enable(pcpu, intid, false); /* nobody's: not again */
        gic_deactivate(intid);
    }
}
