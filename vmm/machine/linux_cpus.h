/* SPDX-License-Identifier: BSD-2-Clause */
/* Which CPUs of the host the machine `linux` takes. A mask has bit n for CPU n. */
#pragma once

#include <stdint.h>

/* A list such as "0-3,6", as in Linux's files and options. 0 or -EINVAL: no such list, or above 63. */
int linux_cpus_parse(const char *list, uint64_t *mask);

/*
 * `wanted` of the CPUs that are online and that nobody has: the last ones, and at least one stays.
 * 0: there are not so many.
 */
uint64_t linux_cpus_pick(uint64_t online, uint64_t taken, unsigned wanted);
