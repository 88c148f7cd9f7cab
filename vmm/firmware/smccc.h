/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SMC Calling Convention 1.4 (DEN0028): takes a guest's HVC or SMC to the
 * service that owns the function, and has the architecture's own functions.
 */
#pragma once

#include <stdint.h>

#include "vmm/firmware/call_internal.h"
#include "vmm/firmware/psci.h"
#include "vmm/firmware/pvtime.h"
#include "vmm/firmware/trng.h"
#include "vmm/cpu/vcpu.h"

/* Arm Architecture Calls: 32-bit only. */
#define SMCCC_VERSION           0x80000000u
#define SMCCC_ARCH_FEATURES     0x80000001u
#define SMCCC_ARCH_SOC_ID       0x80000002u
#define SMCCC_ARCH_WORKAROUND_1 0x80008000u /* CVE-2017-5715: branch target injection */
#define SMCCC_ARCH_WORKAROUND_2 0x80007fffu /* CVE-2018-3639: speculative store bypass */
#define SMCCC_ARCH_WORKAROUND_3 0x80003fffu /* CVE-2022-23960: branch history injection */

/* SMCCC_ARCH_FEATURES of a workaround, besides SUCCESS and NOT_SUPPORTED. */
#define SMCCC_WORKAROUND_UNAFFECTED 1    /* 1, 3: this core needs none; the call does nothing */
#define SMCCC_NOT_REQUIRED          (-2) /* 2: no core needs it; there is no call */

struct smccc {
    const struct psci *psci;
    trng_source *entropy;
    struct pvtime pvtime;
    int32_t workaround[3]; /* SMCCC_ARCH_FEATURES of SMCCC_ARCH_WORKAROUND_1 to 3 */
};

/*
 * Services over `psci`, without pvtime. `stub_id`: the CPU's identification
 * registers as of the boot page; each is read once.
 */
void smccc_init(struct smccc *smccc, const struct psci *psci, const uint64_t *stub_id);

/* A call with x0 to x3 of `vcpu`, by an HVC or SMC with immediate `imm`. */
void smccc_call(const struct smccc *smccc, const struct vcpu *vcpu, uint16_t imm,
                struct call_result *result);
