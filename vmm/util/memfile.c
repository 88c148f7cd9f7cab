/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

static int create(const char *name, uint64_t bytes, unsigned flags)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    int error;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

int memfile_create(const char *name, uint64_t bytes)
{
    return create(name, bytes, 0);
}

int memfile_create_huge(const char *name, uint64_t bytes)
{
    return create(name, bytes, MFD_HUGETLB | MFD_HUGE_2MB);
}
