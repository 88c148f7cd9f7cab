/* SPDX-License-Identifier: BSD-2-Clause */
/* From a request to the operation that it asks for, and back. */
#include "devices/virtio/fs/fs.h"

#include <errno.h>
#include <string.h>

#include "devices/virtio/core/iov.h"

int fs_reply(struct fs_request *r, const void *data, size_t len)
{
    if (len > r->out_bytes - sizeof(struct fuse_out_header))
        return -ERANGE;
    iov_write(r->out, r->out_count, sizeof(struct fuse_out_header), data, len);
    return (int)len;
}

/* args end with a 0 that is not the driver's, so that each name ends. */
const char *fs_name(const struct fs_request *r, size_t *at)
{
    const char *name = (const char *)r->args + *at;
    size_t len;

    if (*at >= r->args_len)
        return NULL;
    len = strlen(name);
    if (*at + len >= r->args_len)
        return NULL; /* the driver's did not */
    *at += len + 1;
    return name;
}

bool fs_name_is_good(const char *name)
{
    return name && name[0] && strlen(name) <= 255 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/*
 * Operations without a file
 */

static int fs_init(struct fs *fs, struct fs_request *r)
{
    const struct fuse_init_in *in = (const void *)r->args;
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FS_MINOR,
        .max_readahead = in->max_readahead,
        .max_background = 64,
        .congestion_threshold = 48,
        .max_write = FS_WRITE_MAX,
        .time_gran = 1,
        .max_pages = FS_WRITE_MAX / 4096,
    };
    uint32_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC |
                      FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
                      FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |
                      FUSE_HANDLE_KILLPRIV_V2 | (fs->options.writeback ? FUSE_WRITEBACK_CACHE : 0);

    if (in->major != FUSE_KERNEL_VERSION) {
        /* A newer driver asks again, with ours; an older one gives up. */
        out.minor = FS_MINOR_MIN;
        return fs_reply(r, &out, sizeof(out));
    }
    if (in->minor < FS_MINOR_MIN)
        return -EPROTO;
    out.minor = in->minor < FS_MINOR ? in->minor : FS_MINOR;
    out.flags = in->flags & wanted;
    if (!(out.flags & FUSE_WRITEBACK_CACHE))
        fs->options.writeback = false;
    fs->begun = true;
    return fs_reply(r, &out, sizeof(out));
}

static int fs_destroy(struct fs *fs, struct fs_request *r)
{
    (void)fs; /* the session's end: what it leaves is forgotten with the device's reset */
    (void)r;
    return 0;
}

static int fs_forget(struct fs *fs, struct fs_request *r)
{
    const struct fuse_forget_in *in = (const void *)r->args;

    if (!r->may_wait && fs_node_is_unlinked(fs, r->header.nodeid))
        return FS_WAIT; /* it may be the last who has it: then the host frees its blocks */
    fs_node_forget(fs, r->header.nodeid, in->nlookup);
    return 0;
}

static int fs_batch_forget(struct fs *fs, struct fs_request *r)
{
    const struct fuse_batch_forget_in *in = (const void *)r->args;
    const struct fuse_forget_one *one = (const void *)(in + 1);
    size_t room = (r->args_len - sizeof(*in)) / sizeof(*one);

    for (size_t i = 0; i < in->count && i < room; i++)
        fs_node_forget(fs, one[i].nodeid, one[i].nlookup);
    return 0;
}

/* What is asked for is done soon, or cannot be ended. */
static int fs_interrupt(struct fs *fs, struct fs_request *r)
{
    (void)fs;
    (void)r;
    return 0;
}

/*
 * Dispatch: absent means ENOSYS
 */

enum {
    FS_CHANGES = 1, /* refused by a read-only file system */
    FS_SILENT = 2,  /* there is no reply */
    FS_QUICK = 4,   /* never waits, or says FS_WAIT itself; others are always done by a thread */
};

