/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vgic's state: the bytes that a snapshot keeps. Internal to vmm/gic.
 *
 * Where an interrupt's pending state is:
 *  - level: LINE or MSG, or LATCH (written by GICD_ISPENDR);
 *  - edge: LATCH, until it is injected; then only in the vCPU's entry.
 * SENT means that the entry may have a pending state; it is set whenever the entry
 * has one. For a level interrupt it also means that vgic_eoi() will come, which
 * checks the wire again. HELD means that an entry may exist. For an edge interrupt
 * HELD may be stale, because nobody reports its end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/arm/gic.h"
#include "vmm/cpu/undo.h"
#include "vmm/gic/vgic.h"

#define IRQ_ENABLED    0x001u
#define IRQ_GROUP1     0x002u
#define IRQ_EDGE       0x004u
#define IRQ_LINE       0x008u /* the wire is high */
#define IRQ_MSG        0x010u /* level SPI asserted by GICD_SETSPI_NSR */
#define IRQ_LATCH      0x020u /* the pending latch, until it is injected */
#define IRQ_ACTIVE     0x040u /* active, but no vCPU has the entry yet */
#define IRQ_DIRECT     0x080u /* the stub injects it */
#define IRQ_SENT       0x100u
#define IRQ_SENT_LATCH 0x200u /* level: the entry's pending state (also) came from LATCH */
#define IRQ_HELD       0x400u /* `held_by` is valid */
#define IRQ_BITS       0x7ffu

#define IRQ_NOWHERE 0xffu /* `target`: no vCPU has that affinity */

struct vgic_irq {
    uint64_t router;  /* 0x00 GICD_IROUTER<n> */
    uint32_t bits;    /* 0x08 IRQ_* */
    uint32_t pushed;  /* 0x0c direct: the flags last sent to `home` by set_direct */
    uint8_t priority; /* 0x10 */
    uint8_t target;   /* 0x11 vCPU of the affinity in `router`, or IRQ_NOWHERE */
    uint8_t held_by;  /* 0x12 vCPU that has the entry */
    uint8_t home;     /* 0x13 direct SPI: the vCPU where it is configured */
    uint32_t pad;     /* 0x14 */
};
_Static_assert(sizeof(struct vgic_irq) == 0x18, "saved state layout");

struct vgic_vcpu {
    uint32_t affinity;                    /* 0x00 Aff3.Aff2.Aff1.Aff0, as in GICR_TYPER */
    uint32_t ctlr;                        /* 0x04 GICR_CTLR: DPG bits */
    uint32_t waker;                       /* 0x08 GICR_WAKER */
    uint32_t statusr;                     /* 0x0c GICR_STATUSR */
    uint32_t held;                        /* 0x10 interrupts that are HELD by this vCPU */
    uint32_t pad;                         /* 0x14 */
    struct vgic_irq irq[VGIC_NR_PRIVATE]; /* 0x18 */
};
_Static_assert(sizeof(struct vgic_vcpu) == 0x318, "saved state layout");

#define VGIC_STATE_MAGIC   0x43494756u /* "VGIC" */
#define VGIC_STATE_VERSION 1u

struct vgic_state {
    uint32_t magic;                    /* 0x00 */
    uint32_t version;                  /* 0x04 */
    uint32_t nr_vcpus;                 /* 0x08 */
    uint32_t ctlr;                     /* 0x0c GICD_CTLR: EnableGrp0, EnableGrp1 */
    uint32_t statusr;                  /* 0x10 GICD_STATUSR */
    uint32_t nr_direct;                /* 0x14 */
    uint64_t backlog;                  /* 0x18 bit n: an interrupt waits for room in vCPU n */
    uint32_t direct[VGIC_MAX_DIRECT];  /* 0x20 INTIDs, in the order of their announcement */
    struct vgic_irq spi[VGIC_NR_SPIS]; /* 0x40 */
    struct vgic_vcpu vcpu[];
};
_Static_assert(sizeof(struct vgic_state) == 0x1840, "saved state layout");
_Static_assert(RV_MAX_VCPUS <= 64u, "`backlog` and the SGI result have 64 bits");

#define GICD_IROUTER_IRM  (1ull << 31)
#define GICD_IROUTER_MASK 0xff80ffffffull /* Aff3, IRM, Aff2, Aff1, Aff0 */

#define GICR_CTLR_DPG0   (1u << 24)
#define GICR_CTLR_DPG1NS (1u << 25)

#define VGIC_PRIORITY_MASK 0xf8u /* 5 bits of priority */

/* One interrupt. `vcpu` has a meaning only for private interrupts. */
struct vgic_ref {
    struct vgic_irq *irq;
    unsigned vcpu;
    unsigned intid;
};

/* `intid` and `vcpu` were checked. Who has the reference may change the interrupt. */
static inline struct vgic_ref state_ref(struct vgic *vgic, unsigned vcpu, unsigned intid)
{
    struct vgic_state *state = vgic->state;
    struct vgic_irq *irq = intid < VGIC_NR_PRIVATE ? &state->vcpu[vcpu].irq[intid]
                                                   : &state->spi[intid - VGIC_NR_PRIVATE];

    undo_note(vgic->undo, irq, sizeof(*irq));
    return (struct vgic_ref){irq, vcpu, intid};
}

/* Before many interrupts are looked at, or registers change: quicker than one by one. */
static inline void state_note(struct vgic *vgic)
{
    undo_note(vgic->undo, vgic->state, vgic_state_size(vgic->state->nr_vcpus));
}

static inline bool state_is_private(struct vgic_ref ref)
{
    return ref.intid < VGIC_NR_PRIVATE;
}

/* Calls fn for every interrupt: all SPIs, then the private ones of each vCPU. */
void state_for_each(struct vgic *vgic, void (*fn)(struct vgic *vgic, struct vgic_ref ref));

/* vCPU of that affinity (in GICR_TYPER's format), or IRQ_NOWHERE. */
uint8_t state_find(const struct vgic_state *state, uint32_t affinity);

/* Sets GICD_IROUTER<n> and the vCPU that it selects. */
void state_set_router(const struct vgic_state *state, struct vgic_irq *irq, uint64_t router);
