/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unified kernel images (UAPI group, "Unified Kernel Image"): a PE file for EFI whose
 * sections .linux, .initrd and .cmdline are a kernel, its initrd and its command line.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/loader/input.h"

/* All of it lies in the file's bytes. NULL: there is no such section. */
struct uki {
    const uint8_t *linux_data;
    size_t linux_size;
    const uint8_t *initrd;
    size_t initrd_size;
    const uint8_t *cmdline;
    size_t cmdline_size;
};

/*
 * 1: a UKI for AArch64; 0: something else, `uki` is empty; after a message -EBADMSG:
 * truncated or corrupt; -ENOTSUP: for another processor.
 */
int uki_find(const struct input *input, const uint8_t *data, size_t size, struct uki *uki);

/*
 * Its command line as a string of `room` bytes at most: "" if it has none. 0, or -EFBIG
 * after a message.
 */
int uki_cmdline(const struct input *input, const struct uki *uki, char *to, size_t room);
