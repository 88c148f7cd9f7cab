/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paravirtualized time (DEN0057A): how long each vCPU could have run and did
 * not, in memory that the guest reads. Only who shares cores between vCPUs has
 * anything to tell.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/firmware/call_internal.h"

/* Function identifiers: 64-bit only, of the standard hypervisor services. */
#define PVTIME_FEATURES 0xc5000020u /* PV_TIME_FEATURES */
#define PVTIME_ST       0xc5000021u /* PV_TIME_ST */
#define PVTIME_FIRST    0x85000020u /* the range, without CALL_SMC64 */
#define PVTIME_LAST     0x8500003fu

/* The stolen time structure, as the guest reads it: little-endian, 64 bytes, 64-byte aligned. */
struct pvtime_stolen {
    uint32_t revision;   /* 0x00 0 */
    uint32_t attributes; /* 0x04 0 */
    uint64_t stolen_ns;  /* 0x08 */
    uint8_t pad[48];     /* 0x10 */
};
_Static_assert(sizeof(struct pvtime_stolen) == 64, "DEN0057A, stolen time structure");

/* What the guest's calls need. Zeroed: not there. */
struct pvtime {
    bool available;
    uint64_t base; /* IPA of vCPU 0's structure; the others follow */
};

/* The same memory from the vmm's side. */
struct pvtime_region {
    struct pvtime_stolen *stolen;
    unsigned nr_vcpus;
};

/*
 * Structures for so many vCPUs in `memory`, which the guest sees and may not
 * write; as after a reset. 0; -EINVAL: too small, or not aligned to 64 bytes.
 */
int pvtime_region_init(struct pvtime_region *region, void *memory, size_t size, unsigned nr_vcpus);

/*
 * `stolen_ns` is all that was stolen from vCPU `vcpu` (below nr_vcpus) since the
 * reset: a total, not what to add. The guest reads it at any time, without a lock.
 */
void pvtime_account(struct pvtime_region *region, unsigned vcpu, uint64_t stolen_ns);

/* What pvtime_account() has told last, maybe in another process. */
uint64_t pvtime_stolen_ns(const struct pvtime_region *region, unsigned vcpu);

/* Call a function of the range. False: there is none, and nothing was done. */
bool pvtime_call(const struct pvtime *pvtime, const struct call *call, struct call_result *result);
