/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended attributes. user.* are stored as they are. trusted.*, which overlayfs in the
 * guest needs, are stored under a prefix of our own, so that they mean nothing to the host.
 * Others are refused: what security.* means to the guest's kernel it must not mean to the
 * host's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "devices/virtio/fs/fs_internal.h"

#define FS_XATTR_MAX 65536u /* XATTR_SIZE_MAX */
#define USER         "user."
#define TRUSTED      "trusted."
#define OURS         "user.virtiofs."
#define OURS_LINK    "trusted.virtiofs." /* of links, which have no user.*: it takes a host's root */

struct fs_xattr {
    char name[FS_NAME_MAX + 1]; /* on the host */
};

static bool fs_begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool fs_has_user_xattrs(const struct fs_node *node)
{
    return S_ISREG(node->identity.type) || S_ISDIR(node->identity.type);
}

/* 0, or an error: the guest cannot have such an attribute here. */
static int fs_xattr_name(const struct fs_node *node, const char *name, struct fs_xattr *host)
{
    int len;

    if (fs_begins(name, USER) && !fs_begins(name, OURS) && fs_has_user_xattrs(node))
        len = snprintf(host->name, sizeof(host->name), "%s", name);
    else if (fs_begins(name, TRUSTED) && fs_has_user_xattrs(node))
        len = snprintf(host->name, sizeof(host->name), OURS "%s", name);
    else if (fs_begins(name, TRUSTED))
        len = snprintf(host->name, sizeof(host->name), OURS_LINK "%s", name + strlen(TRUSTED));
    else
        return -EOPNOTSUPP;
    return (size_t)len < sizeof(host->name) ? 0 : -ERANGE;
}

/* The guest's name of an attribute of the host's, in the same memory; NULL: not the guest's. */
static char *fs_xattr_guest_name(char *name, bool trusted)
{
    if (fs_begins(name, OURS TRUSTED))
        return trusted ? name + strlen(OURS) : NULL;
    if (fs_begins(name, OURS_LINK)) {
        char *at = name + strlen(OURS_LINK) - strlen(TRUSTED);

        memcpy(at, TRUSTED, strlen(TRUSTED));
        return trusted ? at : NULL;
    }
    return fs_begins(name, USER) && !fs_begins(name, OURS) ? name : NULL;
}

static struct fs_node *fs_xattr_node(struct fs *fs, const struct fs_request *r, const char *name,
                                     struct fs_xattr *host, int *error)
{
    struct fs_node *node;

    *error = -EINVAL;
    node = name ? fs_node_get(fs, r, r->header.nodeid, error) : NULL;
    if (node)
        *error = fs_xattr_name(node, name, host);
    if (node && *error) {
        fs_node_put(fs, node);
        node = NULL;
    }
    return node;
}

/*
 * What a link cannot have where the vmm is an ordinary user. overlayfs takes the first
 * EOPNOTSUPP as the end of all attributes, so its hint which lower file a copy comes from is
 * dropped silently: it does without.
 */
static int fs_setxattr_error(const struct fs_node *node, const char *name, int error)
{
    if (error != EPERM || fs_has_user_xattrs(node))
        return -error;
    return strcmp(name, TRUSTED "overlay.origin") == 0 ? 0 : -EOPNOTSUPP;
}

int fs_setxattr(struct fs *fs, struct fs_request *r)
{
    const struct fuse_setxattr_in *in = (const void *)r->args;
    size_t at = FUSE_COMPAT_SETXATTR_IN_SIZE; /* FUSE_SETXATTR_EXT is not offered */
    const char *name = fs_name(r, &at);
    struct fs_xattr host;
    struct fs_node *node;
    int error;

    if (!name || in->size > r->args_len - at || in->size > FS_XATTR_MAX)
        return -EINVAL;
    node = fs_xattr_node(fs, r, name, &host, &error);
    if (!node)
        return error;
    if (setxattr(fs_node_path(node).path, host.name, r->args + at, in->size,
                 (int)(in->flags & (XATTR_CREATE | XATTR_REPLACE))) < 0)
        error = fs_setxattr_error(node, name, errno);
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
    struct fs_xattr host;
    struct fs_node *node;
    char *value;
    ssize_t len;
    int error;

    node = fs_xattr_node(fs, r, name, &host, &error);
    if (!node)
        return error;
    value = malloc(FS_XATTR_MAX);
    len = value ? getxattr(fs_node_path(node).path, host.name, value, FS_XATTR_MAX) : -1;
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

    node = fs_node_get(fs, r, r->header.nodeid, &error);
    if (!node)
        return error;
    names = malloc(FS_XATTR_MAX);
    len = names ? listxattr(fs_node_path(node).path, names, FS_XATTR_MAX) : -1;
    error = !names ? -ENOMEM : len < 0 ? -errno : 0;
    fs_node_put(fs, node);
    for (ssize_t at = 0; at < len;) {
        size_t one = strlen(names + at) + 1;
        /* As other file systems do: the names of trusted.* are root's. */
        const char *name = fs_xattr_guest_name(names + at, r->header.uid == 0);

        at += (ssize_t)one;
        if (name) {
            one = strlen(name) + 1;
            memmove(names + kept, name, one);
            kept += one;
        }
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
    struct fs_xattr host;
    struct fs_node *node;
    int error;

    node = fs_xattr_node(fs, r, name, &host, &error);
    if (!node)
        return error;
    error = removexattr(fs_node_path(node).path, host.name) < 0 ? -errno : 0;
    fs_node_put(fs, node);
    return error;
}
