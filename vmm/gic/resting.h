/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * List registers at rest: those of a vCPU that is live in no core are the GIC
 * group of its page, and the vmm does there what the stub does with live ones.
 * The stub puts the entries in list registers when the vCPU comes to a core.
 */
#pragma once

#include <stdint.h>

#include "proto/vcpu.h"

/* As struct vgic_ops has them. `flags` RV_IRQ_*, `mask` and result RV_LR_*. */
int resting_inject(struct rv_gic *gic, unsigned intid, uint32_t flags);
int resting_retract(struct rv_gic *gic, unsigned intid, uint32_t mask);
