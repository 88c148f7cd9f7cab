/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a kernel was put: what every kernel format yields. */
#pragma once

#include <stdint.h>

#include "vmm/util/types.h"

/* [start, end) belongs to the kernel, with its .bss: nothing else may be put there. */
struct kernel {
    ipa_t entry;
    ipa_t start;
    ipa_t end;
};

/* More than the .bss and first page tables of any kernel that does not tell their size. */
#define KERNEL_TAIL_MAX UINT64_C(0x1000000)

/*
 * Bytes to keep free behind a kernel whose format does not say how big its .bss
 * is. `left` is what RAM has there: half of it stays for device tree and initrd.
 */
static inline uint64_t kernel_tail(uint64_t left)
{
    return left / 2 < KERNEL_TAIL_MAX ? left / 2 : KERNEL_TAIL_MAX;
}
