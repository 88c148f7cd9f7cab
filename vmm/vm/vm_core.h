/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the core of a VM must not forget when its vmm ends, beside the blocks of the GIC, of PSCI,
 * of the system registers and of the clock: the state block "vm". Everything else of struct vm
 * is made again from the options.
 *
 * Not here, because it is elsewhere or follows from what is there: registers and timers are in the
 * vCPU pages; stolen time is in the memory that the guest reads; which vCPU may run is PSCI's;
 * what is injected directly is the GIC's, and vgic_resync() tells the stub and the vCPUs again.
 */
#pragma once

#include <stdint.h>

struct vm;

#define VM_STATE_VERSION 1u /* of the blocks "gic", "psci" and "sysreg" */

/* What a guest asked for and the loop does, when no exit is half done. */
enum vm_request { VM_RUN_ON, VM_POWER_OFF, VM_RESET };

struct vm_core {
    uint64_t ram_size;      /* 0x00 bytes, as the state was made for */
    uint64_t rom_size;      /* 0x08 */
    uint64_t cntvoff;       /* 0x10 of all vCPUs: how long the counter has stood, in ticks */
    uint32_t nr_vcpus;      /* 0x18 */
    uint32_t request;       /* 0x1c enum vm_request; VM_RESET until the reset is over */
    int32_t power_off_code; /* 0x20 what the guest's end makes the vmm's exit status */
    uint32_t paused;        /* 0x24 1: from vm_pause() to vm_resume() */
    int64_t paused_ns;      /* 0x28 when, on the host's monotonic clock: the counter stands since */
    uint32_t pad[4];        /* 0x30 */
};
_Static_assert(sizeof(struct vm_core) == 0x40, "state block layout");

/*
 * The block of a VM whose config and state area are there: a new one, or with config.origin the
 * one that is taken over, checked. 0 or -errno after a message.
 */
int vm_core_open(struct vm *vm);

/*
 * The vCPUs of a VM that is taken over: stolen time goes on from what the guest has read. The
 * pages are theirs already.
 */
void vm_core_take_vcpus(struct vm *vm);

/* Tell the scheduler which vCPUs PSCI has switched on: none while a reset is due. */
void vm_core_start_vcpus(struct vm *vm);
