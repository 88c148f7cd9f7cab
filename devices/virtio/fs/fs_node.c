/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes and open files. Both are known to the driver by a number: the place in a table
 * and a generation, so that one that was forgotten is not another's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/virtio/fs/fs.h"

#define FS_NONE    UINT32_MAX
#define FS_BUCKETS (1u << 14)

/*
 * Numbers
 */

static uint64_t fs_number(uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | index;
}

static uint32_t fs_bucket(dev_t dev, ino_t ino)
{
    return (uint32_t)((ino * 0x9e3779b97f4a7c15ull ^ dev) >> 40) % FS_BUCKETS;
}

/*
 * The tables
 */

static void fs_tables_clear(struct fs *fs)
{
    fs->nr_nodes = fs->nr_files = 0;
    fs->free_node = fs->free_file = FS_NONE;
    for (uint32_t i = 0; i < FS_BUCKETS; i++)
        fs->buckets[i] = FS_NONE;
}

/* The root is node 1, of generation 0, and stays. */
static int fs_root(struct fs *fs)
{
    struct stat st;

    if (fstat(fs->options.root, &st) < 0)
        return -errno;
    fs->nodes[0].fd = -1;
    fs->nodes[FS_ROOT] = (struct fs_node){.lookups = 1,
                                          .fd = fs->options.root,
                                          .type = st.st_mode & S_IFMT,
                                          .dev = st.st_dev,
                                          .ino = st.st_ino,
                                          .next = FS_NONE};
    fs->buckets[fs_bucket(st.st_dev, st.st_ino)] = FS_ROOT;
    fs->nr_nodes = FS_ROOT + 1;
    return 0;
}

struct fs *fs_new(const struct fs_options *options)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    struct rlimit limit;

    if (!fs)
        return NULL;
    fs->options = *options;
    fs->nodes =
        calloc(FS_NODES_MAX, sizeof(*fs->nodes)); /* pages that are not used are not there */
    fs->files = calloc(FS_FILES_MAX, sizeof(*fs->files));
    fs->buckets = malloc(FS_BUCKETS * sizeof(*fs->buckets));
    pthread_mutex_init(&fs->lock, NULL);
    fs->uid = geteuid();
    fs->gid = getegid();
    fs->root_user = fs->uid == 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        if (limit.rlim_cur < limit.rlim_max) {
            limit.rlim_cur = limit.rlim_max;
            setrlimit(RLIMIT_NOFILE, &limit);
            getrlimit(RLIMIT_NOFILE, &limit);
        }
        fs->max_fds = limit.rlim_cur > FS_NODES_MAX ? FS_NODES_MAX : (unsigned)limit.rlim_cur;
        fs->max_fds -= fs->max_fds > 2 * FS_SPARE_FDS ? FS_SPARE_FDS : fs->max_fds / 2;
        /* The lowest free number is given: this counts those of other shares, too. */
        fs->end_fd = limit.rlim_cur > INT_MAX ? INT_MAX : (int)limit.rlim_cur;
        fs->end_fd -= fs->end_fd > (int)(2 * FS_SPARE_FDS) ? (int)FS_SPARE_FDS : fs->end_fd / 2;
    }
    if (!fs->nodes || !fs->files || !fs->buckets) {
        fs_free(fs);
        return NULL;
    }
    fs_tables_clear(fs);
    if (fs_root(fs)) {
        fs_free(fs);
        return NULL;
    }
    return fs;
}

static void fs_close_all(struct fs *fs)
{
    for (uint32_t i = FS_ROOT + 1; i < fs->nr_nodes; i++) {
        if (fs->nodes[i].fd >= 0)
            close(fs->nodes[i].fd);
        fs->nodes[i].fd = -1;
    }
    for (uint32_t i = 0; i < fs->nr_files; i++) {
        if (fs->files[i].fd >= 0) {
            close(fs->files[i].fd);
            pthread_mutex_destroy(&fs->files[i].position);
        }
        fs->files[i].fd = -1;
    }
    fs->nr_fds = 0;
}

void fs_reset(struct fs *fs)
{
    uint32_t nodes = fs->nr_nodes, files = fs->nr_files;

    fs_close_all(fs);
    fs_tables_clear(fs);
    fs_root(fs);
    /* Old numbers are nobody's: generations go on. */
    for (uint32_t i = FS_ROOT + 1; i < nodes; i++)
        fs->nodes[i].generation++;
    for (uint32_t i = 0; i < files; i++)
        fs->files[i].generation++;
    fs->begun = false;
}

void fs_free(struct fs *fs)
{
    if (fs->nodes && fs->files)
        fs_close_all(fs);
    close(fs->options.root);
    pthread_mutex_destroy(&fs->lock);
    free(fs->nodes);
    free(fs->files);
    free(fs->buckets);
    free(fs);
}

/*
 * Nodes. `fs->lock` is held where it is said.
 */

