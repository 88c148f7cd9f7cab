/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of a vCPU that is live nowhere. They are in the GIC group of its page,
 * and the vmm injects and retracts there, as the stub does in a live vCPU. The stub
 * loads the entries into list registers at the next RUN.
 */
#pragma once

#include <stdint.h>

#include "proto/vcpu.h"

/* As in struct vgic_ops. `flags` are RV_IRQ_*; `mask` and the result are RV_LR_*. */
int resting_inject(struct rv_gic *gic, unsigned intid, uint32_t flags);
int resting_retract(struct rv_gic *gic, unsigned intid, uint32_t mask);
