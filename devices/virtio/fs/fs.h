/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder of the host's as a FUSE file system (<linux/fuse.h>): requests in, replies
 * out. What asks is hostile: every length, name, node and handle is checked.
 *
 * A node is an O_PATH descriptor, found from its parent's by one name that is not
 * followed, so nothing outside of the folder is ever reached. Contents are opened by
 * /proc/self/fd, and only of regular files and directories: FIFOs, devices and sockets
 * are the guest's own affair.
 *
 * fs_handle() may be called from several threads.
 */
#pragma once

#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define FS_ROOT      FUSE_ROOT_ID
#define FS_MINOR_MIN 31u
#define FS_MINOR     36u          /* that this speaks; the driver may say less */
#define FS_WRITE_MAX (1u << 20)   /* bytes in a READ or WRITE */
#define FS_ARGS_MAX  (128u << 10) /* of a request that is no WRITE: two names, or a value */
#define FS_DIR_MAX   (64u << 10)  /* bytes of names in one reply */
#define FS_NODES_MAX (1u << 18)
#define FS_FILES_MAX (1u << 14)
#define FS_SPARE_FDS 128u /* that nodes and handles leave to the vmm */

struct fs_node {
    uint64_t lookups; /* that the driver holds */
    unsigned users;   /* threads that work with it */
    uint32_t generation;
    int fd; /* O_PATH; -1: free */
    mode_t type;
    dev_t dev;
    ino_t ino;
    uint32_t next; /* in its bucket, or of the free ones */
};

struct fs_file {
    uint32_t generation;
    unsigned users;
    int fd; /* -1: free */
    bool dir, released;
    pthread_mutex_t position; /* of a directory */
    uint32_t next;
};

struct fs_options {
    int root; /* O_PATH descriptor of the folder; the file system's from fs_new() on */
    bool read_only;
    bool writeback;      /* the driver may keep what was written for a while */
    uint32_t timeout;    /* s for which the driver may trust names and attributes */
    uint32_t open_flags; /* FOPEN_x of each file */
};

struct fs {
    struct fs_options options;
    pthread_mutex_t lock; /* of all that follows */
    struct fs_node *nodes;
    uint32_t *buckets;
    uint32_t nr_nodes, free_node;
    struct fs_file *files;
    uint32_t nr_files, free_file;
    unsigned nr_fds, max_fds;
    int end_fd;     /* from here on descriptors are for the rest of the process */
    bool root_user; /* owners can be given; else all is the vmm's user's, who is 0 to the guest */
    uid_t uid;
    gid_t gid;
    bool begun; /* INIT has come */
};

struct fs_request {
    struct fuse_in_header header; /* a copy */
    uint8_t *args;                /* a copy of what follows; one more byte, which is 0 */
    size_t args_len;
    struct iovec *data; /* WRITE: the payload, in the guest's memory */
    unsigned data_count;
    struct iovec *out; /* the reply, in the guest's memory: fuse_out_header first */
    unsigned out_count;
    size_t out_bytes;
    size_t done;    /* WRITE: bytes that were written when it could not wait */
    bool may_wait;  /* for a disk */
    size_t written; /* the result: bytes of the reply; 0: there is none */
};

/* NULL: out of memory. `options->root` is closed by fs_free(). */
struct fs *fs_new(const struct fs_options *options);
void fs_free(struct fs *fs);

/* The driver is gone, or begins anew: nodes and handles are forgotten. No request is under way. */
void fs_reset(struct fs *fs);

/* 0: done. -EAGAIN: it would have to wait, and may_wait is false: nothing was done. */
int fs_handle(struct fs *fs, struct fs_request *r);

/*
 * For the files of fs/. An operation gives the bytes of its reply behind the header, or
 * -errno; FS_WAIT if it would have to wait.
 */
#define FS_WAIT (-512)

struct fs_proc {
    char path[32]; /* "/proc/self/fd/N" */
};

/* fs_node.c. A node or file that was got has to be put. NULL: there is none of that number. */
struct fs_node *fs_node_get(struct fs *fs, uint64_t id);
void fs_node_put(struct fs *fs, struct fs_node *node);
bool fs_node_is_unlinked(struct fs *fs, uint64_t id);
void fs_node_forget(struct fs *fs, uint64_t id, uint64_t lookups);
struct fs_proc fs_proc(int fd);
struct fs_proc fs_node_path(const struct fs_node *node);
struct fs_file *fs_file_get(struct fs *fs, uint64_t handle, bool dir);
void fs_file_put(struct fs *fs, struct fs_file *file);
int fs_file_new(struct fs *fs, int fd, bool dir, uint64_t *handle); /* takes the descriptor */
void fs_file_release(struct fs *fs, uint64_t handle);
int fs_entry(struct fs *fs, const struct fs_node *parent, const char *name, bool may_wait,
             struct fuse_entry_out *out);                           /* one more lookup of it */
int fs_entry_of(struct fs *fs, int fd, struct fuse_entry_out *out); /* the same; takes `fd` */
int fs_attr(const struct fs *fs, const struct fs_node *node, struct fuse_attr *attr);
void fs_attr_fill(const struct fs *fs, const struct stat *st, struct fuse_attr *attr);

/* fs.c */
int fs_reply(struct fs_request *r, const void *data, size_t len);
const char *fs_name(const struct fs_request *r, size_t *at); /* the next in args, or NULL */
bool fs_name_is_good(const char *name);

typedef int fs_operation(struct fs *fs, struct fs_request *r);
fs_operation fs_lookup, fs_getattr, fs_setattr, fs_readlink, fs_symlink, fs_mknod, fs_mkdir,
    fs_unlink, fs_rmdir, fs_rename, fs_rename2, fs_link, fs_statfs, fs_setxattr, fs_getxattr,
    fs_listxattr, fs_removexattr, fs_create, fs_open, fs_read, fs_write, fs_release, fs_flush,
    fs_fsync, fs_fallocate, fs_lseek, fs_copy_file_range, fs_syncfs, fs_opendir, fs_readdir,
    fs_readdirplus, fs_releasedir;
