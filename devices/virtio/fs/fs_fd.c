/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors: how they are opened, and what happens when there are too few. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "devices/virtio/fs/fs_internal.h"

#define FS_CLOSE_BATCH 16u /* nodes that are closed when the process has no descriptor left */

/* Missing in <linux/magic.h> of some distributions. */
#define FS_MAGIC_XFS   0x58465342
#define FS_MAGIC_BTRFS 0x9123683e
#define FS_MAGIC_F2FS  0xf2f52010

struct fs_proc fs_proc(int fd)
{
    struct fs_proc proc;

    snprintf(proc.path, sizeof(proc.path), "/proc/self/fd/%d", fd);
    return proc;
}

/*
 * The limits of the process
 */

void fs_limits(struct fs *fs)
{
    struct rlimit limit;
    unsigned spare;

    fs->max_fds = FS_FDS_MAX;
    fs->end_fd = INT_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    /* open() gives the lowest free number: this counts the descriptors of other shares, too. */
    if (limit.rlim_cur < INT_MAX)
        fs->end_fd = (int)limit.rlim_cur;
    spare = fs->end_fd > (int)(2 * FS_SPARE_FDS) ? FS_SPARE_FDS : (unsigned)fs->end_fd / 2;
    fs->end_fd -= (int)spare;
    if ((unsigned)fs->end_fd < fs->max_fds)
        fs->max_fds = (unsigned)fs->end_fd;
}

/*
 * Closes idle nodes until fewer descriptors are open than this file system's part of the
 * limit, less some that others may open meanwhile. FS_WAIT: a thread has to do it.
 */
static int fs_make_room(struct fs *fs, bool may_wait)
{
    unsigned sharers = fs->options.sharers ? atomic_load(fs->options.sharers) : 1;
    unsigned part = fs->max_fds / (sharers ? sharers : 1);
    bool over;

    for (;;) {
        pthread_mutex_lock(&fs->lock);
        over = fs->nr_fds >= part - part / 8 && fs->oldest != FS_NONE;
        pthread_mutex_unlock(&fs->lock);
        if (!over)
            return 0;
        if (!may_wait)
            return FS_WAIT;
        fs_node_close_oldest(fs);
    }
}

static bool fs_close_idle_nodes(struct fs *fs)
{
    unsigned n = 0;

    while (n < FS_CLOSE_BATCH && fs_node_close_oldest(fs))
        n++;
    return n > 0;
}

/*
 * The rest of the process needs the numbers from end_fd on. A descriptor there is moved to
 * a lower number if one can be had; the file is not opened twice, since open() may have made
 * it. A descriptor that stays there can be used for a moment, but not be kept.
 */
static int fs_move_down(struct fs *fs, int fd, bool may_wait)
{
    while (fd >= fs->end_fd) {
        int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        if (other >= 0 && other < fd) {
            close(fd);
            fd = other;
        } else if (other >= 0) {
            close(other);
        }
        if (fd < fs->end_fd)
            break;
        if (!may_wait) {
            close(fd);
            return FS_WAIT;
        }
        if (!fs_close_idle_nodes(fs))
            break;
    }
    return fd;
}

/*
 * Opening
 */

static int fs_open_once(const struct fs *fs, int dir, const char *name, int flags, mode_t mode,
                        bool may_wait)
{
    const struct open_how how = {
        .flags = (unsigned)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (may_wait ? 0u : RESOLVE_CACHED),
    };
    int fd;

    if (!(flags & O_PATH) || dir == AT_FDCWD) {
        fd = openat(dir, name, flags, mode);
    } else if (!fs->no_openat2) {
        fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
        /* EINVAL: a kernel before 5.12 does not know RESOLVE_CACHED. */
        if (fd < 0 && !may_wait && (errno == EAGAIN || errno == EINVAL))
            return FS_WAIT;
    } else if (!may_wait) {
        return FS_WAIT;
    } else {
        /*
         * As safe: `name` is one component, neither ".." nor with a slash, and O_NOFOLLOW
         * opens a link itself, also one of /proc.
         */
        fd = openat(dir, name, flags);
    }
    return fd < 0 ? -errno : fd;
}

int fs_open_name(struct fs *fs, int dir, const char *name, int flags, mode_t mode, bool may_wait)
{
    for (;;) {
        int fd = fs_make_room(fs, may_wait);

        if (fd == 0)
            fd = fs_open_once(fs, dir, name, flags | O_CLOEXEC, mode, may_wait);
        if (fd >= 0)
            return fs_move_down(fs, fd, may_wait);
        if (fd != -EMFILE && fd != -ENFILE)
            return fd;
        /* A descriptor is allocated before the file is made: nothing was done yet. */
        if (!may_wait)
            return FS_WAIT;
        if (!fs_close_idle_nodes(fs))
            return -ENFILE;
    }
}

/* Some container managers and systemd's filters refuse openat2(). */
bool fs_openat2_works(int dir)
{
    const struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir, ".", &how, sizeof(how));

    if (fd >= 0)
        close(fd);
    return fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EACCES);
}

/*
 * Attributes
 */

int fs_stat(int fd, bool may_wait, struct statx *st)
{
    int flags = AT_EMPTY_PATH | (may_wait ? 0 : AT_STATX_DONT_SYNC);

    return statx(fd, "", flags, STATX_BASIC_STATS | STATX_BTIME, st) < 0 ? -errno : 0;
}

/*
 * On these, attributes of an open node are in memory. NFS, FUSE and overlay file systems
 * may ask a server or another file system for them.
 */
bool fs_is_local(int fd)
{
    struct statfs st;

    if (fstatfs(fd, &st) < 0)
        return false;
    switch ((uint32_t)st.f_type) {
    case EXT4_SUPER_MAGIC:
    case FS_MAGIC_XFS:
    case FS_MAGIC_BTRFS:
    case FS_MAGIC_F2FS:
    case TMPFS_MAGIC: return true;
    default: return false;
    }
}
