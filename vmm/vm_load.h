/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "vmm/guest/loader.h"

struct vm;

/* Kernel, initrd and device tree into the guest's RAM. 0 or -errno after a message. */
int vm_load_guest(struct vm *vm, struct loader_layout *layout);
