/* SPDX-License-Identifier: BSD-2-Clause */
/* What a QEMU that is installed can do. `path` may be a name that is looked for in $PATH. */
#pragma once

#include <stdbool.h>

/* Was it built with its own filter of system calls, and is that wanted? */
bool qemu_program_has_sandbox(const char *path);

/* Say which version it is, if that is known to be too old. */
void qemu_program_complain(const char *path);
