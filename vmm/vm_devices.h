/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's devices: where they go on its board, and what the stub must know of them. */
#pragma once

#include "vmm/chardev.h"
#include "vmm/plugin.h"

struct vm;

/* The console UART and what the user asked for. 0 or -errno after a message. */
int vm_devices_create(struct vm *vm, const struct plugins *plugins, struct chardev *chardev);

/* Tell the stub which registers' writes may be posted. 0, or what pcpu_call() said. */
int vm_devices_post(struct vm *vm);