static const struct {
    fs_operation *operate;
    uint32_t args; /* bytes at least */
    unsigned how;
} fs_operations[] = {
    [FUSE_LOOKUP] = {fs_lookup, 1, FS_QUICK},
    [FUSE_FORGET] = {fs_forget, sizeof(struct fuse_forget_in), FS_SILENT | FS_QUICK},
    [FUSE_GETATTR] = {fs_getattr, sizeof(struct fuse_getattr_in), FS_QUICK},
    [FUSE_SETATTR] = {fs_setattr, sizeof(struct fuse_setattr_in), FS_CHANGES},
    [FUSE_READLINK] = {fs_readlink, 0, 0},
    [FUSE_SYMLINK] = {fs_symlink, 2, FS_CHANGES},
    [FUSE_MKNOD] = {fs_mknod, sizeof(struct fuse_mknod_in) + 1, FS_CHANGES},
    [FUSE_MKDIR] = {fs_mkdir, sizeof(struct fuse_mkdir_in) + 1, FS_CHANGES},
    [FUSE_UNLINK] = {fs_unlink, 1, FS_CHANGES},
    [FUSE_RMDIR] = {fs_rmdir, 1, FS_CHANGES},
    [FUSE_RENAME] = {fs_rename, sizeof(struct fuse_rename_in) + 2, FS_CHANGES},
    [FUSE_LINK] = {fs_link, sizeof(struct fuse_link_in) + 1, FS_CHANGES},
    [FUSE_OPEN] = {fs_open, sizeof(struct fuse_open_in), FS_QUICK},
    [FUSE_READ] = {fs_read, sizeof(struct fuse_read_in), FS_QUICK},
    [FUSE_WRITE] = {fs_write, sizeof(struct fuse_write_in), FS_CHANGES | FS_QUICK},
    [FUSE_STATFS] = {fs_statfs, 0, 0},
    [FUSE_RELEASE] = {fs_release, sizeof(struct fuse_release_in), 0},
    [FUSE_FSYNC] = {fs_fsync, sizeof(struct fuse_fsync_in), 0},
    [FUSE_SETXATTR] = {fs_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE + 1, FS_CHANGES},
    [FUSE_GETXATTR] = {fs_getxattr, sizeof(struct fuse_getxattr_in) + 1, 0},
    [FUSE_LISTXATTR] = {fs_listxattr, sizeof(struct fuse_getxattr_in), 0},
    [FUSE_REMOVEXATTR] = {fs_removexattr, 1, FS_CHANGES},
    [FUSE_FLUSH] = {fs_flush, sizeof(struct fuse_flush_in), 0},
    [FUSE_INIT] = {fs_init, 16, FS_QUICK},
    [FUSE_OPENDIR] = {fs_opendir, sizeof(struct fuse_open_in), 0},
    [FUSE_READDIR] = {fs_readdir, sizeof(struct fuse_read_in), 0},
    [FUSE_RELEASEDIR] = {fs_releasedir, sizeof(struct fuse_release_in), FS_QUICK},
    [FUSE_FSYNCDIR] = {fs_fsync, sizeof(struct fuse_fsync_in), 0},
    [FUSE_CREATE] = {fs_create, sizeof(struct fuse_create_in) + 1, FS_CHANGES},
    [FUSE_INTERRUPT] = {fs_interrupt, 0, FS_SILENT | FS_QUICK},
    [FUSE_DESTROY] = {fs_destroy, 0, FS_QUICK},
    [FUSE_BATCH_FORGET] = {fs_batch_forget, sizeof(struct fuse_batch_forget_in), FS_SILENT},
    [FUSE_FALLOCATE] = {fs_fallocate, sizeof(struct fuse_fallocate_in), FS_CHANGES},
    [FUSE_READDIRPLUS] = {fs_readdirplus, sizeof(struct fuse_read_in), 0},
    [FUSE_RENAME2] = {fs_rename2, sizeof(struct fuse_rename2_in) + 2, FS_CHANGES},
    [FUSE_LSEEK] = {fs_lseek, sizeof(struct fuse_lseek_in), 0},
    [FUSE_COPY_FILE_RANGE] = {fs_copy_file_range, sizeof(struct fuse_copy_file_range_in),
                              FS_CHANGES},
    [FUSE_SYNCFS] = {fs_syncfs, 0, 0},
};

#define FS_OPERATIONS (sizeof(fs_operations) / sizeof(fs_operations[0]))

static int fs_operate(struct fs *fs, struct fs_request *r)
{
    uint32_t opcode = r->header.opcode;

    if (opcode >= FS_OPERATIONS || !fs_operations[opcode].operate)
        return -ENOSYS;
    if (r->args_len < fs_operations[opcode].args)
        return -EINVAL;
    if (!fs->begun && opcode != FUSE_INIT)
        return -EIO;
    if (fs->options.read_only && fs_operations[opcode].how & FS_CHANGES)
        return -EROFS;
    if (!r->may_wait && !(fs_operations[opcode].how & FS_QUICK))
        return FS_WAIT;
    return fs_operations[opcode].operate(fs, r);
}

int fs_handle(struct fs *fs, struct fs_request *r)
{
    struct fuse_out_header out = {.unique = r->header.unique};
    bool silent =
        r->header.opcode < FS_OPERATIONS && fs_operations[r->header.opcode].how & FS_SILENT;
    int result;

    r->written = 0;
    if (!silent && r->out_bytes < sizeof(out))
        return 0; /* no room for a word: nothing is done */
    result = fs_operate(fs, r);
    if (result == FS_WAIT)
        return -EAGAIN;
    if (silent)
        return 0;
    out.error = result < 0 ? result : 0;
    out.len = (uint32_t)(sizeof(out) + (result > 0 ? (size_t)result : 0));
    iov_write(r->out, r->out_count, 0, &out, sizeof(out));
    r->written = out.len;
    return 0;
}
