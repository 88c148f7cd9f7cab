/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that exist for INTIDs 0-31 in each redistributor (`vcpu`) and for
 * the SPIs in the distributor: one word for the INTIDs from `first` on. INTIDs
 * that do not exist are RAZ/WI. Internal to vmm/gic.
 */
#pragma once

#include <stdint.h>

#include "vmm/gic/state.h"

uint32_t bank_read_group(struct vgic *vgic, unsigned vcpu, unsigned first);
void bank_write_group(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);

/* The set and clear registers of a pair read the same; writing 1 acts, writing 0 does not. */
uint32_t bank_read_enable(struct vgic *vgic, unsigned vcpu, unsigned first);
void bank_set_enable(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);
void bank_clear_enable(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);

uint32_t bank_read_pending(struct vgic *vgic, unsigned vcpu, unsigned first);
void bank_set_pending(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);
void bank_clear_pending(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);

uint32_t bank_read_active(struct vgic *vgic, unsigned vcpu, unsigned first);
void bank_set_active(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);
void bank_clear_active(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);

/* One byte for each INTID, `size` of them. */
uint32_t bank_read_priority(struct vgic *vgic, unsigned vcpu, unsigned first, unsigned size);
void bank_write_priority(struct vgic *vgic, unsigned vcpu, unsigned first, unsigned size,
                         uint32_t value);

/* Two bits for each of 16 INTIDs, of which the upper says edge. SGIs are read-only. */
uint32_t bank_read_config(struct vgic *vgic, unsigned vcpu, unsigned first);
void bank_write_config(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);
