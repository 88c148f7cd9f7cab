/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of the devices' registers have posted writes: the windows that the stub looks at. */
#pragma once

#include <stdint.h>

#include "vmm/util/types.h"

struct vm;

/* Decide which registers' writes are always posted: vm->posted. After the devices were made. */
void vm_post_windows(struct vm *vm);

/*
 * From now on writes to [start, start + size) are posted as well; size 0: not any more. For one
 * device at a time, which names the same start when it gives the window back. If another one has
 * it, nothing changes: that is only slower.
 */
void vm_post_later(struct vm *vm, ipa_t start, uint64_t size);
