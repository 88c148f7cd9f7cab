/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that outlives this process. */
#pragma once

#include <stddef.h>

/*
 * `size` bytes, of zeros or as the process before has left them; `fmt` makes their name. Without a
 * keeper only this process has them. NULL: there are none, or what was left has another size.
 */
void *kept_memory(size_t size, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
