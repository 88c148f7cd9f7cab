/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions that the guest takes to its EL1 because the vmm says so. The reply
 * that follows must neither step the PC nor write a register.
 */
#pragma once

#include <stdint.h>

#include "vmm/util/types.h"
#include "vmm/cpu/vcpu.h"

/*
 * Enter EL1 as the architecture does (Arm ARM J1.1, AArch64.TakeException). The
 * preferred return address is the vCPU's PC as it stands. `esr` is EC, IL, ISS
 * and ISS2; where a class comes in a lower-EL and a same-EL version, give the
 * lower one. `far`: for FAR_EL1, or NULL to leave that as it is.
 * 0, or -EIO: the machine is lost, or its PSTATE is none of EL0 or EL1.
 */
int inject_sync(struct vcpu *vcpu, uint64_t esr, const gva_t *far);

/* EC 0, "unknown reason": what an UNDEFINED instruction takes. As inject_sync. */
int inject_undef(struct vcpu *vcpu);

/*
 * `iss` is made of ESR_ISS_DABT_* (FNV, CM, WNR) and an ESR_FSC_*. With FNV set
 * FAR_EL1 stays as it is. As inject_sync.
 */
int inject_data_abort(struct vcpu *vcpu, gva_t far, uint32_t iss);

/* `iss` is made of ESR_ISS_IABT_FNV and an ESR_FSC_*. As inject_sync. */
int inject_instruction_abort(struct vcpu *vcpu, gva_t far, uint32_t iss);

/*
 * A virtual SError with the syndrome `iss` (ESR_EL1[24:0]; on a CPU without RAS its own)
 * is pending from here on. The CPU takes it when PSTATE.A lets it. As inject_sync.
 */
int inject_serror(struct vcpu *vcpu, uint32_t iss);
