/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the FUSE server share. An operation returns the bytes of its reply
 * behind the header, or -errno, or FS_WAIT: it would have to wait.
 */
#pragma once

#include <pthread.h>
#include <sys/stat.h>

#include "devices/virtio/fs/fs.h"

#define FS_WAIT        (-512)
#define FS_NONE        UINT32_MAX
#define FS_BUCKETS     (1u << 16)
#define FS_FDS_MAX     (1u << 18) /* descriptors that one file system keeps open */
#define FS_SPARE_FDS   128u       /* descriptors that nodes and files leave to the vmm */
#define FS_DEVICES_MAX 1024u
#define FS_NAME_MAX    255u
#define FS_CHUNK       4096u /* nodes */
#define FS_CHUNKS      (FS_NODES_MAX / FS_CHUNK)

/* Which file of the host a node is. The time of birth tells a reused inode number. */
struct fs_identity {
    uint64_t dev, ino;
    int64_t born_s;
    uint32_t born_ns;
    mode_t type;
};

/*
 * The driver refers to nodes by number. A node of which nobody makes use keeps its
 * descriptor only as long as there are enough: later it is opened anew by its place, the
 * name under which it was last seen, and must have the same identity.
 */
struct fs_node {
    struct fs_identity identity;
    uint64_t lookups;  /* references that the driver holds */
    uint32_t index;    /* in the table */
    uint32_t users;    /* requests that work with it: its descriptor stays open */
    uint32_t children; /* nodes whose place is in this folder */
    uint32_t generation;
    int fd; /* O_PATH; -1: closed to save descriptors */
    bool used;
    bool listed;     /* in the list of those that can be closed */
    bool unlinked;   /* the host's file has no name any more: it could not be opened anew */
    uint16_t device; /* index in fs->devices */
    uint32_t older, newer;
    uint32_t next; /* of the same identity's bucket, or of the free ones */
    uint32_t parent, next_place;
    char *name; /* in `parent`; NULL: no place is known */
};

struct fs_file {
    uint32_t generation;
    unsigned users;
    int fd; /* -1: free */
    bool dir, released;
    bool local;               /* a call that does not wait for a disk does not wait at all */
    pthread_mutex_t position; /* of a directory */
    uint32_t next;
};

struct fs {
    struct fs_options options;
    bool root_user; /* owners can be given; else all belongs to the vmm's user, the guest's root */
    uid_t uid;
    gid_t gid;
    bool local;      /* the root's file system is one of the host's own disks or memory */
    bool no_openat2; /* refused by a policy, or the kernel is older */
    unsigned max_fds;
    int end_fd;         /* from here on descriptors are for the rest of the process */
    uint64_t secret[2]; /* of the hash of names; the second is odd */
    atomic_bool begun, writeback;

    pthread_mutex_t lock;              /* of all that follows */
    struct fs_node *chunks[FS_CHUNKS]; /* nodes do not move */
    uint32_t *buckets, *places;
    uint32_t nr_nodes, free_node;
    uint32_t oldest, newest; /* of the nodes that can be closed */
    struct fs_file *files;
    uint32_t nr_files, free_file;
    unsigned nr_fds;
    uint64_t devices[FS_DEVICES_MAX]; /* the first is the root's */
    unsigned nr_devices;
};

struct fs_proc {
    char path[32]; /* "/proc/self/fd/N" */
};

/* fs_fd.c: descriptors. */

struct fs_proc fs_proc(int fd);

/*
 * open() of one name in the folder `dir`, or of an absolute path of our own. Closes idle
 * nodes when descriptors run out. A descriptor, -errno or FS_WAIT.
 */
int fs_open_name(struct fs *fs, int dir, const char *name, int flags, mode_t mode, bool may_wait);

/* Of an open descriptor, without a request to a server. */
int fs_stat(int fd, bool may_wait, struct statx *st);
bool fs_is_local(int fd);
bool fs_openat2_works(int dir);
void fs_limits(struct fs *fs);

/* fs_node.c: nodes. One that was got has to be put; its descriptor is open until then. */

