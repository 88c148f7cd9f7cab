/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's virtual counter (CNTVCT_EL0) stands while none of its vCPUs may run: while the VM
 * is paused, or its debugger has stopped it, or both. The physical counter does not stand.
 */
#pragma once

#include <stdint.h>

struct vm;

/* No vCPU is live. Each call needs one of vm_counter_go_on(). */
void vm_counter_stop(struct vm *vm);

/* The last of them, while no vCPU is live yet, lets the counter go on where it stopped. */
void vm_counter_go_on(struct vm *vm);

/*
 * Both counters of a VM that stands: the virtual one where it stands, which is not before anything
 * that the guest has read, and the physical one as it is now. 0 or as cores_read_counter().
 */
int vm_counter_read(struct vm *vm, uint64_t *virtual_count, uint64_t *physical_count);

/*
 * Of a VM from a snapshot, whose counter stands then: the virtual counter is where it was saved,
 * and what was left of the physical timers' time is left again. 0 or as cores_read_counter().
 */
int vm_counter_restore(struct vm *vm, uint64_t virtual_count, uint64_t physical_count);
