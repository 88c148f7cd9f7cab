/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/inject.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/arm/esr.h"
#include "vmm/util/log.h"

/* VBAR_EL1 offsets of the synchronous entries; Arm ARM D1.3, "Exception vectors". */
#define VECTOR_EL1_SP0 0x000u
#define VECTOR_EL1_SPX 0x200u
#define VECTOR_EL0_A64 0x400u
#define VECTOR_EL0_A32 0x600u

/* 0x800 bytes of vectors: VBAR_EL1[10:0] are RES0. */
#define VBAR_EL1_BASE (~0x7ffull)

/* Where the guest was, by its PSTATE. False: at none of its exception levels. */
static bool inject_origin(uint64_t pstate, unsigned *vector, bool *from_el1)
{
    *from_el1 = false;
    if (pstate & PSTATE_nRW) {
        /* HCR_EL2.RW is 1: EL1 is AArch64, so AArch32 is EL0, which is User mode. */
        *vector = VECTOR_EL0_A32;
        return (pstate & PSTATE_M) == 0;
    }
    switch (pstate & PSTATE_M) {
    case PSTATE_EL0t: *vector = VECTOR_EL0_A64; return true;
    case PSTATE_EL1t: *vector = VECTOR_EL1_SP0; break;
    case PSTATE_EL1h: *vector = VECTOR_EL1_SPX; break;
    default: return false;
    }
    *from_el1 = true;
    return true;
}

/*
 * PSTATE after the entry. NZCV and DIT are kept, PAN is kept or set, SSBS comes
 * from SCTLR_EL1, all the rest is fixed. SPAN reads 1 and DSSBS 0 on a CPU
 * without the feature. Features that ID registers hide from the guest (MTE's
 * TCO, NMI's ALLINT, GCS's EXLOCK) are RES0 in the PSTATE of the CPU that it sees.
 */
static uint64_t inject_pstate(uint64_t old, uint64_t sctlr)
{
    uint64_t new = PSTATE_EL1h | PSTATE_DAIF;

    new |= old &(PSTATE_NZCV | PSTATE_DIT | PSTATE_PAN);
    if (!(sctlr & SCTLR_EL1_SPAN))
        new |= PSTATE_PAN;
    if (sctlr & SCTLR_EL1_DSSBS)
        new |= PSTATE_SSBS;
    return new;
}

static bool inject_ec_is_paired(unsigned ec)
{
    return ec == ESR_EC_IABT_LOWER || ec == ESR_EC_DABT_LOWER || ec == ESR_EC_BP_LOWER ||
           ec == ESR_EC_STEP_LOWER || ec == ESR_EC_WP_LOWER;
}

/* Arm ARM J1.1, AArch64.TakeException. */
static int inject_enter(struct vcpu *vcpu, uint64_t esr, const gva_t *far)
{
    struct rv_vcpu_page *page = vcpu->page;
    uint64_t pstate = page->pstate;
    unsigned vector;
    bool from_el1;

    if (!inject_origin(pstate, &vector, &from_el1)) {
        log_error("vCPU %u: PSTATE 0x%" PRIx64 " is neither EL0 nor EL1; cannot deliver an "
                  "exception to the guest: stop the VM",
                  vcpu->index, pstate);
        return -EIO;
    }
    if (from_el1 && inject_ec_is_paired((unsigned)ESR_GET(esr, ESR_ELx_EC)))
        esr |= ESR_SET(1u, ESR_ELx_EC); /* the same-EL version is the next number */

    page->el1.esr_el1 = esr;
    if (far)
        page->el1.far_el1 = far->v;
    page->el1.elr_el1 = page->pc;
    page->el1.spsr_el1 = pstate;
    page->pstate = inject_pstate(pstate, page->el1.sctlr_el1);
    page->pc = (page->el1.vbar_el1 & VBAR_EL1_BASE) + vector;
    vcpu_mark_dirty(vcpu, RV_GROUP_CORE | RV_GROUP_EL1);
    return 0;
}

int inject_sync(struct vcpu *vcpu, uint64_t esr, const gva_t *far)
{
    int error = vcpu_fetch(vcpu, RV_GROUP_CORE | RV_GROUP_EL1);

    return error ? error : inject_enter(vcpu, esr, far);
}

/*
 * ESR_ELx.IL is 1 for an unknown reason, an Instruction Abort, and a Data Abort
 * with ISV=0 (which all that EL1 takes are), whatever the instruction's size.
 */
int inject_undef(struct vcpu *vcpu)
{
    return inject_sync(vcpu, ESR_SET(ESR_EC_UNKNOWN, ESR_ELx_EC) | ESR_ELx_IL, NULL);
}

int inject_data_abort(struct vcpu *vcpu, gva_t far, uint32_t iss)
{
    return inject_sync(vcpu, ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ELx_IL | iss,
                       iss & ESR_ISS_DABT_FNV ? NULL : &far);
}

int inject_instruction_abort(struct vcpu *vcpu, gva_t far, uint32_t iss)
{
    return inject_sync(vcpu, ESR_SET(ESR_EC_IABT_LOWER, ESR_ELx_EC) | ESR_ELx_IL | iss,
                       iss & ESR_ISS_IABT_FNV ? NULL : &far);
}

/* Arm ARM D1.3.5: HCR_EL2.VSE, with HCR_EL2.AMO 1. The stub moves both with the EL1 group. */
int inject_serror(struct vcpu *vcpu, uint32_t iss)
{
    int error = vcpu_fetch(vcpu, RV_GROUP_EL1);

    if (error)
        return error;
    vcpu->page->el1.hcr_el2 |= HCR_VSE;
    vcpu->page->el1.vsesr_el2 = iss & (uint32_t)ESR_ELx_ISS;
    vcpu_mark_dirty(vcpu, RV_GROUP_EL1);
    return 0;
}
