/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on open files. Data goes between the file and the guest's memory directly. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ringvisor/virtio/iov.h>
#include "devices/virtio/fs/fs_internal.h"

#define FS_IOV_MAX 512u

/* Linux's O_DIRECT on arm64, as the guest's program gave it. */
#define FS_GUEST_O_DIRECT 0200000u

/* Set-user-ID and set-group-ID do not survive a change by somebody else. */
static void fs_kill_ids_of(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && st.st_mode & (S_ISUID | S_ISGID))
        fchmod(fd, st.st_mode & 07777 & ~(mode_t)(S_ISUID | (st.st_mode & S_IXGRP ? S_ISGID : 0)));
}

int fs_reply_open(struct fs *fs, struct fs_request *r, int fd, bool dir, bool local)
{
    struct fuse_open_out out = {.open_flags = dir ? 0 : fs->options.open_flags};
    int error = fs_file_new(fs, fd, dir, local, &out.fh);

    if (error)
        return error;
    error = fs_reply(r, &out, sizeof(out));
    if (error < 0)
        fs_file_release(fs, out.fh);
    return error;
}

/*
 * Never with O_APPEND: the driver writes back pages of a mapping by any handle of the file,
 * and pwrite() would put them at the end. fs_write() knows which writes are to append.
 */
static int fs_open_flags(const struct fs *fs, const struct fuse_open_in *in)
{
    int flags = (int)(in->flags & (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC));

    /* Delayed writes: the driver reads what surrounds a write. */
    if (fs_delays_writes(fs) && (flags & O_ACCMODE) != O_RDONLY)
        flags = (flags & ~O_ACCMODE) | O_RDWR;
    return flags;
}

int fs_open(struct fs *fs, struct fs_request *r)
{
    const struct fuse_open_in *in = (const void *)r->args;
    int error, fd, flags = fs_open_flags(fs, in);
    struct fs_node *node = fs_node_get(fs, r, r->header.nodeid, &error);

    if (!node)
        return error;
    if (!S_ISREG(node->identity.type))
        error = S_ISDIR(node->identity.type) ? -EISDIR : -EINVAL;
    else if (fs->options.read_only && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
        error = -EROFS;
    fd = error ? error : fs_open_name(fs, AT_FDCWD, fs_node_path(node).path, flags, 0, r->may_wait);
    if (fd >= 0 && flags & O_TRUNC && in->open_flags & FUSE_OPEN_KILL_SUIDGID)
        fs_kill_ids_of(fd);
    error = fd < 0 ? fd : fs_reply_open(fs, r, fd, false, fs_node_is_local(fs, node));
    fs_node_put(fs, node);
    return error;
}

static bool fs_is_end(int fd, uint64_t at)
{
    struct stat st;

    return fstat(fd, &st) == 0 && at >= (uint64_t)st.st_size;
}

int fs_read(struct fs *fs, struct fs_request *r)
{
    const struct fuse_read_in *in = (const void *)r->args;
    struct iovec list[FS_IOV_MAX], *iov = list;
    unsigned count = r->out_count;
    struct fs_file *file;
    size_t room;
    ssize_t n;

    if (count > FS_IOV_MAX || in->offset > INT64_MAX)
        return -EINVAL;
    file = fs_file_get(fs, in->fh, false);
    if (!file)
        return -EBADF;
    memcpy(list, r->out, count * sizeof(*list));
    iov_advance(&iov, &count, sizeof(struct fuse_out_header));
    room = iov_size(iov, count);
    if (room > in->size)
        iov_trim(iov, &count, room - in->size);
    /* A driver that keeps to what INIT agreed on never asks for more. */
    if (!r->may_wait && (!file->local || iov_size(iov, count) > FS_WRITE_MAX)) {
        fs_file_put(fs, file);
        return FS_WAIT;
    }
    /* The loop reads what is in the page cache, a thread what has to come from a disk. */
    n = preadv2(file->fd, iov, (int)count, (off_t)in->offset, r->may_wait ? 0 : RWF_NOWAIT);
    if (n < 0 && !r->may_wait && (errno == EAGAIN || errno == EOPNOTSUPP))
        n = FS_WAIT;
    else if (n < 0)
        n = -errno;
    else if (!r->may_wait && (size_t)n < iov_size(iov, count) &&
             !fs_is_end(file->fd, in->offset + (uint64_t)n))
        n = FS_WAIT; /* a part of it was in the cache */
    fs_file_put(fs, file);
    return (int)n;
}

/*
 * How pwritev2() is to write. A program in the guest that appends does so at the end as the
 * host knows it, since the driver's idea of the size may be old. Not when pages are written
 * back (FUSE_WRITE_CACHE), not when the driver is the only one to know the size, and not for
 * O_DIRECT: the parts of one large write may come in any order.
 */
static int fs_write_flags(const struct fs *fs, const struct fuse_write_in *in, bool may_wait)
{
    bool append = in->flags & O_APPEND && !(in->flags & FS_GUEST_O_DIRECT) &&
                  !(in->write_flags & FUSE_WRITE_CACHE) && !fs_delays_writes(fs);

    return (append ? RWF_APPEND : 0) | (may_wait ? 0 : RWF_NOWAIT);
}

/* Bytes that were written now, -errno or FS_WAIT. */
static ssize_t fs_write_file(struct fs *fs, struct fs_request *r, struct fs_file *file)
{
    const struct fuse_write_in *in = (const void *)r->args;
    unsigned count = r->data_count;
    size_t have = iov_size(r->data, count), left = in->size - r->done;
    bool kill_ids = in->write_flags & FUSE_WRITE_KILL_SUIDGID;
    ssize_t n;

    if (!r->may_wait && (!file->local || kill_ids))
        return FS_WAIT;
    iov_trim(r->data, &count, have - left);
    r->data_count = count;
    if (kill_ids)
        fs_kill_ids_of(file->fd);
    n = pwritev2(file->fd, r->data, (int)count, (off_t)(in->offset + r->done),
                 fs_write_flags(fs, in, r->may_wait));
    if (n < 0 && !r->may_wait && (errno == EAGAIN || errno == EOPNOTSUPP))
        return FS_WAIT;
    if (n < 0)
        return r->done ? 0 : -errno;
    if (!r->may_wait && (size_t)n < left) {
        /* A part was possible at once: a thread goes on behind it. */
        iov_advance(&r->data, &r->data_count, (size_t)n);
        r->done += (size_t)n;
        return FS_WAIT;
    }
    return n;
}

int fs_write(struct fs *fs, struct fs_request *r)
{
    const struct fuse_write_in *in = (const void *)r->args;
    struct fuse_write_out out = {0};
    struct fs_file *file;
    ssize_t n;

    if (in->size > FS_WRITE_MAX || in->size - r->done > iov_size(r->data, r->data_count) ||
        in->offset > INT64_MAX)
        return -EINVAL;
    file = fs_file_get(fs, in->fh, false);
    if (!file)
        return -EBADF;
    n = fs_write_file(fs, r, file);
    fs_file_put(fs, file);
    if (n < 0)
        return (int)n;
    out.size = (uint32_t)(r->done + (size_t)n);
    return fs_reply(r, &out, sizeof(out));
}

int fs_release(struct fs *fs, struct fs_request *r)
{
    const struct fuse_release_in *in = (const void *)r->args;

    fs_file_release(fs, in->fh);
    return 0;
}

/* close() of a copy of the descriptor: some file systems report write errors then. */
int fs_flush(struct fs *fs, struct fs_request *r)
{
    const struct fuse_flush_in *in = (const void *)r->args;
    struct fs_file *file = fs_file_get(fs, in->fh, false);
    int error = 0, copy;

    if (!file)
        return -EBADF;
    copy = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 || close(copy) < 0)
        error = -errno;
    fs_file_put(fs, file);
    return error;
}

