/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/disk_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/disk/lock.h"
#include "vmm/keeper/kept.h"
#include "vmm/util/log.h"
#include "vmm/util/memfile.h"

#define KEPT_RECORDS "disks"
#define RECORDS      256u

/* Without a keeper, or memory, each is this process's. */
static struct disk_record own[RECORDS];

/* All records, or NULL. They stay until the end of the process. */
static struct disk_record *find_records(void)
{
    int fd = kept_get(KEPT_RECORDS);
    void *at = MAP_FAILED;

    if (fd < 0 && kept_has_keeper()) {
        fd = memfile_create("ringvisor disks", sizeof(own));
        if (fd >= 0 && kept_put(fd, KEPT_RECORDS)) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0) {
        at = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    return at == MAP_FAILED ? NULL : at;
}

struct disk_record *disk_kept_record(unsigned *number)
{
    struct disk_record *records = find_records();

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
