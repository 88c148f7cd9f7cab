/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol of QEMU (block/file-posix.c), so that the vmm, QEMU and qemu-img
 * refuse each other: a read lock on byte 100 + i says "I use permission i", one
 * on byte 200 + i "nobody else may use it". Who has set its own looks whether
 * another one's contradict. The locks belong to the open file description
 * (F_OFD_SETLK): no close() elsewhere in the process drops them.
 */
#include "vmm/disk/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vmm/util/log.h"

#define LOCK_USED     100
#define LOCK_UNSHARED 200
#define LOCK_BITS     4

/* BLK_PERM_* of QEMU */
#define PERM_CONSISTENT_READ (1u << 0)
#define PERM_WRITE           (1u << 1)
#define PERM_RESIZE          (1u << 3)

static int set(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* 0; -EBUSY: another description has locked the byte. */
static int test(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return -errno;
    return lock.l_type == F_UNLCK ? 0 : -EBUSY;
}

static int lock_bytes(int fd, unsigned used, unsigned unshared)
{
    int error = 0;

    for (int i = 0; i < LOCK_BITS && !error; i++) {
        if (used & (1u << i))
            error = set(fd, LOCK_USED + i);
        if (!error && unshared & (1u << i))
            error = set(fd, LOCK_UNSHARED + i);
    }
    for (int i = 0; i < LOCK_BITS && !error; i++) {
        if (used & (1u << i))
            error = test(fd, LOCK_UNSHARED + i);
        if (!error && unshared & (1u << i))
            error = test(fd, LOCK_USED + i);
    }
    return error;
}

int disk_lock(int fd, const char *path, bool read_only)
{
    int error = lock_bytes(fd, PERM_CONSISTENT_READ | (read_only ? 0 : PERM_WRITE),
                           PERM_WRITE | PERM_RESIZE);

    switch (error) {
    case 0: return 0;
    case -EBUSY:
    case -EAGAIN:
    case -EACCES:
        log_error("disk '%s': in use by another program (a vmm, QEMU, qemu-img?)%s; end that "
                  "first. Two that write to one image destroy it",
                  path, read_only ? ", which writes to it" : "");
        return -EBUSY;
    default:
        log_warn("disk '%s': cannot be locked here (%s): see to it yourself that nobody else "
                 "writes to it",
                 path, strerror(-error));
        return 0;
    }
}
