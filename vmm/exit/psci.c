/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/exit/psci.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "vmm/log.h"

#define VERSION_1_1 0x00010001 /* of PSCI and of SMCCC: major in the upper half */

/* MPIDR_EL1's affinity fields: Aff3 in [39:32], Aff2, Aff1, Aff0 in [23:0]. */
#define AFFINITY_MASK   0xff00ffffffull
#define AFFINITY_LEVELS 4u

/* CPU_SUSPEND's power_state in the original format: DEN0022, "power_state parameter". */
#define POWER_STATE_LEVEL     0x03000000u
#define POWER_STATE_POWERDOWN 0x00010000u
#define POWER_STATE_RESERVED  0xfcfe0000u

/* MIGRATE_INFO_TYPE: there is no Trusted OS, or it needs no migration. */
#define MIGRATE_NOT_REQUIRED 2

/* A function identifier without its number and width: owner, fast call, zeros. */
#define FUNCTION_NUMBER 0x0000001fu
#define PSCI_RANGE      0x84000000u

struct psci_args {
    unsigned self; /* index of the calling vCPU */
    uint64_t x[3]; /* x1-x3, cut to 32 bits for a 32-bit call */
};

/* Results are 32-bit signed numbers, sign-extended to x0: DEN0022, "Return error codes". */
typedef int32_t psci_fn(const struct psci *psci, const struct psci_args *args,
                        struct psci_result *result);

static int32_t psci_version(const struct psci *psci, const struct psci_args *args,
                            struct psci_result *result)
{
    (void)psci;
    (void)args;
    (void)result;
    return VERSION_1_1;
}

/*
 * Standby of the core itself is the one state there is; whatever StateID the
 * guest's tables give it, it is a WFI. A power-down state is refused.
 */
static int32_t psci_cpu_suspend(const struct psci *psci, const struct psci_args *args,
                                struct psci_result *result)
{
    (void)psci;
    if (args->x[0] & (POWER_STATE_RESERVED | POWER_STATE_LEVEL | POWER_STATE_POWERDOWN))
        return PSCI_INVALID_PARAMETERS;
    result->wait = true;
    return PSCI_SUCCESS;
}

static int32_t psci_cpu_off(const struct psci *psci, const struct psci_args *args,
                            struct psci_result *result)
{
    psci->cpus[args->self].state = PSCI_STATE_OFF;
    psci->ops->cpu_off(psci->opaque, args->self);
    result->hold = true;
    return PSCI_SUCCESS;
}

static struct psci_cpu *psci_find(const struct psci *psci, uint64_t mpidr)
{
    for (unsigned i = 0; i < psci->nr_cpus; i++)
        if (psci->cpus[i].mpidr == mpidr)
            return &psci->cpus[i];
    return NULL; /* also for a target with reserved bits set */
}

static int32_t psci_cpu_on(const struct psci *psci, const struct psci_args *args,
                           struct psci_result *result)
{
    struct psci_cpu *cpu = psci_find(psci, args->x[0]);
    uint64_t entry = args->x[1], context_id = args->x[2];
    int err;

    (void)result;
    if (!cpu)
        return PSCI_INVALID_PARAMETERS;
    if (cpu->state == PSCI_STATE_ON)
        return PSCI_ALREADY_ON;
    if (cpu->state == PSCI_STATE_ON_PENDING)
        return PSCI_ON_PENDING;
    /* EL1 is AArch64, so the entry is an A64 instruction. */
    if ((entry & 3u) || !psci->ops->is_memory(psci->opaque, ipa(entry)))
        return PSCI_INVALID_ADDRESS;
    /* Before the call: the core may find it started at once. */
    cpu->entry = entry;
    cpu->context_id = context_id;
    cpu->state = PSCI_STATE_ON_PENDING;
    err = psci->ops->cpu_on(psci->opaque, (unsigned)(cpu - psci->cpus), entry, context_id);
    if (err) {
        cpu->state = PSCI_STATE_OFF;
        log_error("vCPU %u: cannot start it: %s; its caller is told INTERNAL_FAILURE",
                  (unsigned)(cpu - psci->cpus), strerror(-err));
        return PSCI_INTERNAL_FAILURE;
    }
    return PSCI_SUCCESS;
}

