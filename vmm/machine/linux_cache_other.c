/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/linux_cache.h"

void linux_cache_clean(const void *start, uint64_t size)
{
}
