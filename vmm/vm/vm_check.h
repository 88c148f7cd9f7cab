/* SPDX-License-Identifier: BSD-2-Clause */
/* Can this vmm take over a guest that runs? Answered while another vmm goes on with it. */
#pragma once

struct plugins;
struct vm;

#define VM_KEPT_STATE "state" /* the name of the state area's memory object: kept_get() */
struct vm_config;

/*
 * `state_fd` is the state area of the guest, of which only a copy is touched: the blocks of the
 * core and of each device are there, in a version that this vmm and its plugins read, and there
 * is no other one. What a device keeps beside its first block is not looked at. 0, or -errno
 * after a message.
 */
int vm_check(const struct vm_config *config, const struct plugins *plugins, int state_fd);

/* Of a VM that was taken over: there is no block that nobody has asked for. 0 or -EINVAL. */
int vm_check_claimed(const struct vm *vm);
