/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that list a folder. The offsets that the driver gets are the host's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/virtio/fs/fs_internal.h"

#define FS_DIR_MAX (64u << 10) /* bytes of names in one reply */

/* As getdents64() returns them. */
struct fs_dent {
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

int fs_opendir(struct fs *fs, struct fs_request *r)
{
    int error, fd;
    struct fs_node *node = fs_node_get(fs, r, r->header.nodeid, &error);

    if (!node)
        return error;
    fd = fs_open_name(fs, node->fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, r->may_wait);
    error = fd < 0 ? fd : fs_reply_open(fs, r, fd, true, fs_node_is_local(fs, node));
    fs_node_put(fs, node);
    return error;
}

/*
 * Append one entry to the reply. Returns the bytes that it takes; 0: there is no room. With
 * `plus` the name is looked up, too; one that has vanished meanwhile has node 0.
 */
static size_t fs_dirent(struct fs *fs, const struct fs_node *node, const struct fs_dent *dent,
                        bool plus, uint8_t *reply, size_t room)
{
    size_t len = strlen(dent->name);
    size_t head = plus ? sizeof(struct fuse_entry_out) : 0;
    size_t size = FUSE_DIRENT_ALIGN(head + FUSE_NAME_OFFSET + len);
    struct fuse_entry_out entry = {0};
    struct fuse_dirent out = {
        .ino = fs_ino(node->device, dent->ino),
        .off = (uint64_t)dent->off,
        .namelen = (uint32_t)len,
        .type = dent->type,
    };

    if (size > room)
        return 0;
    if (plus && fs_name_is_good(dent->name) && fs_entry(fs, node, dent->name, true, &entry))
        entry = (struct fuse_entry_out){0};
    memset(reply, 0, size);
    if (plus)
        memcpy(reply, &entry, sizeof(entry));
    memcpy(reply + head, &out, FUSE_NAME_OFFSET);
    memcpy(reply + head + FUSE_NAME_OFFSET, dent->name, len);
    return size;
}

/* The driver does not know of entries that were looked up for a reply that does not fit. */
static void fs_forget_entries(struct fs *fs, const uint8_t *reply, size_t used)
{
    for (size_t at = 0; at < used;) {
        struct fuse_entry_out entry;
        struct fuse_dirent out;

        memcpy(&entry, reply + at, sizeof(entry));
        memcpy(&out, reply + at + sizeof(entry), FUSE_NAME_OFFSET);
        if (entry.nodeid)
            fs_node_forget(fs, entry.nodeid, 1, true);
        at += FUSE_DIRENT_ALIGN(sizeof(entry) + FUSE_NAME_OFFSET + out.namelen);
    }
}

static int fs_list(struct fs *fs, struct fs_request *r, const struct fs_node *node,
                   struct fs_file *file, bool plus)
{
    const struct fuse_read_in *in = (const void *)r->args;
    size_t size = in->size < FS_DIR_MAX ? in->size : FS_DIR_MAX, used = 0;
    size_t room = r->out_bytes - sizeof(struct fuse_out_header);
    uint8_t *reply = malloc(2 * FS_DIR_MAX), *dents = reply + FS_DIR_MAX;
    int error = 0;
    long n;

    if (!reply)
        return -ENOMEM;
    size = size < room ? size : room;
    pthread_mutex_lock(&file->position);
    if (lseek(file->fd, (off_t)in->offset, SEEK_SET) < 0)
        error = -errno;
    while (!error && (n = syscall(SYS_getdents64, file->fd, dents, FS_DIR_MAX / 8)) > 0) {
        for (long at = 0; at < n;) {
            const struct fs_dent *dent = (const void *)(dents + at);
            size_t one = fs_dirent(fs, node, dent, plus, reply + used, size - used);

            if (one == 0)
                goto full;
            used += one;
            at += dent->reclen;
        }
    }
    if (!error && n < 0 && !used)
        error = -errno;
full:
    pthread_mutex_unlock(&file->position);
    if (!error)
        error = fs_reply(r, reply, used);
    if (error < 0 && plus)
        fs_forget_entries(fs, reply, used);
    free(reply);
    return error;
}

static int fs_list_node(struct fs *fs, struct fs_request *r, bool plus)
{
    const struct fuse_read_in *in = (const void *)r->args;
    int error;
    struct fs_node *node = fs_node_get(fs, r, r->header.nodeid, &error);
    struct fs_file *file = fs_file_get(fs, in->fh, true);

    if (node)
        error = file ? fs_list(fs, r, node, file, plus) : -EBADF;
    fs_file_put(fs, file);
    fs_node_put(fs, node);
    return error;
}

int fs_readdir(struct fs *fs, struct fs_request *r)
{
    return fs_list_node(fs, r, false);
}

int fs_readdirplus(struct fs *fs, struct fs_request *r)
{
    return fs_list_node(fs, r, true);
}
