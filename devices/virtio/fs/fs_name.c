/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on names: what is looked up, made, moved and removed in folders. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio/fs/fs.h"

/* The folder that the request is about, and the name at `at` in its arguments. */
static struct fs_node *fs_folder(struct fs *fs, const struct fs_request *r, size_t at,
                                 const char **name, int *error)
{
    struct fs_node *node;

    *name = fs_name(r, &at);
    *error = -EINVAL;
    if (!fs_name_is_good(*name)) {
        if (*name && strlen(*name) > 255)
            *error = -ENAMETOOLONG;
        return NULL;
    }
    node = fs_node_get(fs, r->header.nodeid);
    *error = -ESTALE;
    if (node && !S_ISDIR(node->type)) {
        fs_node_put(fs, node);
        *error = -ENOTDIR;
        return NULL;
    }
    return node;
}

int fs_lookup(struct fs *fs, struct fs_request *r)
{
    struct fuse_entry_out out;
    const char *name;
    int error;
    struct fs_node *parent = fs_folder(fs, r, 0, &name, &error);

    if (!parent)
        return error;
    error = fs_entry(fs, parent, name, r->may_wait, &out);
    fs_node_put(fs, parent);
    if (error)
        return error;
    error = fs_reply(r, &out, sizeof(out));
    if (error < 0)
        fs_node_forget(fs, out.nodeid, 1); /* the driver does not know of it */
    return error;
}

/*
 * What was just made belongs to who asked for it. In a set-group-ID folder the group is the
 * folder's. A change of owner takes set-ID bits away: the `mode` of a regular file has them back.
 *
 * By descriptor, never by name: in the meantime another request may have put a symbolic link
 * there, and to follow it would be to change a file of the host's.
 */
static int fs_give(const struct fs *fs, const struct fs_request *r, const struct fs_node *parent,
                   int fd, mode_t mode)
{
    struct stat st;
    gid_t gid = r->header.gid;

    if (!fs->root_user)
        return 0;
    if (fstat(parent->fd, &st) == 0 && st.st_mode & S_ISGID)
        gid = (gid_t)-1;
    if (fchownat(fd, "", r->header.uid, gid, AT_EMPTY_PATH) < 0)
        return -errno;
    if (mode & (S_ISUID | S_ISGID) && fchmod(fd, mode & 07777) < 0)
        return -errno;
    return 0;
}

/* A new regular file, and whose it is. Its descriptor, or -errno. */
static int fs_make_file(const struct fs *fs, const struct fs_request *r,
                        const struct fs_node *parent, const char *name, int flags, mode_t mode)
{
    int fd =
        openat(parent->fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 07777);
    int error = fd < 0 ? -errno : fs_give(fs, r, parent, fd, mode);

    if (error && fd >= 0) {
        close(fd);
        unlinkat(parent->fd, name, 0);
    }
    return error ? error : fd;
}

