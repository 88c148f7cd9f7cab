/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on names: look up, link, remove and rename. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio/fs/fs_internal.h"

/* RENAME_WHITEOUT leaves a device node 0:0 at the old name: overlayfs in the guest asks for it. */
#define FS_RENAME_FLAGS ((uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))

struct fs_node *fs_folder(struct fs *fs, const struct fs_request *r, size_t at, const char **name,
                          int *error)
{
    struct fs_node *node;

    *name = fs_name(r, &at);
    if (!fs_name_is_good(*name)) {
        *error = *name && strlen(*name) > FS_NAME_MAX ? -ENAMETOOLONG : -EINVAL;
        return NULL;
    }
    node = fs_node_get(fs, r, r->header.nodeid, error);
    if (node && !S_ISDIR(node->identity.type)) {
        fs_node_put(fs, node);
        *error = -ENOTDIR;
        return NULL;
    }
    return node;
}

/*
 * Entries
 */

int fs_entry(struct fs *fs, const struct fs_node *parent, const char *name, bool may_wait,
             struct fuse_entry_out *out)
{
    int fd;

    if (!may_wait && !fs_node_is_local(fs, parent))
        return FS_WAIT;
    fd = fs_open_name(fs, parent->fd, name, O_PATH | O_NOFOLLOW, 0, may_wait);
    return fd < 0 ? fd : fs_entry_of(fs, fd, parent, name, may_wait, out);
}

int fs_entry_of(struct fs *fs, int fd, const struct fs_node *parent, const char *name,
                bool may_wait, struct fuse_entry_out *out)
{
    struct statx st;
    int error = fs_stat(fd, may_wait, &st);

    /* Something else may be mounted here: attributes that are not asked for may be old. */
    if (!error && !may_wait && !fs_node_is_on_root_device(fs, &st))
        error = FS_WAIT;
    if (error) {
        close(fd);
        return error;
    }
    *out = (struct fuse_entry_out){
        .entry_valid = fs->options.timeout,
        .attr_valid = fs->options.timeout,
    };
    out->nodeid = fs_node_add(fs, fd, &st, parent, name, &out->attr);
    return out->nodeid ? 0 : -ENFILE;
}

int fs_reply_entry(struct fs *fs, struct fs_request *r, const struct fuse_entry_out *out)
{
    int error = fs_reply(r, out, sizeof(*out));

    if (error < 0)
        fs_node_forget(fs, out->nodeid, 1, true);
    return error;
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
    return error ? error : fs_reply_entry(fs, r, &out);
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
    old = fs_node_get(fs, r, in->oldnodeid, &error);
    if (old && linkat(AT_FDCWD, fs_node_path(old).path, parent->fd, name, AT_SYMLINK_FOLLOW) < 0)
        error = -errno;
    if (!error)
        error = fs_entry(fs, parent, name, true, &out);
    fs_node_put(fs, old);
    fs_node_put(fs, parent);
    return error ? error : fs_reply_entry(fs, r, &out);
}

/*
 * Names that go away
 */

static int fs_remove(struct fs *fs, struct fs_request *r, int flags)
{
    const char *name;
    int error;
    struct fs_node *parent = fs_folder(fs, r, 0, &name, &error), *node;

    if (!parent)
        return error;
    node = fs_node_keep(fs, parent, name);
    error = unlinkat(parent->fd, name, flags) < 0 ? -errno : 0;
    if (!error)
        fs_node_name_is_gone(fs, parent, name);
    fs_node_put(fs, node);
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

static int fs_move_to(struct fs *fs, const struct fs_node *parent, const char *from,
                      const struct fs_node *target, const char *to, unsigned flags)
{
    /* Meanwhile its place is wrong: it has to be open. */
    struct fs_node *moved = fs_node_keep(fs, parent, from);
    struct fs_node *replaced = fs_node_keep(fs, target, to);
    int error = renameat2(parent->fd, from, target->fd, to, flags) < 0 ? -errno : 0;

    if (!error)
        fs_node_name_has_moved(fs, parent, from, target, to, flags & RENAME_EXCHANGE);
    fs_node_put(fs, replaced);
    fs_node_put(fs, moved);
    return error;
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
    target = fs_node_get(fs, r, newdir, &error);
    if (!fs_name_is_good(to))
        error = to && strlen(to) > FS_NAME_MAX ? -ENAMETOOLONG : -EINVAL;
    else if (target && !S_ISDIR(target->identity.type))
        error = -ENOTDIR;
    else if (target)
        error = fs_move_to(fs, parent, from, target, to, flags);
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

    if (in->flags & ~FS_RENAME_FLAGS)
        return -EINVAL;
    return fs_move(fs, r, sizeof(*in), in->newdir, in->flags);
}
