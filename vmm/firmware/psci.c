/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/firmware/psci.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "vmm/firmware/smccc.h"
#include "vmm/util/log.h"

#define VERSION_1_1 0x00010001 /* major in the upper half */

/* MPIDR_EL1's affinity fields: Aff3 in [39:32], Aff2, Aff1, Aff0 in [23:0]. */
#define AFFINITY_MASK   0xff00ffffffull
#define AFFINITY_LEVELS 4u

/* CPU_SUSPEND's power_state in the original format: DEN0022, "power_state parameter". */
#define POWER_STATE_LEVEL     0x03000000u
#define POWER_STATE_POWERDOWN 0x00010000u
#define POWER_STATE_RESERVED  0xfcfe0000u

/* MIGRATE_INFO_TYPE: there is no Trusted OS, or it needs no migration. */
#define MIGRATE_NOT_REQUIRED 2

#define FUNCTION_NUMBER 0x1fu /* of a function identifier in PSCI's range */

/* Results: DEN0022, "Return error codes". */
typedef int32_t psci_fn(const struct psci *psci, const struct call *call,
                        struct call_result *result);

static int32_t psci_version(const struct psci *psci, const struct call *call,
                            struct call_result *result)
{
    return VERSION_1_1;
}

/* EL1 is AArch64, so an entry is an A64 instruction. */
static bool psci_is_entry(const struct psci *psci, uint64_t entry)
{
    return !(entry & 3u) && psci->ops->is_memory(psci->opaque, ipa(entry));
}

/*
 * Power down the caller until an interrupt is pending. DEN0022 lets a call
 * return SUCCESS when the wake-up comes before power is lost. Here that never
 * is: the context is lost first and the interrupt looked for after, so that the
 * guest always goes on at `entry`, also when one was pending at the call.
 */
static int32_t psci_power_down(const struct psci *psci, uint64_t entry, uint64_t context_id,
                               struct call_result *result)
{
    if (!psci_is_entry(psci, entry))
        return PSCI_INVALID_ADDRESS;
    result->restart = true;
    result->wait = true;
    result->entry = entry;
    result->context_id = context_id;
    return PSCI_SUCCESS;
}

/*
 * Two states, both of the core alone: standby, which is a WFI, and power-down.
 * The StateID is whatever the guest's tables call them. No domain above the core
 * can be powered, so other levels are refused.
 */
static int32_t psci_cpu_suspend(const struct psci *psci, const struct call *call,
                                struct call_result *result)
{
    uint32_t power_state = (uint32_t)call->x[1]; /* 32 bits in both calls */

    if (power_state & (POWER_STATE_RESERVED | POWER_STATE_LEVEL))
        return PSCI_INVALID_PARAMETERS;
    if (power_state & POWER_STATE_POWERDOWN)
        return psci_power_down(psci, call->x[2], call->x[3], result);
    result->wait = true;
    return PSCI_SUCCESS;
}

static int32_t psci_cpu_default_suspend(const struct psci *psci, const struct call *call,
                                        struct call_result *result)
{
    return psci_power_down(psci, call->x[1], call->x[2], result);
}

/* DEN0022, SYSTEM_SUSPEND: as CPU_SUSPEND to the deepest state, when all other cores are off. */
static int32_t psci_system_suspend(const struct psci *psci, const struct call *call,
                                   struct call_result *result)
{
    for (unsigned i = 0; i < psci->nr_cpus; i++) {
        if (i != call->vcpu && psci->cpus[i].state != PSCI_STATE_OFF)
            return PSCI_DENIED;
    }
    return psci_power_down(psci, call->x[1], call->x[2], result);
}

/*
 * DENIED is for a Trusted OS that lives on this core: there is none. The last
 * core may go off too, as under KVM; what that means for the VM is cpu_off's to decide.
 *
 * CPU_FREEZE differs in that interrupts may still be routed to the core. They
 * wait for its CPU_ON, and they do so for a core that is off, too: so it is one.
 */
static int32_t psci_cpu_off(const struct psci *psci, const struct call *call,
                            struct call_result *result)
{
    undo_note(psci->undo, &psci->cpus[call->vcpu], sizeof(*psci->cpus));
    psci->cpus[call->vcpu].state = PSCI_STATE_OFF;
    psci->ops->cpu_off(psci->opaque, call->vcpu);
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

static int32_t psci_cpu_on(const struct psci *psci, const struct call *call,
                           struct call_result *result)
{
    struct psci_cpu *cpu = psci_find(psci, call->x[1]);
    uint64_t entry = call->x[2], context_id = call->x[3];
    int error;

