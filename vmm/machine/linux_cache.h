/* SPDX-License-Identifier: BSD-2-Clause */
/* Data caches, on the machine `linux`. */
#pragma once

#include <stdint.h>

/*
 * Write the range back to memory and drop it from all data caches: a guest whose MMU is off reads
 * past them (Arm ARM B2.7, "Mismatched memory attributes"). Instruction caches need nothing: the
 * stub invalidates a core's when a vCPU comes to it. On x86 there is no such machine: no effect.
 */
void linux_cache_clean(const void *start, uint64_t size);
