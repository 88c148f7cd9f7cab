/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware calls of the guest, by HVC or SMC alike: the SMC Calling Convention
 * 1.1 (DEN0028) and PSCI 1.1 (DEN0022).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/types.h"
#include "vmm/vcpu.h"

/* Function identifiers (DEN0022): the 32-bit ones; the 64-bit ones have bit 30 too. */
#define PSCI_VERSION           0x84000000u
#define PSCI_CPU_SUSPEND       0x84000001u
#define PSCI_CPU_OFF           0x84000002u
#define PSCI_CPU_ON            0x84000003u
#define PSCI_AFFINITY_INFO     0x84000004u
#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_SYSTEM_OFF        0x84000008u
#define PSCI_SYSTEM_RESET      0x84000009u
#define PSCI_FEATURES          0x8400000au
#define PSCI_SYSTEM_RESET2     0x84000012u
#define PSCI_SMC64             0x40000000u

/* DEN0028, Arm Architecture Calls. */
#define PSCI_SMCCC_VERSION       0x80000000u
#define PSCI_SMCCC_ARCH_FEATURES 0x80000001u

/* DEN0022, "Return error codes". */
#define PSCI_SUCCESS            0
#define PSCI_NOT_SUPPORTED      (-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_DENIED             (-3)
#define PSCI_ALREADY_ON         (-4)
#define PSCI_ON_PENDING         (-5)
#define PSCI_INTERNAL_FAILURE   (-6)
#define PSCI_INVALID_ADDRESS    (-9)

/* A vCPU's state, in the numbers that AFFINITY_INFO returns. */
#define PSCI_STATE_ON         0u
#define PSCI_STATE_OFF        1u
#define PSCI_STATE_ON_PENDING 2u

/* Guest-visible state of one vCPU: plain bytes, in memory that the core hands out. */
struct psci_cpu {
    uint64_t mpidr;      /* affinity fields of MPIDR_EL1 */
    uint64_t entry;      /* ON_PENDING: where it starts */
    uint64_t context_id; /* ON_PENDING: its x0 then */
    uint8_t state;       /* PSCI_STATE_* */
    uint8_t pad[7];
};
_Static_assert(sizeof(struct psci_cpu) == 32, "PSCI state layout");

enum psci_reset { PSCI_RESET_COLD, PSCI_RESET_WARM };

/* What the core does for PSCI. None may be NULL. */
struct psci_ops {
    /*
     * Start vCPU `index` at EL1h, MMU and caches off, interrupts masked, at
     * `entry` with `context_id` in x0. It may start later: the core calls
     * psci_cpu_started() then. 0, or -errno: the caller is told INTERNAL_FAILURE.
     */
    int (*cpu_on)(void *opaque, unsigned index, uint64_t entry, uint64_t context_id);
    /* vCPU `index` has stopped, in an exit that gets no reply. */
    void (*cpu_off)(void *opaque, unsigned index);
    void (*system_off)(void *opaque);
    void (*system_reset)(void *opaque, enum psci_reset kind);
    /* Is there RAM or ROM to run from? */
    bool (*is_memory)(void *opaque, ipa_t addr);
};

struct psci {
    const struct psci_ops *ops;
    void *opaque;
    struct psci_cpu *cpus; /* nr_cpus of them, by vCPU index */
    unsigned nr_cpus;
};

struct psci_result {
    uint64_t value; /* for x0; x1 to x17 are left alone, as SMCCC 1.1 asks */
    bool wait;      /* wait for an interrupt before going on */
    bool hold;      /* the call does not return */
};

/* A vCPU at reset: `on` for the one that boots. */
void psci_cpu_reset(struct psci_cpu *cpu, uint64_t mpidr, bool on);

/* A vCPU that CPU_ON asked for runs now: ON_PENDING becomes ON. */
void psci_cpu_started(struct psci_cpu *cpu);

/* A call with x0 to x3 of `vcpu`, by an HVC or SMC with immediate `imm`. */
void psci_call(const struct psci *psci, const struct vcpu *vcpu, uint16_t imm,
               struct psci_result *result);