/* DEN0022, AFFINITY_INFO: a level above 0 is ON if any core in it is. */
static int32_t psci_affinity_info(const struct psci *psci, const struct psci_args *args,
                                  struct psci_result *result)
{
    static const uint64_t masks[AFFINITY_LEVELS] = {0xff00ffffffull, 0xff00ffff00ull,
                                                    0xff00ff0000ull, 0xff00000000ull};
    uint64_t target = args->x[0];
    uint32_t level = (uint32_t)args->x[1]; /* 32 bits in both calls */
    bool found = false, pending = false;

    (void)result;
    if (level >= AFFINITY_LEVELS || (target & ~AFFINITY_MASK))
        return PSCI_INVALID_PARAMETERS;
    for (unsigned i = 0; i < psci->nr_cpus; i++) {
        if ((psci->cpus[i].mpidr ^ target) & masks[level])
            continue;
        if (psci->cpus[i].state == PSCI_STATE_ON)
            return (int32_t)PSCI_STATE_ON;
        found = true;
        pending = pending || psci->cpus[i].state == PSCI_STATE_ON_PENDING;
    }
    if (!found)
        return PSCI_INVALID_PARAMETERS;
    return (int32_t)(pending ? PSCI_STATE_ON_PENDING : PSCI_STATE_OFF);
}

static int32_t psci_migrate_info_type(const struct psci *psci, const struct psci_args *args,
                                      struct psci_result *result)
{
    (void)psci;
    (void)args;
    (void)result;
    return MIGRATE_NOT_REQUIRED;
}

static int32_t psci_system_off(const struct psci *psci, const struct psci_args *args,
                               struct psci_result *result)
{
    (void)args;
    psci->ops->system_off(psci->opaque);
    result->hold = true;
    return PSCI_SUCCESS;
}

static int32_t psci_system_reset(const struct psci *psci, const struct psci_args *args,
                                 struct psci_result *result)
{
    (void)args;
    psci->ops->system_reset(psci->opaque, PSCI_RESET_COLD);
    result->hold = true;
    return PSCI_SUCCESS;
}

/* reset_type 0 is SYSTEM_WARM_RESET; bit 31 set is the vendor's. It is 32 bits in both calls. */
static int32_t psci_system_reset2(const struct psci *psci, const struct psci_args *args,
                                  struct psci_result *result)
{
    if ((uint32_t)args->x[0] != 0)
        return PSCI_INVALID_PARAMETERS;
    psci->ops->system_reset(psci->opaque, PSCI_RESET_WARM);
    result->hold = true;
    return PSCI_SUCCESS;
}

static psci_fn psci_features, smccc_version, smccc_arch_features;

/* By function number. `wide`: there is a 64-bit version too. Absent: NOT_SUPPORTED. */
static const struct psci_function {
    psci_fn *call;
    bool wide;
} psci_functions[FUNCTION_NUMBER + 1u] = {
    [PSCI_VERSION & FUNCTION_NUMBER] = {psci_version, false},
    [PSCI_CPU_SUSPEND & FUNCTION_NUMBER] = {psci_cpu_suspend, true},
    [PSCI_CPU_OFF & FUNCTION_NUMBER] = {psci_cpu_off, false},
    [PSCI_CPU_ON & FUNCTION_NUMBER] = {psci_cpu_on, true},
    [PSCI_AFFINITY_INFO & FUNCTION_NUMBER] = {psci_affinity_info, true},
    [PSCI_MIGRATE_INFO_TYPE & FUNCTION_NUMBER] = {psci_migrate_info_type, false},
    [PSCI_SYSTEM_OFF & FUNCTION_NUMBER] = {psci_system_off, false},
    [PSCI_SYSTEM_RESET & FUNCTION_NUMBER] = {psci_system_reset, false},
    [PSCI_FEATURES & FUNCTION_NUMBER] = {psci_features, false},
    [PSCI_SYSTEM_RESET2 & FUNCTION_NUMBER] = {psci_system_reset2, true},
};

