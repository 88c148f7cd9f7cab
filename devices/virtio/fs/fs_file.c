/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on what a file contains. Data goes between the file and the guest's memory. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio/fs/fs.h"
#include "devices/virtio/core/iov.h"

#define FS_IOV_MAX 512u

/* Set-user-ID and set-group-ID do not survive a change by somebody else. */
static void fs_kill_ids_of(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && st.st_mode & (S_ISUID | S_ISGID))
        fchmod(fd, st.st_mode & 07777 & ~(mode_t)(S_ISUID | (st.st_mode & S_IXGRP ? S_ISGID : 0)));
}

/* While another process has a lease of the file, open() waits for that to end. */
static int fs_open_node(const struct fs_node *node, int flags, bool may_wait)
{
    int fd = open(fs_node_path(node).path, flags | O_CLOEXEC | (may_wait ? 0 : O_NONBLOCK));

    if (fd < 0)
        return errno == EWOULDBLOCK && !may_wait ? FS_WAIT : -errno;
    if (!may_wait)
        fcntl(fd, F_SETFL, flags & O_APPEND);
    return fd;
}

int fs_open(struct fs *fs, struct fs_request *r)
{
    const struct fuse_open_in *in = (const void *)r->args;
    struct fs_node *node = fs_node_get(fs, r->header.nodeid);
    struct fuse_open_out out = {.open_flags = fs->options.open_flags};
    int error = 0, fd = -1;
    int flags = (int)(in->flags & (O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC | O_DSYNC));

    if (!node)
        return -ESTALE;
    /* The driver reads what surrounds a write, and says where the end is. */
    if (fs->options.writeback)
        flags = (flags & ~(O_ACCMODE | O_APPEND)) |
                ((flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR);
    if (!S_ISREG(node->type))
        error = S_ISDIR(node->type) ? -EISDIR : -EINVAL;
    else if (fs->options.read_only && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
        error = -EROFS;
    else if (!r->may_wait && flags & O_TRUNC)
        error = FS_WAIT;
    else {
        fd = fs_open_node(node, flags, r->may_wait);
        error = fd < 0 ? fd : 0;
    }
    fs_node_put(fs, node);
    if (error)
        return error;
    if (flags & O_TRUNC && in->open_flags & FUSE_OPEN_KILL_SUIDGID)
        fs_kill_ids_of(fd);
    error = fs_file_new(fs, fd, false, &out.fh);
    if (error)
        return error;
    error = fs_reply(r, &out, sizeof(out));
    if (error < 0)
        fs_file_release(fs, out.fh);
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
    if (!r->may_wait && iov_size(iov, count) > FS_WRITE_MAX) {
        fs_file_put(fs, file);
        return FS_WAIT; /* no driver that keeps to INIT asks for so much: not in the loop */
    }
    /* From the page cache at once; from a disk by somebody who may wait. */
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

int fs_write(struct fs *fs, struct fs_request *r)
{
    const struct fuse_write_in *in = (const void *)r->args;
    struct fuse_write_out out = {0};
    unsigned count = r->data_count;
    size_t have = iov_size(r->data, count), left = in->size - r->done;
    struct fs_file *file;
    ssize_t n;

    if (left > have || in->size > FS_WRITE_MAX || in->offset > INT64_MAX)
        return -EINVAL;
    file = fs_file_get(fs, in->fh, false);
    if (!file)
        return -EBADF;
    if (r->may_wait || !(in->write_flags & FUSE_WRITE_KILL_SUIDGID)) {
        iov_trim(r->data, &count, have - left);
        r->data_count = count;
        if (in->write_flags & FUSE_WRITE_KILL_SUIDGID)
            fs_kill_ids_of(file->fd);
        n = pwritev2(file->fd, r->data, (int)count, (off_t)(in->offset + r->done),
                     r->may_wait ? 0 : RWF_NOWAIT);
        if (n < 0 && !r->may_wait && (errno == EAGAIN || errno == EOPNOTSUPP)) {
            n = FS_WAIT;
        } else if (n < 0) {
            n = r->done ? 0 : -errno;
        } else if (!r->may_wait && (size_t)n < left) {
            /* A part was possible at once: a thread goes on behind it. */
            iov_advance(&r->data, &r->data_count, (size_t)n);
            r->done += (size_t)n;
            n = FS_WAIT;
        }
    } else {
        n = FS_WAIT;
    }
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

/* close() of one of its descriptors: some file systems report an error of a write then. */
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

/* Data and holes only: the driver knows its positions itself. */
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

    (void)r;
    fd = openat(fs->options.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = fd < 0 || syncfs(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}
