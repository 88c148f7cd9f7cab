/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdio.h>

/* The first line of a small file; empty if there is none. */
static inline void first_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");

    *line = 0;
    if (file && !fgets(line, (int)size, file))
        *line = 0;
    if (file)
        fclose(file);
}
