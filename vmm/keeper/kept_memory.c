/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/keeper/kept_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/util/memfile.h"

void *kept_memory(size_t size, const char *fmt, ...)
{
    void *at = MAP_FAILED;
    bool found;
    struct stat st;
    char name[64];
    va_list ap;
    int fd;

    va_start(ap, fmt);
    vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    fd = kept_get("%s", name);
    found = fd >= 0;
    if (!found)
        fd = memfile_create("ringvisor kept", size);
    if (fd < 0)
        return NULL;
    if ((found || kept_put(fd, "%s", name) == 0) && fstat(fd, &st) == 0 &&
        (size_t)st.st_size == size)
        at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}