    if (!cpu)
        return PSCI_INVALID_PARAMETERS;
    if (cpu->state == PSCI_STATE_ON)
        return PSCI_ALREADY_ON;
    if (cpu->state == PSCI_STATE_ON_PENDING)
        return PSCI_ON_PENDING;
    if (!psci_is_entry(psci, entry))
        return PSCI_INVALID_ADDRESS;
    undo_note(psci->undo, cpu, sizeof(*cpu));
    /* Before the call: cpu_on may start it at once. */
    cpu->entry = entry;
    cpu->context_id = context_id;
    cpu->state = PSCI_STATE_ON_PENDING;
    error = psci->ops->cpu_on(psci->opaque, (unsigned)(cpu - psci->cpus), entry, context_id);
    if (error) {
        cpu->state = PSCI_STATE_OFF;
        log_error("vCPU %u: cannot start it: %s; its caller is told INTERNAL_FAILURE",
                  (unsigned)(cpu - psci->cpus), strerror(-error));
        return PSCI_INTERNAL_FAILURE;
    }
    return PSCI_SUCCESS;
}

/* DEN0022, AFFINITY_INFO: a level above 0 is ON if any core in it is. */
static int32_t psci_affinity_info(const struct psci *psci, const struct call *call,
                                  struct call_result *result)
{
    static const uint64_t masks[AFFINITY_LEVELS] = {0xff00ffffffull, 0xff00ffff00ull,
                                                    0xff00ff0000ull, 0xff00000000ull};
    uint64_t target = call->x[1];
    uint32_t level = (uint32_t)call->x[2]; /* 32 bits in both calls */
    bool found = false, pending = false;

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

/*
 * Power level 0, the core, is the only one with a state. A suspended core is ON:
 * nothing lost its power, whatever the guest was shown.
 */
static int32_t psci_node_hw_state(const struct psci *psci, const struct call *call,
                                  struct call_result *result)
{
    const struct psci_cpu *cpu = psci_find(psci, call->x[1]);