static struct fs_node *fs_node_of(struct fs *fs, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    struct fs_node *node = index < fs->nr_nodes ? &fs->nodes[index] : NULL;

    return node && node->fd >= 0 && node->generation == id >> 32 && node->lookups ? node : NULL;
}

struct fs_node *fs_node_get(struct fs *fs, uint64_t id)
{
    struct fs_node *node;

    pthread_mutex_lock(&fs->lock);
    node = fs_node_of(fs, id);
    if (node)
        node->users++;
    pthread_mutex_unlock(&fs->lock);
    return node;
}

/*
 * Locked. If nobody knows it any more, its descriptor: for the caller to close without the lock.
 * The last one of a file that has no name frees what it contains, which may take a while.
 */
static int fs_node_drop(struct fs *fs, struct fs_node *node)
{
    uint32_t index = (uint32_t)(node - fs->nodes);
    uint32_t *link = &fs->buckets[fs_bucket(node->dev, node->ino)];
    int fd = node->fd;

    if (node->lookups || node->users || index == FS_ROOT)
        return -1;
    while (*link != index)
        link = &fs->nodes[*link].next;
    *link = node->next;
    fs->nr_fds--;
    node->fd = -1;
    node->generation++;
    node->next = fs->free_node;
    fs->free_node = index;
    return fd;
}

static void fs_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

void fs_node_put(struct fs *fs, struct fs_node *node)
{
    int fd;

    if (!node)
        return;
    pthread_mutex_lock(&fs->lock);
    node->users--;
    fd = fs_node_drop(fs, node);
    pthread_mutex_unlock(&fs->lock);
    fs_close(fd);
}

bool fs_node_is_unlinked(struct fs *fs, uint64_t id)
{
    struct fs_node *node = fs_node_get(fs, id);
    struct stat st;
    bool unlinked = node && fstat(node->fd, &st) == 0 && st.st_nlink == 0;

    fs_node_put(fs, node);
    return unlinked;
}

void fs_node_forget(struct fs *fs, uint64_t id, uint64_t lookups)
{
    struct fs_node *node;
    int fd = -1;

    pthread_mutex_lock(&fs->lock);
    node = fs_node_of(fs, id);
    if (node && node != &fs->nodes[FS_ROOT]) {
        node->lookups -= lookups < node->lookups ? lookups : node->lookups;
        fd = fs_node_drop(fs, node);
    }
    pthread_mutex_unlock(&fs->lock);
    fs_close(fd);
}

struct fs_proc fs_proc(int fd)
{
    struct fs_proc proc;

    snprintf(proc.path, sizeof(proc.path), "/proc/self/fd/%d", fd);
    return proc;
}

struct fs_proc fs_node_path(const struct fs_node *node)
{
    return fs_proc(node->fd);
}

/* Locked. The place of a new node, or FS_NONE: there are too many. */
static uint32_t fs_node_place(struct fs *fs, int fd)
{
    uint32_t index = fs->free_node;

    if (fs->nr_fds >= fs->max_fds || fd >= fs->end_fd)
        return FS_NONE;
    if (index != FS_NONE)
        fs->free_node = fs->nodes[index].next;
    else if (fs->nr_nodes < FS_NODES_MAX)
        index = fs->nr_nodes++;
    return index;
}

/* Takes `fd`, an O_PATH descriptor. Its number, with one more lookup; 0: there is no room. */
static uint64_t fs_node_add(struct fs *fs, int fd, const struct stat *st)
{
    uint32_t *bucket = &fs->buckets[fs_bucket(st->st_dev, st->st_ino)], index;
    uint64_t id = 0;

    pthread_mutex_lock(&fs->lock);
    for (index = *bucket; index != FS_NONE; index = fs->nodes[index].next)
        if (fs->nodes[index].dev == st->st_dev && fs->nodes[index].ino == st->st_ino)
            break;
    if (index != FS_NONE) {
        close(fd);
        fs->nodes[index].lookups++;
        id = fs_number(index, fs->nodes[index].generation);
    } else if ((index = fs_node_place(fs, fd)) != FS_NONE) {
        struct fs_node *node = &fs->nodes[index];

        *node = (struct fs_node){.lookups = 1,
                                 .generation = node->generation,
                                 .fd = fd,
                                 .type = st->st_mode & S_IFMT,
                                 .dev = st->st_dev,
                                 .ino = st->st_ino,
                                 .next = *bucket};
        *bucket = index;
        fs->nr_fds++;
        id = fs_number(index, node->generation);
    } else {
        close(fd);
    }
    pthread_mutex_unlock(&fs->lock);
    return id;
}

