/* SPDX-License-Identifier: BSD-2-Clause */
/* GICv3 (IHI 0069): registers and fields that the stub and the vmm both need. */
#pragma once

#define GICD_CTLR          0x0000u
#define GICD_CTLR_GRP0     (1u << 0)
#define GICD_CTLR_GRP1     (1u << 1)
#define GICD_CTLR_ARE      (1u << 4)
#define GICD_IGROUPR(n)    (0x0080u + (n) / 32 * 4)
#define GICD_ISENABLER(n)  (0x0100u + (n) / 32 * 4)
#define GICD_ICENABLER(n)  (0x0180u + (n) / 32 * 4)
#define GICD_ISPENDR(n)    (0x0200u + (n) / 32 * 4)
#define GICD_IPRIORITYR(n) (0x0400u + (n)) /* a byte for each interrupt */
#define GICD_IROUTER(n)    (0x6000u + (n)*8ull)

#define GICR_CTLR                  0x0000u
#define GICR_WAKER                 0x0014u
#define GICR_WAKER_PROCESSOR_SLEEP (1u << 1)
#define GICR_WAKER_CHILDREN_ASLEEP (1u << 2)
#define GICR_SGI                   0x10000u /* SGI_base: the registers below */
#define GICR_IGROUPR0              (GICR_SGI + 0x0080u)
#define GICR_ISENABLER0            (GICR_SGI + 0x0100u)
#define GICR_ICENABLER0            (GICR_SGI + 0x0180u)
#define GICR_ISPENDR0              (GICR_SGI + 0x0200u)
#define GICR_ISACTIVER0            (GICR_SGI + 0x0300u)
#define GICR_ICACTIVER0            (GICR_SGI + 0x0380u)

/* ICC_SRE_EL2, ICC_CTLR_EL1, ICH_HCR_EL2, ICH_VTR_EL2. */
#define ICC_CTLR_EOI     (1u << 1)
#define ICH_HCR_UIE      (1u << 1)       /* maintenance interrupt: at most one LR is in use */
#define ICH_HCR_LRENPIE  (1u << 2)       /* ... EOIcount is not 0 */
#define ICH_HCR_NPIE     (1u << 3)       /* ... no LR is pending */
#define ICH_HCR_TC       (1u << 10)      /* trap: all registers that both groups have */
#define ICH_HCR_TDIR     (1u << 14)      /* trap: ICC_DIR_EL1 */
#define ICH_HCR_EOICOUNT (0x1full << 27) /* ended, but in no list register */
#define ICH_VMCR_VEOIM   (1ull << 9)     /* the guest has EOImode 1 */
#define ICH_VTR_LRS(vtr) ((uint32_t)((vtr)&0xf) + 1) /* ListRegs: 16 at most */
#define ICH_VTR_TDS      (1ull << 19)                /* ICH_HCR_EL2.TDIR exists */

/* ICH_LR<n>_EL2; also the format of struct rv_gic. */
#define LR_STATE_SHIFT    62 /* RV_LR_PENDING, RV_LR_ACTIVE */
#define LR_ACTIVE         (1ull << 63)
#define LR_PENDING        (1ull << 62)
#define LR_STATES         (3ull << 62)
#define LR_HW             (1ull << 61)
#define LR_GROUP1         (1ull << 60)
#define LR_PRIORITY_SHIFT 48
#define LR_PRIORITY(lr)   ((lr) >> 48 & 0xff)
#define LR_EOI            (1ull << 41) /* with LR_HW clear */
#define LR_PINTID_SHIFT   32
#define LR_PINTID(lr)     ((uint32_t)((lr) >> 32 & 0x1fff))
#define LR_VINTID(lr)     ((uint32_t)(lr))