int fs_fsync(struct fs *fs, struct fs_request *r)
{
    const struct fuse_fsync_in *in = (const void *)r->args;
    struct fs_file *file = fs_file_get(fs, in->fh, r->header.opcode == FUSE_FSYNCDIR);
    int error;

    if (!file)
        return -EBADF;
    error = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(file->fd) : fsync(file->fd);
    error = error < 0 ? -errno : 0;
    fs_file_put(fs, file);
    return error;
}

int fs_fallocate(struct fs *fs, struct fs_request *r)
{
    const struct fuse_fallocate_in *in = (const void *)r->args;
    struct fs_file *file;
    int error;

    if (in->offset > INT64_MAX || in->length > INT64_MAX)
        return -EINVAL;
    file = fs_file_get(fs, in->fh, false);
    if (!file)
        return -EBADF;
    error =
        fallocate(file->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0 ? -errno : 0;
    fs_file_put(fs, file);
    return error;
}

/* Data and holes only: the driver computes other positions itself. */
int fs_lseek(struct fs *fs, struct fs_request *r)
{
    const struct fuse_lseek_in *in = (const void *)r->args;
    struct fuse_lseek_out out = {0};
    struct fs_file *file;
    off_t at;
    int error;

    if ((in->whence != SEEK_DATA && in->whence != SEEK_HOLE) || in->offset > INT64_MAX)
        return -EINVAL;
    file = fs_file_get(fs, in->fh, false);
    if (!file)
        return -EBADF;
    at = lseek(file->fd, (off_t)in->offset, (int)in->whence);
    error = at < 0 ? -errno : 0;
    fs_file_put(fs, file);
    out.offset = (uint64_t)at;
    return error ? error : fs_reply(r, &out, sizeof(out));
}

int fs_copy_file_range(struct fs *fs, struct fs_request *r)
{
    const struct fuse_copy_file_range_in *in = (const void *)r->args;
    struct fs_file *from, *to;
    struct fuse_write_out out = {0};
    off_t from_at = (off_t)in->off_in, to_at = (off_t)in->off_out;
    size_t len = in->len < FS_WRITE_MAX * 64ull ? in->len : FS_WRITE_MAX * 64ull;
    ssize_t n = -EBADF;

    if (from_at < 0 || to_at < 0)
        return -EINVAL;
    from = fs_file_get(fs, in->fh_in, false);
    to = fs_file_get(fs, in->fh_out, false);
    if (from && to) {
        n = copy_file_range(from->fd, &from_at, to->fd, &to_at, len, 0);
        n = n < 0 ? -errno : n;
    }
    fs_file_put(fs, from);
    fs_file_put(fs, to);
    if (n < 0)
        return (int)n;
    out.size = (uint32_t)n;
    return fs_reply(r, &out, sizeof(out));
}

int fs_syncfs(struct fs *fs, struct fs_request *r)
{
    int fd, error;

    fd = fs_open_name(fs, fs->options.root, ".", O_RDONLY | O_DIRECTORY, 0, r->may_wait);
    error = fd < 0 ? fd : syncfs(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}
