/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vmm that gives its guest up to another one on purpose. vCPUs and devices stand still, nothing
 * is half done, and the guest's time goes on: the other one takes over as from a vmm that was
 * killed (vm_takeover.c). A guest that is paused stays so.
 */
#pragma once

#include <stdbool.h>

struct vm;

/* 0; -EIO: the machine is lost, and the VM is broken. */
int vm_leave(struct vm *vm);

/*
 * Has all come to rest? Call it again from time to time, from the event loop. A reset, and a
 * snapshot that is being taken, end before.
 */
bool vm_has_left(struct vm *vm);

/* The guest stays with this vmm. Also without vm_leave(). */
void vm_stay(struct vm *vm);