void fs_attr_fill(const struct fs *fs, const struct stat *st, struct fuse_attr *attr)
{
    bool own_uid = !fs->root_user && st->st_uid == fs->uid;
    bool own_gid = !fs->root_user && st->st_gid == fs->gid;

    *attr = (struct fuse_attr){
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .blocks = (uint64_t)st->st_blocks,
        .atime = (uint64_t)st->st_atim.tv_sec,
        .mtime = (uint64_t)st->st_mtim.tv_sec,
        .ctime = (uint64_t)st->st_ctim.tv_sec,
        .atimensec = (uint32_t)st->st_atim.tv_nsec,
        .mtimensec = (uint32_t)st->st_mtim.tv_nsec,
        .ctimensec = (uint32_t)st->st_ctim.tv_nsec,
        .mode = st->st_mode,
        .nlink = (uint32_t)st->st_nlink,
        .uid = own_uid ? 0 : st->st_uid,
        .gid = own_gid ? 0 : st->st_gid,
        .rdev = (uint32_t)st->st_rdev,
        .blksize = (uint32_t)st->st_blksize,
    };
}

int fs_attr(const struct fs *fs, const struct fs_node *node, struct fuse_attr *attr)
{
    struct stat st;

    if (fstat(node->fd, &st) < 0)
        return -errno;
    fs_attr_fill(fs, &st, attr);
    return 0;
}

int fs_entry(struct fs *fs, const struct fs_node *parent, const char *name, bool may_wait,
             struct fuse_entry_out *out)
{
    struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (may_wait ? 0 : RESOLVE_CACHED),
    };
    int fd = (int)syscall(SYS_openat2, parent->fd, name, &how, sizeof(how));

    /* EINVAL: a kernel before 5.12 does not know RESOLVE_CACHED. */
    if (fd < 0)
        return (errno == EAGAIN || errno == EINVAL) && !may_wait ? FS_WAIT : -errno;
    return fs_entry_of(fs, fd, out);
}

int fs_entry_of(struct fs *fs, int fd, struct fuse_entry_out *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        int error = -errno;

        close(fd);
        return error;
    }
    *out = (struct fuse_entry_out){
        .nodeid = fs_node_add(fs, fd, &st),
        .entry_valid = fs->options.timeout,
        .attr_valid = fs->options.timeout,
    };
    if (!out->nodeid)
        return -ENFILE;
    fs_attr_fill(fs, &st, &out->attr);
    return 0;
}

/*
 * Open files
 */

int fs_file_new(struct fs *fs, int fd, bool dir, uint64_t *handle)
{
    uint32_t index = FS_NONE;

    pthread_mutex_lock(&fs->lock);
    if (fs->nr_fds < fs->max_fds && fd < fs->end_fd) {
        index = fs->free_file;
        if (index != FS_NONE)
            fs->free_file = fs->files[index].next;
        else if (fs->nr_files < FS_FILES_MAX)
            index = fs->nr_files++;
    }
    if (index != FS_NONE) {
        struct fs_file *file = &fs->files[index];

        *file = (struct fs_file){.generation = file->generation, .fd = fd, .dir = dir};
        pthread_mutex_init(&file->position, NULL);
        fs->nr_fds++;
        *handle = fs_number(index, file->generation);
    }
    pthread_mutex_unlock(&fs->lock);
    if (index == FS_NONE)
        close(fd);
    return index == FS_NONE ? -ENFILE : 0;
}

static struct fs_file *fs_file_of(struct fs *fs, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    struct fs_file *file = index < fs->nr_files ? &fs->files[index] : NULL;

    return file && file->fd >= 0 && file->generation == handle >> 32 && !file->released ? file
                                                                                        : NULL;
}

struct fs_file *fs_file_get(struct fs *fs, uint64_t handle, bool dir)
{
    struct fs_file *file;

    pthread_mutex_lock(&fs->lock);
    file = fs_file_of(fs, handle);
    file = file && file->dir == dir ? file : NULL;
    if (file)
        file->users++;
    pthread_mutex_unlock(&fs->lock);
    return file;
}

/* Locked. As fs_node_drop(). */
static int fs_file_drop(struct fs *fs, struct fs_file *file)
{
    int fd = file->fd;

    if (!file->released || file->users)
        return -1;
    pthread_mutex_destroy(&file->position);
    fs->nr_fds--;
    file->fd = -1;
    file->generation++;
    file->next = fs->free_file;
    fs->free_file = (uint32_t)(file - fs->files);
    return fd;
}

void fs_file_put(struct fs *fs, struct fs_file *file)
{
    int fd;

    if (!file)
        return;
    pthread_mutex_lock(&fs->lock);
    file->users--;
    fd = fs_file_drop(fs, file);
    pthread_mutex_unlock(&fs->lock);
    fs_close(fd);
}

void fs_file_release(struct fs *fs, uint64_t handle)
{
    struct fs_file *file;
    int fd = -1;

    pthread_mutex_lock(&fs->lock);
    file = fs_file_of(fs, handle);
    if (file) {
        file->released = true;
        fd = fs_file_drop(fs, file);
    }
    pthread_mutex_unlock(&fs->lock);
    fs_close(fd);
}
