/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch of requests to operations, and operations that need no file. */
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <ringvisor/virtio/iov.h>
#include "devices/virtio/fs/fs_internal.h"

/* <linux/fuse.h> has it from Linux 6.6 on. */
#define FS_DIRECT_IO_ALLOW_MMAP (1ull << 36)

static _Thread_local bool fs_umask_cleared;

void fs_thread_begin(void)
{
    /* The umask of the other threads stays: it is of files that the vmm makes for itself. */
    if (unshare(CLONE_FS) == 0) {
        umask(0);
        fs_umask_cleared = true;
    }
}

bool fs_umask_is_clear(void)
{
    return fs_umask_cleared;
}

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
        return NULL; /* the driver's name does not end */
    *at += len + 1;
    return name;
}

bool fs_name_is_good(const char *name)
{
    return name && name[0] && strlen(name) <= FS_NAME_MAX && !strchr(name, '/') &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
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
    uint64_t flags = in->flags;
    uint64_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC |
                      FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
                      FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |
                      FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;

    if (in->major != FUSE_KERNEL_VERSION) {
        /* A newer driver asks again, with ours; an older one gives up. */
        out.minor = FS_MINOR_MIN;
        return fs_reply(r, &out, sizeof(out));
    }
    if (in->minor < FS_MINOR_MIN)
        return -EPROTO;
    if (flags & FUSE_INIT_EXT &&
        r->args_len >= offsetof(struct fuse_init_in, flags2) + sizeof(in->flags2))
        flags |= (uint64_t)in->flags2 << 32;
    if (fs->options.writeback)
        wanted |= FUSE_WRITEBACK_CACHE;
    /* Without it Linux refuses a shared mapping of a file that it does not cache. */
    if (fs->options.open_flags & FOPEN_DIRECT_IO)
        wanted |= FS_DIRECT_IO_ALLOW_MMAP;
    flags &= wanted;
    out.minor = in->minor < FS_MINOR ? in->minor : FS_MINOR;
    out.flags = (uint32_t)flags;
    out.flags2 = (uint32_t)(flags >> 32);
    fs_begin(fs, flags & FUSE_WRITEBACK_CACHE);
    return fs_reply(r, &out, sizeof(out));
}

/* The session's end: its nodes and files are forgotten when the device is reset. */
static int fs_destroy(struct fs *fs, struct fs_request *r)
{
    return 0;
}

static int fs_forget(struct fs *fs, struct fs_request *r)
{
    const struct fuse_forget_in *in = (const void *)r->args;

    return fs_node_forget(fs, r->header.nodeid, in->nlookup, r->may_wait);
}

static int fs_batch_forget(struct fs *fs, struct fs_request *r)
{
    const struct fuse_batch_forget_in *in = (const void *)r->args;
    const struct fuse_forget_one *one = (const void *)(in + 1);
    size_t room = (r->args_len - sizeof(*in)) / sizeof(*one);

    for (size_t i = 0; i < in->count && i < room; i++)
        fs_node_forget(fs, one[i].nodeid, one[i].nlookup, true);
    return 0;
}

/* The interrupted request is done soon, or cannot be ended. */
static int fs_interrupt(struct fs *fs, struct fs_request *r)
{
    return 0;
}

/*
 * Dispatch: absent means ENOSYS
 */

enum {
    FS_CHANGES = 1, /* refused by a read-only file system */
    FS_SILENT = 2,  /* there is no reply */
    FS_QUICK = 4,   /* never waits, or returns FS_WAIT itself; a thread does the others */
};

