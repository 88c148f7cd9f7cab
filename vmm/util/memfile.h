/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that other processes map as well. */
#pragma once

#include <stdint.h>

/*
 * A memory file of `bytes` zeros, whose length nobody can change: a process that it is given
 * to could cut it, and the next access beyond its end would end this one. A descriptor that
 * closes on exec, or -errno.
 */
int memfile_create(const char *name, uint64_t bytes);

/* The same in huge pages of 2 MiB; `bytes` is a multiple of it. */
int memfile_create_huge(const char *name, uint64_t bytes);
