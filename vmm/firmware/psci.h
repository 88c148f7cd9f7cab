/* SPDX-License-Identifier: BSD-2-Clause */
/* Power State Coordination Interface 1.1 (DEN0022). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/cpu/undo.h"
#include "vmm/firmware/call_internal.h"
#include "vmm/util/types.h"

/* Function identifiers: the 32-bit ones; the 64-bit ones have CALL_SMC64 too. */
#define PSCI_VERSION                 0x84000000u
#define PSCI_CPU_SUSPEND             0x84000001u
#define PSCI_CPU_OFF                 0x84000002u
#define PSCI_CPU_ON                  0x84000003u
#define PSCI_AFFINITY_INFO           0x84000004u
#define PSCI_MIGRATE                 0x84000005u
#define PSCI_MIGRATE_INFO_TYPE       0x84000006u
#define PSCI_MIGRATE_INFO_UP_CPU     0x84000007u
#define PSCI_SYSTEM_OFF              0x84000008u
#define PSCI_SYSTEM_RESET            0x84000009u
#define PSCI_FEATURES                0x8400000au
#define PSCI_CPU_FREEZE              0x8400000bu
#define PSCI_CPU_DEFAULT_SUSPEND     0x8400000cu
#define PSCI_NODE_HW_STATE           0x8400000du
#define PSCI_SYSTEM_SUSPEND          0x8400000eu
#define PSCI_SET_SUSPEND_MODE        0x8400000fu
#define PSCI_STAT_RESIDENCY          0x84000010u
#define PSCI_STAT_COUNT              0x84000011u
#define PSCI_SYSTEM_RESET2           0x84000012u
#define PSCI_MEM_PROTECT             0x84000013u
#define PSCI_MEM_PROTECT_CHECK_RANGE 0x84000014u
#define PSCI_LAST                    0x8400001fu /* of the range that is PSCI's */

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

/* What NODE_HW_STATE returns. */
#define PSCI_HW_ON  0
#define PSCI_HW_OFF 1

/* Guest-visible state of one vCPU: plain bytes, in the state area. */
struct psci_cpu {
    uint64_t mpidr;      /* affinity fields of MPIDR_EL1 */
    uint64_t entry;      /* ON_PENDING: where it starts */
    uint64_t context_id; /* ON_PENDING: its x0 then */
    uint8_t state;       /* PSCI_STATE_* */
    uint8_t pad[7];
};
_Static_assert(sizeof(struct psci_cpu) == 32, "PSCI state layout");

enum psci_reset { PSCI_RESET_COLD, PSCI_RESET_WARM };

/* What the VM does for PSCI. None may be NULL. */
struct psci_ops {
    /*
     * Start vCPU `index` at EL1h, MMU and caches off, interrupts masked, at
     * `entry` with `context_id` in x0. It may start later: the VM calls
     * psci_cpu_started() then. 0, or -errno: the caller is told INTERNAL_FAILURE.
     */
    int (*cpu_on)(void *opaque, unsigned index, uint64_t entry, uint64_t context_id);
    /* vCPU `index` has stopped, in an exit that gets no reply. */
    void (*cpu_off)(void *opaque, unsigned index);
    void (*system_off)(void *opaque);
    void (*system_reset)(void *opaque, enum psci_reset kind);
    /* Is there RAM or ROM to run from? */
    bool (*is_memory)(void *opaque, ipa_t addr);
    /*
     * vCPU `index`, which is in a blocking exit, comes out of power-down: as by
     * cpu_on, but its timers go on and its interrupts stay pending and active.
     * 0, or -errno when the machine is lost.
     */
    int (*restart)(void *opaque, unsigned index, uint64_t entry, uint64_t context_id);
};

struct psci {
    const struct psci_ops *ops;
    void *opaque;
    struct psci_cpu *cpus; /* nr_cpus of them, by vCPU index */
    unsigned nr_cpus;
    struct undo *undo; /* is told before one of `cpus` changes; or NULL */
};

/* A vCPU at reset: `on` for the one that boots. */
void psci_cpu_reset(struct psci_cpu *cpu, uint64_t mpidr, bool on);

/* Of a vCPU that is taken over: can these bytes be its state? */
bool psci_cpu_is_valid(const struct psci_cpu *cpu, uint64_t mpidr);

/* A vCPU that CPU_ON asked for runs now: ON_PENDING becomes ON. */
void psci_cpu_started(struct psci_cpu *cpu);

/* Call a function of PSCI's range. False: there is none, and nothing was done. */
bool psci_call(const struct psci *psci, const struct call *call, struct call_result *result);
