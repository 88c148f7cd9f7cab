/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * List registers at rest: those of a vCPU that is live in no core are the GIC
 * group of its page, and the vmm does there what the stub does with live ones.
 * Entries have the format of ICH_LR<n>_EL2; the queue is enough to put new ones
 * in, the stub moves them when the vCPU comes to a core.
 */
#pragma once

#include <stdint.h>

#include "proto/vcpu.h"

/* As struct vgic_ops has them. `flags` RV_IRQ_*, `mask` and result RV_LR_*. */
int resting_inject(struct rv_gic *gic, unsigned intid, uint32_t flags);
int resting_retract(struct rv_gic *gic, unsigned intid, uint32_t mask);