    if (!cpu || (uint32_t)call->x[2] != 0) /* a level has 32 bits in both calls */
        return PSCI_INVALID_PARAMETERS;
    return cpu->state == PSCI_STATE_ON ? PSCI_HW_ON : PSCI_HW_OFF;
}

static int32_t psci_migrate_info_type(const struct psci *psci, const struct call *call,
                                      struct call_result *result)
{
    return MIGRATE_NOT_REQUIRED;
}

static int32_t psci_system_off(const struct psci *psci, const struct call *call,
                               struct call_result *result)
{
    psci->ops->system_off(psci->opaque);
    result->hold = true;
    return PSCI_SUCCESS;
}

static int32_t psci_system_reset(const struct psci *psci, const struct call *call,
                                 struct call_result *result)
{
    psci->ops->system_reset(psci->opaque, PSCI_RESET_COLD);
    result->hold = true;
    return PSCI_SUCCESS;
}

/* reset_type 0 is SYSTEM_WARM_RESET; bit 31 set is the vendor's. It is 32 bits in both calls. */
static int32_t psci_system_reset2(const struct psci *psci, const struct call *call,
                                  struct call_result *result)
{
    if ((uint32_t)call->x[1] != 0)
        return PSCI_INVALID_PARAMETERS;
    psci->ops->system_reset(psci->opaque, PSCI_RESET_WARM);
    result->hold = true;
    return PSCI_SUCCESS;
}

static psci_fn psci_features;

enum psci_width { NARROW, BOTH }; /* 32-bit only; a 64-bit version too */

#define ROW(function) [(function)&FUNCTION_NUMBER]
/* By function number. No `call`: NOT_SUPPORTED, and `absent` is why. */
static const struct psci_function {
    psci_fn *call;
    enum psci_width width;
    const char *absent;
} psci_functions[FUNCTION_NUMBER + 1u] = {
    ROW(PSCI_VERSION) = {psci_version, NARROW, NULL},
    ROW(PSCI_CPU_SUSPEND) = {psci_cpu_suspend, BOTH, NULL},
    ROW(PSCI_CPU_OFF) = {psci_cpu_off, NARROW, NULL},
    ROW(PSCI_CPU_ON) = {psci_cpu_on, BOTH, NULL},
    ROW(PSCI_AFFINITY_INFO) = {psci_affinity_info, BOTH, NULL},
    ROW(PSCI_MIGRATE) = {NULL, BOTH, "there is no Trusted OS to migrate"},
    ROW(PSCI_MIGRATE_INFO_TYPE) = {psci_migrate_info_type, NARROW, NULL},
    ROW(PSCI_MIGRATE_INFO_UP_CPU) = {NULL, BOTH, "there is no Trusted OS that lives on one core"},
    ROW(PSCI_SYSTEM_OFF) = {psci_system_off, NARROW, NULL},
    ROW(PSCI_SYSTEM_RESET) = {psci_system_reset, NARROW, NULL},
    ROW(PSCI_FEATURES) = {psci_features, NARROW, NULL},
    ROW(PSCI_CPU_FREEZE) = {psci_cpu_off, NARROW, NULL},
    ROW(PSCI_CPU_DEFAULT_SUSPEND) = {psci_cpu_default_suspend, BOTH, NULL},
    ROW(PSCI_NODE_HW_STATE) = {psci_node_hw_state, BOTH, NULL},
    ROW(PSCI_SYSTEM_SUSPEND) = {psci_system_suspend, BOTH, NULL},
    ROW(PSCI_SET_SUSPEND_MODE) = {NULL, NARROW,
                                  "OS-initiated mode coordinates levels above the core: none here"},
    ROW(PSCI_STAT_RESIDENCY) = {NULL, BOTH, "a wake-up is the core's own and is not seen here"},
    ROW(PSCI_STAT_COUNT) = {NULL, BOTH, "goes with STAT_RESIDENCY: both or none"},
    ROW(PSCI_SYSTEM_RESET2) = {psci_system_reset2, BOTH, NULL},
    ROW(PSCI_MEM_PROTECT) = {NULL, NARROW,
                             "a reset keeps RAM, as on virt: there is nothing to choose"},
    ROW(PSCI_MEM_PROTECT_CHECK_RANGE) = {NULL, BOTH, "as MEM_PROTECT"},
};

/* The row of an identifier in PSCI's range, or NULL. */
static const struct psci_function *psci_lookup(uint32_t function)
{
    const struct psci_function *row = &psci_functions[function & FUNCTION_NUMBER];

    if ((function & ~(FUNCTION_NUMBER | CALL_SMC64)) != PSCI_VERSION)
        return NULL;
    return (function & CALL_SMC64) && row->width == NARROW ? NULL : row;
}

/*
 * Feature flags: CPU_SUSPEND has the original power_state format (bit 1 clear)
 * and no OS-initiated mode (bit 0 clear); the others have none. SMCCC_VERSION
 * is the one function outside of PSCI's range that may be asked for.
 */
static int32_t psci_features(const struct psci *psci, const struct call *call,
                             struct call_result *result)
{
    uint32_t function = (uint32_t)call->x[1];
    const struct psci_function *row = psci_lookup(function);

    return function == SMCCC_VERSION || (row && row->call) ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

void psci_cpu_reset(struct psci_cpu *cpu, uint64_t mpidr, bool on)
{
    *cpu = (struct psci_cpu){
        .mpidr = mpidr & AFFINITY_MASK,
        .state = on ? PSCI_STATE_ON : PSCI_STATE_OFF,
    };
}

bool psci_cpu_is_valid(const struct psci_cpu *cpu, uint64_t mpidr)
{
    return cpu->mpidr == (mpidr & AFFINITY_MASK) && cpu->state <= PSCI_STATE_ON_PENDING;
}

void psci_cpu_started(struct psci_cpu *cpu)
{
    if (cpu->state == PSCI_STATE_ON_PENDING)
        cpu->state = PSCI_STATE_ON;
}

bool psci_call(const struct psci *psci, const struct call *call, struct call_result *result)
{
    const struct psci_function *row = psci_lookup(call->function);

    if (row && row->call) {
        call_return(result, row->call(psci, call, result));
        return true;
    }
    if (row && row->absent && log_first(LOG_KIND_CALL, ~(uint64_t)call->function)) {
        log_debug("vCPU %u: PSCI function 0x%08" PRIx32 " is not implemented: %s", call->vcpu,
                  call->function, row->absent);
    }
    return false;
}