/* The name of a new thing of `type` was given to it just now. O_PATH descriptor, or -errno. */
static int fs_find_made(const struct fs_node *parent, const char *name, mode_t type)
{
    struct stat st;
    int fd = openat(parent->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int error = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

    /* What has another type or a second name is not it: somebody was quicker. */
    if (!error && ((st.st_mode & S_IFMT) != type || (type != S_IFDIR && st.st_nlink != 1)))
        error = -ESTALE;
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}

/* Owner, and the reply. What could not be finished is removed by `undo`. */
static int fs_made(struct fs *fs, struct fs_request *r, struct fs_node *parent, const char *name,
                   mode_t type, int undo)
{
    struct fuse_entry_out out;
    int fd = fs_find_made(parent, name, type);
    int error = fd < 0 ? fd : fs_give(fs, r, parent, fd, 0);

    if (error == -ESTALE)
        return error; /* what is there now is not ours to remove */
    if (!error)
        error = fs_entry_of(fs, fd, &out);
    else if (fd >= 0)
        close(fd);
    if (error) {
        unlinkat(parent->fd, name, undo);
        return error;
    }
    error = fs_reply(r, &out, sizeof(out));
    if (error < 0)
        fs_node_forget(fs, out.nodeid, 1);
    return error;
}

/* The node of the file that `fd` has open. */
static int fs_entry_file(struct fs *fs, int fd, struct fuse_entry_out *out)
{
    const struct fs_proc proc = fs_proc(fd);
    int path = open(proc.path, O_PATH | O_CLOEXEC);

    return path < 0 ? -errno : fs_entry_of(fs, path, out);
}

static int fs_mknod_file(struct fs *fs, struct fs_request *r, const struct fs_node *parent,
                         const char *name, mode_t mode)
{
    struct fuse_entry_out out;
    int fd = fs_make_file(fs, r, parent, name, O_WRONLY, mode);
    int error = fd < 0 ? fd : fs_entry_file(fs, fd, &out);

    if (fd >= 0)
        close(fd);
    if (fd >= 0 && error)
        unlinkat(parent->fd, name, 0);
    if (error)
        return error;
    error = fs_reply(r, &out, sizeof(out));
    if (error < 0)
        fs_node_forget(fs, out.nodeid, 1);
    return error;
}

int fs_mknod(struct fs *fs, struct fs_request *r)
{
    const struct fuse_mknod_in *in = (const void *)r->args;
    const char *name;
    int error;
    struct fs_node *parent = fs_folder(fs, r, sizeof(*in), &name, &error);

    if (!parent)
        return error;
    if (S_ISREG(in->mode) || !(in->mode & S_IFMT))
        error = fs_mknod_file(fs, r, parent, name, in->mode);
    else if (mknodat(parent->fd, name, in->mode, in->rdev) < 0)
        error = -errno;
    else
        error = fs_made(fs, r, parent, name, in->mode & S_IFMT, 0);
    fs_node_put(fs, parent);
    return error;
}

int fs_mkdir(struct fs *fs, struct fs_request *r)
{
    const struct fuse_mkdir_in *in = (const void *)r->args;
    const char *name;
    int error;
    struct fs_node *parent = fs_folder(fs, r, sizeof(*in), &name, &error);

    if (!parent)
        return error;
    if (mkdirat(parent->fd, name, in->mode & 07777) < 0)
        error = -errno;
    else
        error = fs_made(fs, r, parent, name, S_IFDIR, AT_REMOVEDIR);
    fs_node_put(fs, parent);
    return error;
}

int fs_symlink(struct fs *fs, struct fs_request *r)
{
    size_t at = 0;
    const char *name, *target;
    int error;
    struct fs_node *parent = fs_folder(fs, r, 0, &name, &error);

    if (!parent)
        return error;
    fs_name(r, &at);
    target = fs_name(r, &at);
    if (!target)
        error = -EINVAL;
    else if (symlinkat(target, parent->fd, name) < 0)
        error = -errno;
    else
        error = fs_made(fs, r, parent, name, S_IFLNK, 0);
    fs_node_put(fs, parent);
    return error;
}

int fs_link(struct fs *fs, struct fs_request *r)
{
    const struct fuse_link_in *in = (const void *)r->args;
    const char *name;
    int error;
    struct fs_node *parent = fs_folder(fs, r, sizeof(*in), &name, &error), *old;
    struct fuse_entry_out out;

    if (!parent)
        return error;
    old = fs_node_get(fs, in->oldnodeid);
    if (!old)
        error = -ESTALE;
    else if (linkat(AT_FDCWD, fs_node_path(old).path, parent->fd, name, AT_SYMLINK_FOLLOW) < 0)
        error = -errno;
    else
        error = fs_entry(fs, parent, name, true, &out);
    fs_node_put(fs, old);
    fs_node_put(fs, parent);
    if (error)
        return error;
    error = fs_reply(r, &out, sizeof(out));
    if (error < 0)
        fs_node_forget(fs, out.nodeid, 1);
    return error;
}

static int fs_remove(struct fs *fs, struct fs_request *r, int flags)
{
    const char *name;
    int error;
    struct fs_node *parent = fs_folder(fs, r, 0, &name, &error);

    if (!parent)
        return error;
    error = unlinkat(parent->fd, name, flags) < 0 ? -errno : 0;
    fs_node_put(fs, parent);
    return error;
}

int fs_unlink(struct fs *fs, struct fs_request *r)
{
    return fs_remove(fs, r, 0);
}

int fs_rmdir(struct fs *fs, struct fs_request *r)
{
    return fs_remove(fs, r, AT_REMOVEDIR);
}

static int fs_move(struct fs *fs, struct fs_request *r, size_t at, uint64_t newdir, unsigned flags)
{
    size_t next = at;
    const char *from, *to;
    int error;
    struct fs_node *parent = fs_folder(fs, r, at, &from, &error), *target;

    if (!parent)
        return error;
    fs_name(r, &next);
    to = fs_name(r, &next);
    target = fs_node_get(fs, newdir);
    if (!fs_name_is_good(to))
        error = to && strlen(to) > 255 ? -ENAMETOOLONG : -EINVAL;
    else if (!target)
        error = -ESTALE;
    else
        error = renameat2(parent->fd, from, target->fd, to, flags) < 0 ? -errno : 0;
    fs_node_put(fs, target);
    fs_node_put(fs, parent);
    return error;
}

int fs_rename(struct fs *fs, struct fs_request *r)
{
    const struct fuse_rename_in *in = (const void *)r->args;

    return fs_move(fs, r, sizeof(*in), in->newdir, 0);
}

int fs_rename2(struct fs *fs, struct fs_request *r)
{
    const struct fuse_rename2_in *in = (const void *)r->args;

    if (in->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    return fs_move(fs, r, sizeof(*in), in->newdir, in->flags);
}

/* A file that is made, or was there, and is open. A new one is made in one step. */
int fs_create(struct fs *fs, struct fs_request *r)
{
    const struct fuse_create_in *in = (const void *)r->args;
    struct {
        struct fuse_entry_out entry;
        struct fuse_open_out open;
    } out = {.open.open_flags = fs->options.open_flags};
    const char *name;
    int error, fd, flags;
    struct fs_node *parent = fs_folder(fs, r, sizeof(*in), &name, &error);

    if (!parent)
        return error;
    flags = (int)(in->flags & (O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC));
    if (fs->options.writeback)
        flags = O_RDWR;
    fd = fs_make_file(fs, r, parent, name, flags, in->mode);
    error = fd < 0 ? fd : fs_entry_file(fs, fd, &out.entry);
    if (fd >= 0 && error) {
        close(fd);
    } else if (fd >= 0) {
        error = fs_file_new(fs, fd, false, &out.open.fh);
        if (error)
            fs_node_forget(fs, out.entry.nodeid, 1);
    }
    if (fd >= 0 && error)
        unlinkat(parent->fd, name, 0);
    fs_node_put(fs, parent);
    /* It was made by another after the driver had looked: that looks again, and opens it. */
    if (error == -EEXIST && !(in->flags & O_EXCL))
        return -ESTALE;
    if (error)
        return error;
    error = fs_reply(r, &out, sizeof(out));
    if (error < 0) {
        fs_file_release(fs, out.open.fh);
        fs_node_forget(fs, out.entry.nodeid, 1);
    }
    return error;
}