static psci_fn *psci_lookup(uint32_t function)
{
    const struct psci_function *f;

    if (function == PSCI_SMCCC_VERSION)
        return smccc_version;
    if (function == PSCI_SMCCC_ARCH_FEATURES)
        return smccc_arch_features;
    if ((function & ~(FUNCTION_NUMBER | PSCI_SMC64)) != PSCI_RANGE)
        return NULL;
    f = &psci_functions[function & FUNCTION_NUMBER];
    return (function & PSCI_SMC64) && !f->wide ? NULL : f->call;
}

/*
 * Feature flags: CPU_SUSPEND has the original power_state format (bit 1 clear)
 * and no OS-initiated mode (bit 0 clear); the others have none. SMCCC_VERSION
 * is the one function outside of PSCI's range that may be asked for.
 */
static int32_t psci_features(const struct psci *psci, const struct psci_args *args,
                             struct psci_result *result)
{
    uint32_t function = (uint32_t)args->x[0];

    (void)psci;
    (void)result;
    if (function == PSCI_SMCCC_ARCH_FEATURES || !psci_lookup(function))
        return PSCI_NOT_SUPPORTED;
    return PSCI_SUCCESS;
}

static int32_t smccc_version(const struct psci *psci, const struct psci_args *args,
                             struct psci_result *result)
{
    (void)psci;
    (void)args;
    (void)result;
    return VERSION_1_1;
}

/*
 * DEN0028, SMCCC_ARCH_FEATURES. The workaround functions are not there: nothing is done for the
 * guest at EL2, and it is told so. Nor is there an SoC ID.
 */
static int32_t smccc_arch_features(const struct psci *psci, const struct psci_args *args,
                                   struct psci_result *result)
{
    uint32_t function = (uint32_t)args->x[0];

    (void)psci;
    (void)result;
    if (function == PSCI_SMCCC_VERSION || function == PSCI_SMCCC_ARCH_FEATURES)
        return PSCI_SUCCESS;
    return PSCI_NOT_SUPPORTED;
}

void psci_cpu_reset(struct psci_cpu *cpu, uint64_t mpidr, bool on)
{
    *cpu = (struct psci_cpu){
        .mpidr = mpidr & AFFINITY_MASK,
        .state = on ? PSCI_STATE_ON : PSCI_STATE_OFF,
    };
}

void psci_cpu_started(struct psci_cpu *cpu)
{
    if (cpu->state == PSCI_STATE_ON_PENDING)
        cpu->state = PSCI_STATE_ON;
}

void psci_call(const struct psci *psci, const struct vcpu *vcpu, uint16_t imm,
               struct psci_result *result)
{
    uint32_t function = (uint32_t)vcpu_get_x(vcpu, 0); /* W0, whatever the width */
    psci_fn *call = imm == 0 ? psci_lookup(function) : NULL;
    struct psci_args args;

    *result = (struct psci_result){0};
    if (!call) {
        if (log_first(LOG_KIND_CALL, (uint64_t)imm << 32 | function)) {
            log_debug("vCPU %u: call of function 0x%08" PRIx32 " with immediate %u: NOT_SUPPORTED",
                      vcpu->index, function, imm);
        }
        result->value = (uint64_t)(int64_t)PSCI_NOT_SUPPORTED;
        return;
    }
    args.self = vcpu->index;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t x = vcpu_get_x(vcpu, i + 1u);

        args.x[i] = function & PSCI_SMC64 ? x : (uint32_t)x;
    }
    result->value = (uint64_t)(int64_t)call(psci, &args, result);
}
