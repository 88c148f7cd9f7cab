/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Delivery: brings the entry in a vCPU's list registers in line with an interrupt's state.
 * Code that changes anything on which delivery depends (enable, group, priority, routing)
 * does so between deliver_begin() and deliver_end(). Internal to vmm/gic.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gic/state.h"

/* What a vCPU's entries hold: RV_LR_* by INTID. */
struct deliver_snapshot {
    uint8_t entry[VGIC_NR_INTIDS];
    uint64_t ppi_lines; /* bit n: the physical PPI n is pending */
};

/* Is it pending in the vgic's own state? An entry may also hold a pending state. */
bool deliver_is_pending(const struct vgic_irq *irq);

/* The priority and group (RV_IRQ_*) that its entry has. */
uint32_t deliver_flags(const struct vgic_irq *irq);

/* Takes a pending state back from the vCPU into the vgic's state. */
void deliver_begin(struct vgic *vgic, struct vgic_ref ref);
/* Gives it to the vCPU that must have it now. True: something was injected. */
bool deliver_end(struct vgic *vgic, struct vgic_ref ref);

/*
 * Like deliver_end(), for a change that only makes more pending, active or eligible:
 * states that were injected stay where they are.
 */
bool deliver_update(struct vgic *vgic, struct vgic_ref ref);

/* Changes `bit` (IRQ_LINE or IRQ_MSG) to `high`; the caller knows that it differs. */
void deliver_input(struct vgic *vgic, struct vgic_ref ref, uint32_t bit, bool high);

/* GICD_ICACTIVER: makes it inactive. */
void deliver_clear_active(struct vgic *vgic, struct vgic_ref ref);

/* The guest ended an interrupt in this vCPU. */
void deliver_eoi(struct vgic *vgic, unsigned vcpu, struct vgic_ref ref);

/* Takes all states of an interrupt from the vCPUs, for a reset. */
void deliver_forget(struct vgic *vgic, struct vgic_ref ref);

/* Fetches a vCPU's entries; clears the flags of interrupts that have ended. 0 or -errno. */
int deliver_look(struct vgic *vgic, unsigned vcpu, struct deliver_snapshot *out);

/* Is the physical line of a direct interrupt high? */
bool deliver_direct_line(const struct vgic_state *state, const struct deliver_snapshot *snapshot,
                         unsigned intid);

/* Configures a direct interrupt anew, in all vCPUs, whether it changed or not. 0 or -errno. */
int deliver_announce(struct vgic *vgic, unsigned intid);

/* For vgic_resync(): sets flags from the vCPUs' entries, then updates all. 0 or -errno. */
int deliver_resync(struct vgic *vgic);

/* Retries what had to wait for room. Every entry point of the vgic ends with it. */
void deliver_backlog(struct vgic *vgic);
