/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/disk_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "vmm/disk/lock.h"
#include "vmm/keeper/kept.h"
#include "vmm/keeper/kept_memory.h"
#include "vmm/util/log.h"

#define KEPT_RECORDS "disks"
#define RECORDS      256u

/* Without a keeper, or memory, each is this process's. */
static struct disk_record own[RECORDS];

struct disk_record *disk_kept_record(unsigned *number)
{
    /* They stay until the end of the process. */
    struct disk_record *records = kept_has_keeper() ? kept_memory(sizeof(own), KEPT_RECORDS) : NULL;

    *number = kept_number("disk");
    if (records && *number < RECORDS)
        return &records[*number];
    own[*number % RECORDS] = (struct disk_record){0};
    return &own[*number % RECORDS];
}

int disk_kept_image(unsigned number)
{
    return kept_get("disk-%u", number);
}

/* Another description of the same file. If there cannot be one (no /proc), the same one. */
static int describe_again(int fd)
{
    int flags = fcntl(fd, F_GETFL) & (O_ACCMODE | O_DIRECT | O_DSYNC), again;
    char name[32];

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    again = open(name, flags | O_CLOEXEC | O_NOCTTY);
    return again >= 0 ? again : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int disk_keep_image(unsigned number, int fd, const char *path, bool read_only, bool lock)
{
    int again, error = 0;

    if (!kept_has_keeper())
        return 0;
    if (lock && !read_only)
        error = disk_lock_requests(fd, path);
    if (error)
        return error;
    again = describe_again(fd);
    if (again < 0)
        return -errno;
    if (lock)
        disk_lock_again(again, read_only);
    error = kept_put(again, "disk-%u", number);
    close(again);
    return error;
}
