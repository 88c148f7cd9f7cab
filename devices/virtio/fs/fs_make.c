/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that make files, folders, links and device nodes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio/fs/fs_internal.h"

/*
 * Owner and mode of a new file or folder. The owner is the user who asked for it; in a
 * set-group-ID folder the group is the folder's. chown() takes set-ID bits away: a regular
 * file gets them back. Where the umask of this thread took bits away, they are given back.
 *
 * By descriptor, never by name: another request may have put a symbolic link there in the
 * meantime, and to follow it would change a file outside of the folder.
 */
static int fs_give(const struct fs *fs, const struct fs_request *r, const struct fs_node *parent,
                   int fd, mode_t mode)
{
    struct stat st, folder;
    gid_t gid = r->header.gid;

    if (fs->root_user) {
        if (fstat(parent->fd, &folder) == 0 && folder.st_mode & S_ISGID)
            gid = (gid_t)-1;
        if (fchownat(fd, "", r->header.uid, gid, AT_EMPTY_PATH) < 0)
            return -errno;
    }
    if (S_ISLNK(mode) ||
        (fs_umask_is_clear() && !(fs->root_user && S_ISREG(mode) && mode & (S_ISUID | S_ISGID))))
        return 0;
    if (fstat(fd, &st) < 0)
        return -errno;
    mode &= 07777;
    if (S_ISDIR(st.st_mode))
        mode |= st.st_mode & S_ISGID; /* of its parent */
    if ((st.st_mode & 07777) == mode)
        return 0;
    return chmod(fs_proc(fd).path, mode) < 0 ? -errno : 0;
}

/* A new regular file with its owner and mode. Its descriptor, or -errno. */
static int fs_make_file(struct fs *fs, const struct fs_request *r, const struct fs_node *parent,
                        const char *name, int flags, mode_t mode)
{
    int fd = fs_open_name(fs, parent->fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode & 07777,
                          r->may_wait);
    int error = fd < 0 ? fd : fs_give(fs, r, parent, fd, S_IFREG | (mode & 07777));

    if (error && fd >= 0) {
        close(fd);
        unlinkat(parent->fd, name, 0);
    }
    return error ? error : fd;
}

/* The name was given to a new thing of `type` just now. Its O_PATH descriptor, or -errno. */
static int fs_find_made(struct fs *fs, const struct fs_node *parent, const char *name, mode_t type)
{
    struct stat st;
    int fd = fs_open_name(fs, parent->fd, name, O_PATH | O_NOFOLLOW, 0, true);
    int error = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : 0;

    /* If it has another type or a second name, another request put something else here. */
    if (!error && ((st.st_mode & S_IFMT) != type || (type != S_IFDIR && st.st_nlink != 1)))
        error = -ESTALE;
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}

