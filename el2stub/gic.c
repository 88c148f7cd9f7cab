/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The physical GICv3 (IHI 0069). All of the stub's interrupts are group 1 and
 * are taken at EL2: the kick (SGI 0), the doorbell (an SPI), the maintenance
 * interrupt, and those that it injects directly. Priority drop and deactivation
 * are separate (EOImode 1): a guest's EOI deactivates what was injected.
 */
#include "arch.h"
#include "el2stub/stub.h"
#include "shortcut.h"

#define INTID_KICK  0u
#define ICC_SRE_ON  0x7u /* SRE, DFB, DIB; not Enable */
#define PRIORITY_A0 0xa0u
#define BOUND       1000000u /* looks at a register that is to change soon */

/* 0, or RV_BOOT_NO_GICV3: the bits did not clear. */
static int wait_clear(uint64_t reg, uint32_t bits)
{
    for (uint32_t i = 0; i < BOUND; i++) {
        if (!(mmio_load32(reg) & bits))
            return 0;
    }
    return RV_BOOT_NO_GICV3;
}

/*
 * Store to a register that has a bit for each SGI and PPI of this core, and wait until it
 * has taken effect. A masked one may be signalled until GICR_CTLR.RWP is clear. A new active
 * state comes some time later, and a guest's EOI, which goes another way, could overtake it:
 * the interrupt would be active for ever. A load from there waits for it (IHI 0069).
 */
void gic_write_ppis(struct pcpu *pcpu, uint64_t reg, uint32_t ppis)
{
    uint64_t gicr = boot.pcpu[pcpu->index].gicr_base;

    mmio32(gicr + reg) = ppis;
    wait_clear(gicr + GICR_CTLR, GICR_CTLR_RWP);
    mmio_load32(gicr + GICR_ISACTIVER0);
    dsb_sy();
}

/*
 * Boot CPU only. The distributor may have other users: only the stub's own bits and bytes
 * are written. 0 or RV_BOOT_NO_GICV3.
 */
int gic_init(void)
{
    uint64_t gicd = boot.gicd_base;
    uint32_t spi = boot.doorbell_intid;

    mmio32(gicd + GICD_CTLR) |= GICD_CTLR_ARE | GICD_CTLR_GRP1;
    if (wait_clear(gicd + GICD_CTLR, GICD_CTLR_RWP))
        return RV_BOOT_NO_GICV3;
    mmio32(gicd + GICD_IGROUPR(spi)) |= 1u << spi % 32;
    mmio8(gicd + GICD_IPRIORITYR(spi)) = PRIORITY_A0;
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
    gic_write_ppis(pcpu, GICR_ICENABLER0, ~0u);
    gic_write_ppis(pcpu, GICR_ICACTIVER0, ~0u);
    GICR(pcpu, GICR_IGROUPR0) = ~0u;
    for (uint32_t i = 0; i < 8; i++)
        GICR(pcpu, GICR_IPRIORITYR0 + 4 * i) = PRIORITY_A0 * 0x01010101u; /* of four interrupts */
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

/* Send the kick to all pCPUs in the mask. */
void gic_kick(uint64_t mask)
{
    dsb_ish(); /* what the target is to see was stored before */
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        if (mask >> i & 1)
            write_sysreg(boot.pcpu[i].kick, icc_sgi1r_el1);
    }
    isb();
}

/* An interrupt that nobody has asked for, and that is no PPI. An SPI is masked. */
static void handle_stray(struct pcpu *pcpu, uint32_t intid)
{
    if (platform_stray(intid))
        return;
    if (intid < INTID_SPECIAL)
        mmio32(boot.gicd_base + GICD_ICENABLER(intid)) = 1u << intid % 32;
    if (event_has_room(pcpu)) /* else this may be where one waits for room */
        event_send(pcpu, RV_EVENT_STRAY, 0, 0, intid);
}

/*
 * Take what is pending. A guest may not keep the core here, so the number of
 * rounds has a bound; what is left raises the exception again. INTIDs 1020 to 1023 say
 * that there is none; those above are LPIs and others, which need the priority drop as
 * all do (IHI 0069, "INTIDs"). They are not deactivated: LPIs have no active state, and
 * the others are best left in it. PPIs stay active until lr_take_ppis() has seen them: what
 * they cause may have to wait for room in the event ring, and such a wait comes here, too.
 */
void gic_irq(struct pcpu *pcpu)
{
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t intid = (uint32_t)read_sysreg(icc_iar1_el1) & 0xffffff;

        if (intid >= INTID_SPECIAL && intid <= INTID_NONE)
            return;
        dsb_sy(); /* IHI 0069: the acknowledge is done before anything that follows from it */
        write_sysreg(intid, icc_eoir1_el1);
        if (intid < INTID_SPI && intid != INTID_KICK) {
            pcpu->ppis |= 1u << intid;
            continue;
        }
        if (intid == boot.doorbell_intid)
            gic_kick(platform_doorbell_kicks() & ~(1ull << pcpu->index));
        else if (intid != INTID_KICK)
            handle_stray(pcpu, intid);
        if (intid < INTID_SPECIAL)
            write_sysreg(intid, icc_dir_el1);
    }
}
