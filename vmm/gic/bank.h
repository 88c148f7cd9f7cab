/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that exist for INTIDs 0-31 in each redistributor (`vcpu`) and for the
 * SPIs in the distributor (where `vcpu` has no meaning). `offset` counts from the
 * register of INTID 0 in both: see `before` in struct reg. INTIDs that do not exist
 * are RAZ/WI. Internal to vmm/gic.
 */
#pragma once

#include <stdint.h>

#include "vmm/gic/regs.h"
#include "vmm/gic/state.h"

/* One bit for each INTID. The set and clear registers of a pair read the same. */
regs_read_fn bank_read_igroupr, bank_read_isenabler, bank_read_icenabler, bank_read_ispendr,
    bank_read_icpendr, bank_read_isactiver, bank_read_icactiver;
/* Writing 1 to a set or clear register acts, writing 0 does not. */
regs_write_fn bank_write_igroupr, bank_write_isenabler, bank_write_icenabler, bank_write_ispendr,
    bank_write_icpendr, bank_write_isactiver, bank_write_icactiver;

/* One byte for each INTID; an access covers `size` of them. */
regs_read_fn bank_read_ipriorityr;
regs_write_fn bank_write_ipriorityr;

/* Two bits for each INTID; the upper one means edge. Those of SGIs are read-only. */
regs_read_fn bank_read_icfgr;
regs_write_fn bank_write_icfgr;

/* For ISPENDR, ICPENDR and message-based SPIs: bit n of `value` is INTID `first` + n. */
void bank_set_pending(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);
void bank_clear_pending(struct vgic *vgic, unsigned vcpu, unsigned first, uint32_t value);
