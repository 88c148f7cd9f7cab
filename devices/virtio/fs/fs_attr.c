/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on what a node is: attributes, extended attributes, links' targets. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "devices/virtio/fs/fs.h"

#define FS_XATTR_MAX 65536u /* XATTR_SIZE_MAX */

int fs_getattr(struct fs *fs, struct fs_request *r)
{
    struct fs_node *node = fs_node_get(fs, r->header.nodeid);
    struct fuse_attr_out out = {.attr_valid = fs->options.timeout};
    int error = node ? fs_attr(fs, node, &out.attr) : -ESTALE;

    fs_node_put(fs, node);
    return error ? error : fs_reply(r, &out, sizeof(out));
}

/* Only of a regular file: of a FIFO even to open it would be a deed. */
static int fs_truncate(struct fs *fs, const struct fs_node *node, const struct fuse_setattr_in *in)
{
    struct fs_file *file = in->valid & FATTR_FH ? fs_file_get(fs, in->fh, false) : NULL;
    int error, fd;

    if (in->size > INT64_MAX)
        error = -EFBIG;
    else if (file && ftruncate(file->fd, (off_t)in->size) == 0)
        error = 0;
    else if (!S_ISREG(node->type))
        error = -EINVAL;
    else {
        fd = open(fs_node_path(node).path, O_WRONLY | O_CLOEXEC);
        error = fd < 0 || ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
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
        /* All is the vmm's user's, whom the guest knows as root: that can be asked for. */
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
        if (S_ISLNK(node->type))
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
    struct fs_node *node = fs_node_get(fs, r->header.nodeid);
    struct fuse_attr_out out = {.attr_valid = fs->options.timeout};
    int error = node ? fs_set(fs, node, in) : -ESTALE;

    if (!error)
        error = fs_attr(fs, node, &out.attr);
    fs_node_put(fs, node);
    return error ? error : fs_reply(r, &out, sizeof(out));
}

int fs_readlink(struct fs *fs, struct fs_request *r)
{
    struct fs_node *node = fs_node_get(fs, r->header.nodeid);
    char target[4096];
    ssize_t len = -1;
    int error = node ? -EINVAL : -ESTALE;

    if (node && S_ISLNK(node->type)) {
        len = readlinkat(node->fd, "", target, sizeof(target));
        error = len < 0 ? -errno : 0;
    }
    fs_node_put(fs, node);
    return error ? error : fs_reply(r, target, (size_t)len);
}

int fs_statfs(struct fs *fs, struct fs_request *r)
{
    struct fs_node *node = fs_node_get(fs, r->header.nodeid);
    struct fuse_statfs_out out = {0};
    struct statvfs st;
    int error = !node ? -ESTALE : fstatvfs(node->fd, &st) < 0 ? -errno : 0;

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

/*
 * Extended attributes: user.* of files and folders. Others are the host's own: what the
 * guest's kernel means by security.*, say, must not mean it to the host's.
 */

static struct fs_node *fs_xattr_node(struct fs *fs, const struct fs_request *r, const char *name,
                                     int *error)
{
    struct fs_node *node;

    *error = -EOPNOTSUPP;
    if (name && strncmp(name, "user.", 5) != 0)
        return NULL;
    node = fs_node_get(fs, r->header.nodeid);
    if (!node)
        *error = -ESTALE;
    if (node && !S_ISREG(node->type) && !S_ISDIR(node->type)) {
        fs_node_put(fs, node);
        return NULL;
    }
    return node;
}

int fs_setxattr(struct fs *fs, struct fs_request *r)
{
    const struct fuse_setxattr_in *in = (const void *)r->args;
    size_t at = FUSE_COMPAT_SETXATTR_IN_SIZE; /* FUSE_SETXATTR_EXT is not offered */
    const char *name = fs_name(r, &at);
    struct fs_node *node;
    int error;

    if (!name || in->size > r->args_len - at || in->size > FS_XATTR_MAX)
        return -EINVAL;
    node = fs_xattr_node(fs, r, name, &error);
    if (!node)
        return error;
    error = setxattr(fs_node_path(node).path, name, r->args + at, in->size,
                     (int)(in->flags & (XATTR_CREATE | XATTR_REPLACE))) < 0
                ? -errno
                : 0;
    fs_node_put(fs, node);
    return error;
}

/* `size` 0 asks how long it is. */
static int fs_xattr_reply(struct fs_request *r, uint32_t size, const void *value, ssize_t len)
{
    if (size == 0) {
        const struct fuse_getxattr_out out = {.size = (uint32_t)len};

        return fs_reply(r, &out, sizeof(out));
    }
    return (size_t)len > size ? -ERANGE : fs_reply(r, value, (size_t)len);
}

int fs_getxattr(struct fs *fs, struct fs_request *r)
{
    const struct fuse_getxattr_in *in = (const void *)r->args;
    size_t at = sizeof(*in);
    const char *name = fs_name(r, &at);
    struct fs_node *node;
    char *value;
    ssize_t len;
    int error;

    if (!name)
        return -EINVAL;
    node = fs_xattr_node(fs, r, name, &error);
    if (!node)
        return error;
    value = malloc(FS_XATTR_MAX);
    len = value ? getxattr(fs_node_path(node).path, name, value, FS_XATTR_MAX) : -1;
    error = !value ? -ENOMEM : len < 0 ? -errno : fs_xattr_reply(r, in->size, value, len);
    free(value);
    fs_node_put(fs, node);
    return error;
}

int fs_listxattr(struct fs *fs, struct fs_request *r)
{
    const struct fuse_getxattr_in *in = (const void *)r->args;
    size_t kept = 0;
    struct fs_node *node;
    char *names;
    ssize_t len;
    int error;

    node = fs_xattr_node(fs, r, NULL, &error);
    if (!node)
        return error;
    names = malloc(FS_XATTR_MAX);
    len = names ? listxattr(fs_node_path(node).path, names, FS_XATTR_MAX) : -1;
    error = !names ? -ENOMEM : len < 0 ? -errno : 0;
    fs_node_put(fs, node);
    for (ssize_t at = 0; at < len;) {
        size_t one = strlen(names + at) + 1;

        if (strncmp(names + at, "user.", 5) == 0) {
            memmove(names + kept, names + at, one);
            kept += one;
        }
        at += (ssize_t)one;
    }
    if (!error)
        error = fs_xattr_reply(r, in->size, names, (ssize_t)kept);
    free(names);
    return error;
}

int fs_removexattr(struct fs *fs, struct fs_request *r)
{
    size_t at = 0;
    const char *name = fs_name(r, &at);
    struct fs_node *node;
    int error;

    if (!name)
        return -EINVAL;
    node = fs_xattr_node(fs, r, name, &error);
    if (!node)
        return error;
    error = removexattr(fs_node_path(node).path, name) < 0 ? -errno : 0;
    fs_node_put(fs, node);
    return error;
}
