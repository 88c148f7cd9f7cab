/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest finds in its RAM when it starts. */
#pragma once

#include "vmm/loader/loader.h"

struct vm;

/* Once, before vm_load_files(). 0 or -errno after a message. */
int vm_open_files(struct vm *vm);

/*
 * Kernel and initrd into the guest's RAM, unless its firmware loads them. 0 or -errno after a
 * message.
 */
int vm_load_files(struct vm *vm, struct loader_layout *layout);

/*
 * The device tree, where `layout` has room for it. It tells what the CPUs have: the
 * stub must be up. 0 or -errno after a message.
 */
int vm_load_dtb(struct vm *vm, const struct loader_layout *layout);
