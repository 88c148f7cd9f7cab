/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's virtual counter (CNTVCT_EL0) stands while none of its vCPUs may run: while the VM
 * is paused, or its debugger has stopped it, or both. The physical counter does not stand.
 */
#pragma once

struct vm;

/* No vCPU is live. Each call needs one of vm_counter_go_on(). */
void vm_counter_stop(struct vm *vm);

/* The last of them, while no vCPU is live yet, lets the counter go on where it stopped. */
void vm_counter_go_on(struct vm *vm);
