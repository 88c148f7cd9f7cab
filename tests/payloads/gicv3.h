/* SPDX-License-Identifier: BSD-2-Clause */
/* GICv3 as a payload needs it (IHI 0069): one security state, affinity routing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/payloads/guest.h"

#define GICD_BASE 0x08000000ull
#define GICR_BASE 0x080a0000ull
#define SGI_BASE  (GICR_BASE + 0x10000u) /* the redistributor's second frame */

#define GICD_CTLR      0x0000u
#define GICD_TYPER     0x0004u
#define GICD_IROUTER   0x6000u
#define GICD_PIDR2     0xffe8u
#define GICR_TYPER     0x0008u
#define GICR_WAKER     0x0014u
#define GICR_PIDR2     0xffe8u
#define GIC_IGROUPR    0x0080u /* from here on: GICD_ for SPIs, GICR_ in the SGI frame */
#define GIC_ISENABLER  0x0100u
#define GIC_ICENABLER  0x0180u
#define GIC_ISPENDR    0x0200u
#define GIC_ICPENDR    0x0280u
#define GIC_ISACTIVER  0x0300u
#define GIC_ICACTIVER  0x0380u
#define GIC_IPRIORITYR 0x0400u
#define GIC_ICFGR      0x0c00u
#define GICD_CTLR_GRP0 0x01u
#define GICD_CTLR_GRP1 0x02u
#define GICD_CTLR_ARE  0x10u
#define GICD_CTLR_DS   0x40u
#define GICD_CTLR_RWP  0x80000000u
#define GICR_WAKER_PS  0x2u /* ProcessorSleep */
#define GICR_WAKER_CA  0x4u /* ChildrenAsleep */
#define GIC_SPURIOUS   1023u
#define GIC_PRIORITY   0xa0u /* of all interrupts after gic_init */
#define PPI_TIMER_VIRT 27u
#define PPI_TIMER_PHYS 30u

/* ICC_*_EL1 by encoding: baseline assemblers do not know all the names. */
#define ICC_PMR     S3_0_C4_C6_0
#define ICC_IAR0    S3_0_C12_C8_0
#define ICC_EOIR0   S3_0_C12_C8_1
#define ICC_BPR0    S3_0_C12_C8_3
#define ICC_DIR     S3_0_C12_C11_1
#define ICC_RPR     S3_0_C12_C11_3
#define ICC_SGI1R   S3_0_C12_C11_5
#define ICC_SGI0R   S3_0_C12_C11_7
#define ICC_IAR1    S3_0_C12_C12_0
#define ICC_EOIR1   S3_0_C12_C12_1
#define ICC_HPPIR1  S3_0_C12_C12_2
#define ICC_BPR1    S3_0_C12_C12_3
#define ICC_CTLR    S3_0_C12_C12_4
#define ICC_SRE     S3_0_C12_C12_5
#define ICC_IGRPEN0 S3_0_C12_C12_6
#define ICC_IGRPEN1 S3_0_C12_C12_7

/* So that the macros above are expanded before READ_SYSREG makes a string of them. */
#define ICC_READ(name)         READ_SYSREG(name)
#define ICC_WRITE(name, value) WRITE_SYSREG(name, value)

#define ICC_CTLR_EOIMODE 0x2u

/*
 * Puts all to a known state: distributor on, all interrupts disabled, not
 * pending, not active, group 1, priority GIC_PRIORITY, level-triggered, SPIs
 * to CPU 0; CPU interface on, PMR 0xff, EOImode 0; the log empty.
 */
void gic_init(void);
void gic_init_cpu(void); /* the calling CPU's interface alone */

/* One interrupt's bit in a bitmap register, SGI, PPI or SPI. */
void gic_write_bit(unsigned reg, unsigned intid);
bool gic_read_bit(unsigned reg, unsigned intid);

/* A device's line takes its time: waits until the interrupt is pending. False after a second. */
bool gic_wait_pending(unsigned intid);

static inline void gic_enable(unsigned intid)
{
    gic_write_bit(GIC_ISENABLER, intid);
}
void gic_disable(unsigned intid); /* waits until it took effect (RWP) */
void gic_set_priority(unsigned intid, uint8_t priority);
void gic_set_group(unsigned intid, unsigned group);
void gic_set_edge(unsigned intid, bool edge);
void gic_route(unsigned spi, uint64_t affinity);
void gic_wait_rwp(void);

/* SGI to the CPUs of the mask in cluster 0.0.0. */
void gic_send_sgi(unsigned intid, unsigned cpus);

/*
 * What the handler that gic_init installs does: acknowledge, log, call the
 * hook, end (by EOIR, and DIR too when gic_auto_dir is set).
 */
#define GIC_LOG_LENGTH 64u
struct gic_log {
    unsigned count; /* of interrupts; the log has the first GIC_LOG_LENGTH */
    unsigned spurious;
    unsigned fiqs;
    uint32_t intid[GIC_LOG_LENGTH];
};
extern volatile struct gic_log gic_log;
extern void (*volatile gic_hook)(unsigned intid);
extern volatile bool gic_auto_dir;

void gic_log_clear(void);

/* Unmasked until `count` interrupts came, or a second; then a little longer, for surplus ones. */
void gic_take(unsigned count);