int fs_node_root(struct fs *fs);
void fs_node_free_all(struct fs *fs);
/* NULL, and -ESTALE, FS_WAIT or another error. */
struct fs_node *fs_node_get(struct fs *fs, const struct fs_request *r, uint64_t id, int *error);
void fs_node_put(struct fs *fs, struct fs_node *node);
/* 0, or FS_WAIT: to forget it may take long. */
int fs_node_forget(struct fs *fs, uint64_t id, uint64_t lookups, bool may_wait);
struct fs_proc fs_node_path(const struct fs_node *node);
bool fs_node_is_local(const struct fs *fs, const struct fs_node *node);
bool fs_node_is_on_root_device(const struct fs *fs, const struct statx *st);
bool fs_node_close_oldest(struct fs *fs); /* false: there is none that can be closed */
/* Takes the O_PATH descriptor. The number, with one more lookup; 0: there is no room. */
uint64_t fs_node_add(struct fs *fs, int fd, const struct statx *st, const struct fs_node *parent,
                     const char *name, struct fuse_attr *attr);

/*
 * Before a name is removed or moved: the node that has it, if the driver knows one, is opened
 * and held, since there is no way to open it later. NULL: there is none. Has to be put.
 */
struct fs_node *fs_node_keep(struct fs *fs, const struct fs_node *parent, const char *name);
/* The guest removed or moved a name. */
void fs_node_name_is_gone(struct fs *fs, const struct fs_node *parent, const char *name);
void fs_node_name_has_moved(struct fs *fs, const struct fs_node *parent, const char *name,
                            const struct fs_node *to, const char *to_name, bool exchanged);

/* fs_handle.c: file systems, and open files. */

struct fs_file *fs_file_get(struct fs *fs, uint64_t handle, bool dir);
void fs_file_put(struct fs *fs, struct fs_file *file);
/* Takes the descriptor. 0, or -ENFILE. */
int fs_file_new(struct fs *fs, int fd, bool dir, bool local, uint64_t *handle);
void fs_file_release(struct fs *fs, uint64_t handle);

/* fs_attr.c */

int fs_attr(const struct fs *fs, const struct fs_node *node, bool may_wait, struct fuse_attr *attr);
void fs_attr_fill(const struct fs *fs, const struct statx *st, unsigned device,
                  struct fuse_attr *attr);
/* The number that the guest sees: those of other file systems below the root are mapped. */
uint64_t fs_ino(unsigned device, uint64_t ino);

/* fs_name.c */

/* Look a name up, which is one more lookup of its node. */
int fs_entry(struct fs *fs, const struct fs_node *parent, const char *name, bool may_wait,
             struct fuse_entry_out *out);
/* The same of an O_PATH descriptor, which is taken. */
int fs_entry_of(struct fs *fs, int fd, const struct fs_node *parent, const char *name,
                bool may_wait, struct fuse_entry_out *out);
/* The reply is an entry: if it does not fit, the driver does not know of the lookup. */
int fs_reply_entry(struct fs *fs, struct fs_request *r, const struct fuse_entry_out *out);
/* The folder that the request is about, and the name at `at` in its arguments. */
struct fs_node *fs_folder(struct fs *fs, const struct fs_request *r, size_t at, const char **name,
                          int *error);

/* fs_file.c */

/* A new open file as the reply; takes the descriptor. */
int fs_reply_open(struct fs *fs, struct fs_request *r, int fd, bool dir, bool local);

/* fs.c */

int fs_reply(struct fs_request *r, const void *data, size_t len);
const char *fs_name(const struct fs_request *r, size_t *at); /* the next in args, or NULL */
bool fs_name_is_good(const char *name);
/* This thread's umask takes nothing from modes. */
bool fs_umask_is_clear(void);

static inline struct fs_node *fs_nth(const struct fs *fs, uint32_t index)
{
    return &fs->chunks[index / FS_CHUNK][index % FS_CHUNK];
}

static inline uint64_t fs_number(const struct fs *fs, uint32_t index, uint32_t generation)
{
    return (uint64_t)fs->options.epoch << 48 | (uint64_t)(generation & 0xfffffffu) << 20 | index;
}

_Static_assert(FS_NODES_MAX <= 1u << 20 && FS_FILES_MAX <= 1u << 20, "an index has 20 bits");

typedef int fs_operation(struct fs *fs, struct fs_request *r);
fs_operation fs_lookup, fs_getattr, fs_setattr, fs_readlink, fs_symlink, fs_mknod, fs_mkdir,
    fs_unlink, fs_rmdir, fs_rename, fs_rename2, fs_link, fs_statfs, fs_setxattr, fs_getxattr,
    fs_listxattr, fs_removexattr, fs_create, fs_tmpfile, fs_open, fs_read, fs_write, fs_release,
    fs_flush, fs_fsync, fs_fallocate, fs_lseek, fs_copy_file_range, fs_syncfs, fs_opendir,
    fs_readdir, fs_readdirplus;
