/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on a node itself: attributes, the target of a link, its file system. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/virtio/fs/fs_internal.h"

/*
 * Attributes
 */

uint64_t fs_ino(unsigned device, uint64_t ino)
{
    return ino ^ (uint64_t)device << 48;
}

void fs_attr_fill(const struct fs *fs, const struct statx *st, unsigned device,
                  struct fuse_attr *attr)
{
    bool own_uid = !fs->root_user && st->stx_uid == fs->uid;
    bool own_gid = !fs->root_user && st->stx_gid == fs->gid;

    *attr = (struct fuse_attr){
        .ino = fs_ino(device, st->stx_ino),
        .size = st->stx_size,
        .blocks = st->stx_blocks,
        .atime = (uint64_t)st->stx_atime.tv_sec,
        .mtime = (uint64_t)st->stx_mtime.tv_sec,
        .ctime = (uint64_t)st->stx_ctime.tv_sec,
        .atimensec = st->stx_atime.tv_nsec,
        .mtimensec = st->stx_mtime.tv_nsec,
        .ctimensec = st->stx_ctime.tv_nsec,
        .mode = st->stx_mode,
        .nlink = st->stx_nlink,
        .uid = own_uid ? 0 : st->stx_uid,
        .gid = own_gid ? 0 : st->stx_gid,
        .rdev = (uint32_t)makedev(st->stx_rdev_major, st->stx_rdev_minor),
        .blksize = st->stx_blksize,
    };
}

int fs_attr(const struct fs *fs, const struct fs_node *node, bool may_wait, struct fuse_attr *attr)
{
    struct statx st;
    int error;

    if (!may_wait && !fs_node_is_local(fs, node))
        return FS_WAIT;
    error = fs_stat(node->fd, may_wait, &st);
    if (!error)
        fs_attr_fill(fs, &st, node->device, attr);
    return error;
}

int fs_getattr(struct fs *fs, struct fs_request *r)
{
    struct fuse_attr_out out = {.attr_valid = fs->options.timeout};
    int error;
    struct fs_node *node = fs_node_get(fs, r, r->header.nodeid, &error);

    if (node)
        error = fs_attr(fs, node, r->may_wait, &out.attr);
    fs_node_put(fs, node);
    return error ? error : fs_reply(r, &out, sizeof(out));
}

/* Only of a regular file: a program on the host may wait for somebody to open its FIFO. */
static int fs_truncate(struct fs *fs, const struct fs_node *node, const struct fuse_setattr_in *in)
{
    struct fs_file *file = in->valid & FATTR_FH ? fs_file_get(fs, in->fh, false) : NULL;
    int error, fd;

    if (in->size > INT64_MAX)
        error = -EFBIG;
    else if (file && ftruncate(file->fd, (off_t)in->size) == 0)
        error = 0;
    else if (!S_ISREG(node->identity.type))
        error = -EINVAL;
    else {
        fd = fs_open_name(fs, AT_FDCWD, fs_node_path(node).path, O_WRONLY, 0, true);
        error = fd < 0 ? fd : ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
        if (fd >= 0)
            close(fd);
    }
    fs_file_put(fs, file);
    return error;
}

static int fs_chown(const struct fs *fs, const struct fs_node *node,
                    const struct fuse_setattr_in *in)
{
    uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
    gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

    if (!fs->root_user) {
        /* All belongs to the vmm's user, who is root to the guest: chown to root is no change. */
        uid = uid == 0 ? (uid_t)-1 : uid;
        gid = gid == 0 ? (gid_t)-1 : gid;
        if (uid == (uid_t)-1 && gid == (gid_t)-1)
            return 0;
    }
    return fchownat(node->fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int fs_set_times(const struct fs_node *node, const struct fuse_setattr_in *in)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

    if (in->valid & FATTR_ATIME)
        times[0] = (struct timespec){(time_t)in->atime, in->atimensec};
    if (in->valid & FATTR_ATIME_NOW)
        times[0].tv_nsec = UTIME_NOW;
    if (in->valid & FATTR_MTIME)
        times[1] = (struct timespec){(time_t)in->mtime, in->mtimensec};
    if (in->valid & FATTR_MTIME_NOW)
        times[1].tv_nsec = UTIME_NOW;
    return utimensat(node->fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Set-user-ID and set-group-ID do not survive a change by somebody else. */
static int fs_kill_ids(const struct fs_node *node)
{
    struct stat st;

    if (fstat(node->fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || !(st.st_mode & (S_ISUID | S_ISGID)))
        return 0;
    st.st_mode &= ~(mode_t)(S_ISUID | (st.st_mode & S_IXGRP ? S_ISGID : 0));
    return chmod(fs_node_path(node).path, st.st_mode & 07777) < 0 ? -errno : 0;
}

static int fs_set(struct fs *fs, struct fs_node *node, const struct fuse_setattr_in *in)
{
    int error = 0;

    if (in->valid & FATTR_MODE) {
        if (S_ISLNK(node->identity.type))
            return -EOPNOTSUPP;
        error = chmod(fs_node_path(node).path, in->mode & 07777) < 0 ? -errno : 0;
    }
    if (!error && in->valid & (FATTR_UID | FATTR_GID))
        error = fs_chown(fs, node, in);
    if (!error && in->valid & FATTR_SIZE)
        error = fs_truncate(fs, node, in);
    if (!error && in->valid & FATTR_KILL_SUIDGID && !(in->valid & FATTR_MODE))
        error = fs_kill_ids(node);
    if (!error && in->valid & (FATTR_ATIME | FATTR_MTIME))
        error = fs_set_times(node, in);
    return error;
}

int fs_setattr(struct fs *fs, struct fs_request *r)
{
    const struct fuse_setattr_in *in = (const void *)r->args;
    struct fuse_attr_out out = {.attr_valid = fs->options.timeout};
    int error;
    struct fs_node *node = fs_node_get(fs, r, r->header.nodeid, &error);

    if (node)
        error = fs_set(fs, node, in);
    if (!error)
        error = fs_attr(fs, node, true, &out.attr);
    fs_node_put(fs, node);
    return error ? error : fs_reply(r, &out, sizeof(out));
}

int fs_readlink(struct fs *fs, struct fs_request *r)
{
    char target[4096];
    ssize_t len = -1;
    int error;
    struct fs_node *node = fs_node_get(fs, r, r->header.nodeid, &error);

    if (node && !S_ISLNK(node->identity.type)) {
        error = -EINVAL;
    } else if (node) {
        len = readlinkat(node->fd, "", target, sizeof(target));
        error = len < 0 ? -errno : 0;
    }
    fs_node_put(fs, node);
    return error ? error : fs_reply(r, target, (size_t)len);
}

int fs_statfs(struct fs *fs, struct fs_request *r)
{
    struct fuse_statfs_out out = {0};
    struct statvfs st;
    int error;
    struct fs_node *node = fs_node_get(fs, r, r->header.nodeid, &error);

    if (node)
        error = fstatvfs(node->fd, &st) < 0 ? -errno : 0;
    fs_node_put(fs, node);
    if (error)
        return error;
    out.st.blocks = st.f_blocks;
    out.st.bfree = st.f_bfree;
    out.st.bavail = st.f_bavail;
    out.st.files = st.f_files;
    out.st.ffree = st.f_ffree;
    out.st.bsize = (uint32_t)st.f_bsize;
    out.st.namelen = (uint32_t)st.f_namemax;
    out.st.frsize = (uint32_t)st.f_frsize;
    return fs_reply(r, &out, sizeof(out));
}
