/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest's firmware is told by the fw-cfg device: the board, what to start, boot order. */
#pragma once

struct vm;

/*
 * The fw-cfg device as --device has it, after the devices that it tells of have been made: what
 * the user gave for it, and the vmm's own properties. free() it. NULL after a message.
 */
char *vm_firmware_device(const struct vm *vm);
