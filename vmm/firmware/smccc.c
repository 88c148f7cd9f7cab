/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/firmware/smccc.h"

#include <inttypes.h>
#include <stddef.h>

#include "proto/arm/midr.h"
#include "proto/boot.h"
#include "vmm/util/log.h"

/*
 * What a version asks of the callee beyond the last: 1.1 x4-x17 preserved and
 * SMCCC_VERSION and SMCCC_ARCH_FEATURES; 1.2 results in more registers; 1.3 the
 * hint bit; 1.4 that SME state is preserved, too, of which the guest has none.
 */
#define VERSION_1_4 0x00010004

#define ID_FIELD(value, shift)   ((value) >> (shift)&0xfu)
#define ID_AA64PFR0_CSV2_SHIFT   56
#define ID_AA64MMFR1_ECBHB_SHIFT 60

enum workaround { WORKAROUND_1, WORKAROUND_2, WORKAROUND_3 };

/*
 * Cores that Arm's security bulletin lists as affected by none of the three
 * and that may lack the fields which say so.
 */
static bool is_unaffected(uint64_t midr)
{
    static const uint32_t cores[] = {
        MIDR_ARM(0xd04), /* Cortex-A35 */
        MIDR_ARM(0xd03), /* Cortex-A53 */
        MIDR_ARM(0xd05), /* Cortex-A55 */
    };

    for (size_t i = 0; i < sizeof(cores) / sizeof(cores[0]); i++) {
        if (MIDR_KIND(midr) == cores[i])
            return true;
    }
    return false;
}

/*
 * Nothing is done for the guest at EL2, so that a core is either not affected
 * or the answer is NOT_SUPPORTED, which also stands for "not known".
 *
 * 1: CSV2 is 1 or more when branch targets trained in one context do not steer
 *    another.
 * 2: a core with PSTATE.SSBS has its mitigation in the guest's own hands (the
 *    guest sees ID_AA64PFR1_EL1.SSBS), and firmware has none to offer.
 * 3: CSV2 is 3 when that holds for the branch history, too; ECBHB says that
 *    exceptions to a higher level stop it.
 */
void smccc_init(struct smccc *smccc, const struct psci *psci, const uint64_t *stub_id)
{
    uint64_t midr = __atomic_load_n(&stub_id[RV_ID_INDEX(0, 0)], __ATOMIC_RELAXED);
    uint64_t pfr0 = __atomic_load_n(&stub_id[RV_ID_INDEX(4, 0)], __ATOMIC_RELAXED);
    uint64_t mmfr1 = __atomic_load_n(&stub_id[RV_ID_INDEX(7, 1)], __ATOMIC_RELAXED);
    uint64_t csv2 = ID_FIELD(pfr0, ID_AA64PFR0_CSV2_SHIFT);
    bool unaffected = is_unaffected(midr);
    bool no_history = csv2 >= 3 || ID_FIELD(mmfr1, ID_AA64MMFR1_ECBHB_SHIFT);

    *smccc = (struct smccc){
        .psci = psci,
        .entropy = trng_host,
        .workaround =
            {
                [WORKAROUND_1] =
                    unaffected || csv2 ? SMCCC_WORKAROUND_UNAFFECTED : CALL_NOT_SUPPORTED,
                [WORKAROUND_2] = unaffected ? SMCCC_NOT_REQUIRED : CALL_NOT_SUPPORTED,
                [WORKAROUND_3] =
                    unaffected || no_history ? SMCCC_WORKAROUND_UNAFFECTED : CALL_NOT_SUPPORTED,
            },
    };
}

/* SMCCC_ARCH_SOC_ID is not there: the machine under the guest has no SoC of its own. */
static int32_t arch_features(const struct smccc *smccc, uint32_t function)
{
    switch (function) {
    case SMCCC_VERSION:
    case SMCCC_ARCH_FEATURES: return CALL_SUCCESS;
    case SMCCC_ARCH_WORKAROUND_1: return smccc->workaround[WORKAROUND_1];
    case SMCCC_ARCH_WORKAROUND_2: return smccc->workaround[WORKAROUND_2];
    case SMCCC_ARCH_WORKAROUND_3: return smccc->workaround[WORKAROUND_3];
    /* DEN0057A has its discovery begin here. */
    case PVTIME_FEATURES: return smccc->pvtime.available ? CALL_SUCCESS : CALL_NOT_SUPPORTED;
    default: return CALL_NOT_SUPPORTED;
    }
}

/* A workaround that ARCH_FEATURES announces may be called, and does nothing; others are unknown. */
static bool call_arch(const struct smccc *smccc, const struct call *call,
                      struct call_result *result)
{
    switch (call->function) {
    case SMCCC_VERSION: call_return(result, VERSION_1_4); return true;
    case SMCCC_ARCH_FEATURES:
        call_return(result, arch_features(smccc, (uint32_t)call->x[1]));
        return true;
    case SMCCC_ARCH_WORKAROUND_1: return smccc->workaround[WORKAROUND_1] >= 0;
    case SMCCC_ARCH_WORKAROUND_3: return smccc->workaround[WORKAROUND_3] >= 0;
    default: return false;
    }
}

static bool call_psci(const struct smccc *smccc, const struct call *call,
                      struct call_result *result)
{
    return psci_call(smccc->psci, call, result);
}

static bool call_trng(const struct smccc *smccc, const struct call *call,
                      struct call_result *result)
{
    return trng_call(smccc->entropy, call, result);
}

static bool call_pvtime(const struct smccc *smccc, const struct call *call,
                        struct call_result *result)
{
    return pvtime_call(&smccc->pvtime, call, result);
}

/*
 * Which service answers: a range of fast calls, without CALL_SMC64. Absent means unknown:
 * yielding calls, other owners, and identifiers with reserved bits.
 */
static const struct smccc_service {
    uint32_t first, last;
    bool (*call)(const struct smccc *smccc, const struct call *call, struct call_result *result);
} services[] = {
    {PSCI_VERSION, PSCI_LAST, call_psci},
    {TRNG_VERSION, TRNG_LAST, call_trng},
    {PVTIME_FIRST, PVTIME_LAST, call_pvtime},
    {SMCCC_VERSION, SMCCC_VERSION | 0xffffu, call_arch},
};

static bool dispatch(const struct smccc *smccc, const struct call *call, struct call_result *result)
{
    uint32_t function = call->function & ~CALL_SMC64;

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (function >= services[i].first && function <= services[i].last)
            return services[i].call(smccc, call, result);
    }
    return false;
}

void smccc_call(const struct smccc *smccc, const struct vcpu *vcpu, uint16_t imm,
                struct call_result *result)
{
    uint32_t function = (uint32_t)vcpu_get_x(vcpu, 0); /* W0, whatever the width */
    struct call call = {.vcpu = vcpu->index, .function = function};

    *result = (struct call_result){0};
    if (function & CALL_FAST)
        call.function &= ~CALL_HINT; /* nobody touches SVE state here */
    for (unsigned i = 1; i < 4; i++) {
        uint64_t x = vcpu_get_x(vcpu, i);

        call.x[i] = function & CALL_SMC64 ? x : (uint32_t)x;
    }
    if (imm == 0 && dispatch(smccc, &call, result))
        return;
    if (log_first(LOG_KIND_CALL, (uint64_t)imm << 32 | function)) {
        log_debug("vCPU %u: call of function 0x%08" PRIx32 " with immediate %u: NOT_SUPPORTED",
                  vcpu->index, function, imm);
    }
    call_return(result, CALL_NOT_SUPPORTED);
}