/* Owner, mode and the reply of what has just been made. What cannot be finished is removed. */
static int fs_made(struct fs *fs, struct fs_request *r, const struct fs_node *parent,
                   const char *name, mode_t mode)
{
    struct fuse_entry_out out;
    int fd = fs_find_made(fs, parent, name, mode & S_IFMT);
    int error = fd < 0 ? fd : fs_give(fs, r, parent, fd, mode);

    if (fd == -ESTALE)
        return fd; /* what is there now is not ours to remove */
    if (!error)
        error = fs_entry_of(fs, fd, parent, name, true, &out);
    else if (fd >= 0)
        close(fd);
    if (error) {
        unlinkat(parent->fd, name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
        return error;
    }
    return fs_reply_entry(fs, r, &out);
}

/* The node of the file that `fd` has open. `name` is NULL if it has none. */
static int fs_entry_file(struct fs *fs, int fd, const struct fs_node *parent, const char *name,
                         struct fuse_entry_out *out)
{
    int path = fs_open_name(fs, AT_FDCWD, fs_proc(fd).path, O_PATH, 0, true);

    return path < 0 ? path : fs_entry_of(fs, path, parent, name, true, out);
}

static int fs_mknod_file(struct fs *fs, struct fs_request *r, const struct fs_node *parent,
                         const char *name, mode_t mode)
{
    struct fuse_entry_out out;
    int fd = fs_make_file(fs, r, parent, name, O_WRONLY, mode);
    int error;

    if (fd < 0)
        return fd;
    error = fs_entry_file(fs, fd, parent, name, &out);
    close(fd);
    if (error)
        unlinkat(parent->fd, name, 0);
    return error ? error : fs_reply_entry(fs, r, &out);
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
        error = fs_made(fs, r, parent, name, in->mode);
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
        error = fs_made(fs, r, parent, name, S_IFDIR | (in->mode & 07777));
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
        error = fs_made(fs, r, parent, name, S_IFLNK | 0777);
    fs_node_put(fs, parent);
    return error;
}

/*
 * Files that are made and opened in one step
 */

struct fs_created {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
};

/* The node and the handle of a new file, whose descriptor is taken. */
static int fs_created(struct fs *fs, int fd, const struct fs_node *parent, const char *name,
                      struct fs_created *out)
{
    int error = fs_entry_file(fs, fd, parent, name, &out->entry);

    if (error) {
        close(fd);
        return error;
    }
    error = fs_file_new(fs, fd, false, fs_node_is_local(fs, parent), &out->open.fh);
    if (error)
        fs_node_forget(fs, out->entry.nodeid, 1, true);
    return error;
}

static int fs_reply_created(struct fs *fs, struct fs_request *r, const struct fs_created *out)
{
    int error = fs_reply(r, out, sizeof(*out));

    if (error < 0) {
        fs_file_release(fs, out->open.fh);
        fs_node_forget(fs, out->entry.nodeid, 1, true);
    }
    return error;
}

static int fs_create_flags(const struct fs *fs, const struct fuse_create_in *in)
{
    /* Delayed writes: the driver reads what surrounds a write. */
    return fs_delays_writes(fs) ? O_RDWR : (int)(in->flags & (O_ACCMODE | O_SYNC | O_DSYNC));
}

int fs_create(struct fs *fs, struct fs_request *r)
{
    const struct fuse_create_in *in = (const void *)r->args;
    struct fs_created out = {.open.open_flags = fs->options.open_flags};
    const char *name;
    int error, fd;
    struct fs_node *parent = fs_folder(fs, r, sizeof(*in), &name, &error);

    if (!parent)
        return error;
    fd = fs_make_file(fs, r, parent, name, fs_create_flags(fs, in), in->mode);
    error = fd < 0 ? fd : fs_created(fs, fd, parent, name, &out);
    if (fd >= 0 && error)
        unlinkat(parent->fd, name, 0);
    fs_node_put(fs, parent);
    /* Somebody made it after the driver had looked: the driver looks again, and opens it. */
    if (error == -EEXIST && !(in->flags & O_EXCL))
        return -ESTALE;
    return error ? error : fs_reply_created(fs, r, &out);
}

/* A file without a name, in the folder's file system. The name in the request means nothing. */
int fs_tmpfile(struct fs *fs, struct fs_request *r)
{
    const struct fuse_create_in *in = (const void *)r->args;
    struct fs_created out = {.open.open_flags = fs->options.open_flags};
    int error, fd, flags = fs_create_flags(fs, in);
    struct fs_node *parent = fs_node_get(fs, r, r->header.nodeid, &error);

    if (!parent)
        return error;
    if ((flags & O_ACCMODE) == O_RDONLY)
        flags |= O_RDWR; /* open() insists */
    fd = S_ISDIR(parent->identity.type)
             ? fs_open_name(fs, parent->fd, ".", flags | O_TMPFILE, in->mode & 07777, r->may_wait)
             : -ENOTDIR;
    error = fd < 0 ? fd : fs_give(fs, r, parent, fd, S_IFREG | (in->mode & 07777));
    if (!error)
        error = fs_created(fs, fd, parent, NULL, &out);
    else if (fd >= 0)
        close(fd);
    fs_node_put(fs, parent);
    return error ? error : fs_reply_created(fs, r, &out);
}
