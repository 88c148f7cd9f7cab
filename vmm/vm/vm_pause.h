/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM that stands still and goes on.
 *
 * What stands: the vCPUs, the devices, and the guest's time. The virtual counter (CNTVCT_EL0)
 * and the devices' clock go on where they stopped, as after QEMU's `stop` and `cont`. The
 * physical counter and the clock of the PL031 show the host's time and do not stop.
 *
 * Call these functions from the event loop, not while an exit is handled.
 */
#pragma once

#include <stdbool.h>

struct vm;

/*
 * Take all vCPUs off their pCPUs and let the devices end what they have in flight. A VM that is
 * paused already stays so. 0; -EIO: the machine is lost, and the VM is broken; -ENOMEM.
 */
int vm_pause(struct vm *vm);

/* Has vm_pause() been called, and not vm_resume()? */
bool vm_is_pausing(const struct vm *vm);

/* Has all come to rest? Call it again from time to time after vm_pause(). */
bool vm_is_paused(struct vm *vm);

/* Go on; vm_is_paused() must have said yes. */
void vm_resume(struct vm *vm);

/*
 * A VM from a snapshot, which the stub knows and whose counters are set (vm_counter_restore()):
 * it stands as after vm_pause(), and vm_resume() lets it go on.
 */
void vm_pause_restored(struct vm *vm);

/* After a reset: vCPU 0 and the devices begin; what is paused waits for vm_resume(). */
void vm_pause_begin(struct vm *vm);