static const struct {
    fs_operation *operate;
    uint32_t args; /* bytes at least */
    unsigned how;
} fs_operations[] = {
    [FUSE_LOOKUP] = {.operate = fs_lookup, .args = 1, .how = FS_QUICK},
    [FUSE_FORGET] = {.operate = fs_forget,
                     .args = sizeof(struct fuse_forget_in),
                     .how = FS_SILENT | FS_QUICK},
    [FUSE_GETATTR] = {.operate = fs_getattr,
                      .args = sizeof(struct fuse_getattr_in),
                      .how = FS_QUICK},
    [FUSE_SETATTR] = {.operate = fs_setattr,
                      .args = sizeof(struct fuse_setattr_in),
                      .how = FS_CHANGES},
    [FUSE_READLINK] = {.operate = fs_readlink},
    [FUSE_SYMLINK] = {.operate = fs_symlink, .args = 2, .how = FS_CHANGES},
    [FUSE_MKNOD] = {.operate = fs_mknod,
                    .args = sizeof(struct fuse_mknod_in) + 1,
                    .how = FS_CHANGES},
    [FUSE_MKDIR] = {.operate = fs_mkdir,
                    .args = sizeof(struct fuse_mkdir_in) + 1,
                    .how = FS_CHANGES},
    [FUSE_UNLINK] = {.operate = fs_unlink, .args = 1, .how = FS_CHANGES},
    [FUSE_RMDIR] = {.operate = fs_rmdir, .args = 1, .how = FS_CHANGES},
    [FUSE_RENAME] = {.operate = fs_rename,
                     .args = sizeof(struct fuse_rename_in) + 2,
                     .how = FS_CHANGES},
    [FUSE_LINK] = {.operate = fs_link, .args = sizeof(struct fuse_link_in) + 1, .how = FS_CHANGES},
    [FUSE_OPEN] = {.operate = fs_open, .args = sizeof(struct fuse_open_in)},
    [FUSE_READ] = {.operate = fs_read, .args = sizeof(struct fuse_read_in), .how = FS_QUICK},
    [FUSE_WRITE] = {.operate = fs_write,
                    .args = sizeof(struct fuse_write_in),
                    .how = FS_CHANGES | FS_QUICK},
    [FUSE_STATFS] = {.operate = fs_statfs},
    [FUSE_RELEASE] = {.operate = fs_release, .args = sizeof(struct fuse_release_in)},
    [FUSE_FSYNC] = {.operate = fs_fsync, .args = sizeof(struct fuse_fsync_in)},
    [FUSE_SETXATTR] = {.operate = fs_setxattr,
                       .args = FUSE_COMPAT_SETXATTR_IN_SIZE + 1,
                       .how = FS_CHANGES},
    [FUSE_GETXATTR] = {.operate = fs_getxattr, .args = sizeof(struct fuse_getxattr_in) + 1},
    [FUSE_LISTXATTR] = {.operate = fs_listxattr, .args = sizeof(struct fuse_getxattr_in)},
    [FUSE_REMOVEXATTR] = {.operate = fs_removexattr, .args = 1, .how = FS_CHANGES},
    [FUSE_FLUSH] = {.operate = fs_flush, .args = sizeof(struct fuse_flush_in)},
    [FUSE_INIT] = {.operate = fs_init, .args = 16, .how = FS_QUICK},
    [FUSE_OPENDIR] = {.operate = fs_opendir, .args = sizeof(struct fuse_open_in)},
    [FUSE_READDIR] = {.operate = fs_readdir, .args = sizeof(struct fuse_read_in)},
    [FUSE_RELEASEDIR] = {.operate = fs_release, .args = sizeof(struct fuse_release_in)},
    [FUSE_FSYNCDIR] = {.operate = fs_fsync, .args = sizeof(struct fuse_fsync_in)},
    [FUSE_CREATE] = {.operate = fs_create,
                     .args = sizeof(struct fuse_create_in) + 1,
                     .how = FS_CHANGES},
    [FUSE_INTERRUPT] = {.operate = fs_interrupt, .how = FS_SILENT | FS_QUICK},
    [FUSE_DESTROY] = {.operate = fs_destroy, .how = FS_QUICK},
    [FUSE_BATCH_FORGET] = {.operate = fs_batch_forget,
                           .args = sizeof(struct fuse_batch_forget_in),
                           .how = FS_SILENT},
    [FUSE_FALLOCATE] = {.operate = fs_fallocate,
                        .args = sizeof(struct fuse_fallocate_in),
                        .how = FS_CHANGES},
    [FUSE_READDIRPLUS] = {.operate = fs_readdirplus, .args = sizeof(struct fuse_read_in)},
    [FUSE_RENAME2] = {.operate = fs_rename2,
                      .args = sizeof(struct fuse_rename2_in) + 2,
                      .how = FS_CHANGES},
    [FUSE_LSEEK] = {.operate = fs_lseek, .args = sizeof(struct fuse_lseek_in)},
    [FUSE_COPY_FILE_RANGE] = {.operate = fs_copy_file_range,
                              .args = sizeof(struct fuse_copy_file_range_in),
                              .how = FS_CHANGES},
    [FUSE_SYNCFS] = {.operate = fs_syncfs},
    [FUSE_TMPFILE] = {.operate = fs_tmpfile,
                      .args = sizeof(struct fuse_create_in),
                      .how = FS_CHANGES},
};

#define FS_OPERATIONS (sizeof(fs_operations) / sizeof(fs_operations[0]))

static int fs_operate(struct fs *fs, struct fs_request *r)
{
    uint32_t opcode = r->header.opcode;

    if (opcode >= FS_OPERATIONS || !fs_operations[opcode].operate)
        return -ENOSYS;
    if (r->args_len < fs_operations[opcode].args)
        return -EINVAL;
    if (!fs_has_begun(fs) && opcode != FUSE_INIT)
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
        return 0; /* no room for any reply: nothing is done */
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
