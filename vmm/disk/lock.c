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
#include <time.h>

#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define LOCK_USED     100
#define LOCK_UNSHARED 200
#define LOCK_BITS     4
#define LOCK_REQUESTS 300 /* ours alone: exclusive */

#define LOCK_WAIT_MS 30000 /* for a process that has been killed, or a helper that writes out */
#define LOCK_LOOK_MS 2

/* BLK_PERM_* of QEMU */
#define PERM_CONSISTENT_READ (1u << 0)
#define PERM_WRITE           (1u << 1)
#define PERM_RESIZE          (1u << 3)

static int set_type(int fd, short type, off_t byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

static int set(int fd, off_t byte)
{
    return set_type(fd, F_RDLCK, byte);
}

/* 0; -EBUSY: another description has locked the byte. */
static int test(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return -errno;
    return lock.l_type == F_UNLCK ? 0 : -EBUSY;
}

static int set_bytes(int fd, unsigned used, unsigned unshared)
{
    int error = 0;

    for (int i = 0; i < LOCK_BITS && !error; i++) {
        if (used & (1u << i))
            error = set(fd, LOCK_USED + i);
        if (!error && unshared & (1u << i))
            error = set(fd, LOCK_UNSHARED + i);
    }
    return error;
}

static int lock_bytes(int fd, unsigned used, unsigned unshared)
{
    int error = set_bytes(fd, used, unshared);

    for (int i = 0; i < LOCK_BITS && !error; i++) {
        if (used & (1u << i))
            error = test(fd, LOCK_UNSHARED + i);
        if (!error && unshared & (1u << i))
            error = test(fd, LOCK_USED + i);
    }
    return error;
}

static bool is_busy(int error)
{
    return error == -EBUSY || error == -EAGAIN || error == -EACCES;
}

static unsigned used_by(bool read_only)
{
    return PERM_CONSISTENT_READ | (read_only ? 0 : PERM_WRITE);
}

#define UNSHARED (PERM_WRITE | PERM_RESIZE)

static void wait_a_bit(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOCK_LOOK_MS * 1000000}, NULL);
}

/* 0, or -EBUSY after a message. */
static int locked(int error, const char *path, bool read_only)
{
    if (is_busy(error)) {
        log_error("disk '%s': in use by another program (a vmm, QEMU, qemu-img?)%s; end that "
                  "first. Two that write to one image destroy it",
                  path, read_only ? ", which writes to it" : "");
        return -EBUSY;
    }
    if (error)
        log_warn("disk '%s': cannot be locked here (%s): see to it yourself that nobody else "
                 "writes to it",
                 path, strerror(-error));
    return 0;
}

int disk_lock(int fd, const char *path, bool read_only)
{
    return locked(lock_bytes(fd, used_by(read_only), UNSHARED), path, read_only);
}

int disk_lock_after(int fd, const char *path, bool read_only)
{
    int64_t end = clock_now_ms() + LOCK_WAIT_MS;
    int error;

    while (is_busy(error = lock_bytes(fd, used_by(read_only), UNSHARED)) && clock_now_ms() < end)
        wait_a_bit();
    return locked(error, path, read_only);
}

void disk_lock_again(int fd, bool read_only)
{
    set_bytes(fd, used_by(read_only), UNSHARED);
}

int disk_lock_requests(int fd, const char *path)
{
    int64_t end = clock_now_ms() + LOCK_WAIT_MS;
    int error;

    while (is_busy(error = set_type(fd, F_WRLCK, LOCK_REQUESTS)) && clock_now_ms() < end)
        wait_a_bit();
    if (!is_busy(error))
        return 0; /* where there are no locks a warning has been given */
    log_error("disk '%s': requests of the vmm before this one are still under way after %d s: the "
              "host's storage does not answer",
              path, LOCK_WAIT_MS / 1000);
    return -EBUSY;
}
