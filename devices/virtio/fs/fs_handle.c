/* SPDX-License-Identifier: BSD-2-Clause */
/* The beginning and the end of a file system, and its open files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "devices/virtio/fs/fs_internal.h"

static int fs_init_tables(struct fs *fs)
{
    fs->free_node = fs->free_file = fs->oldest = fs->newest = FS_NONE;
    fs->files = calloc(FS_FILES_MAX, sizeof(*fs->files));
    fs->buckets = malloc(FS_BUCKETS * sizeof(*fs->buckets));
    fs->places = malloc(FS_BUCKETS * sizeof(*fs->places));
    if (!fs->files || !fs->buckets || !fs->places)
        return -ENOMEM;
    memset(fs->buckets, 0xff, FS_BUCKETS * sizeof(*fs->buckets)); /* FS_NONE */
    memset(fs->places, 0xff, FS_BUCKETS * sizeof(*fs->places));
    return fs_node_root(fs);
}

struct fs *fs_new(const struct fs_options *options)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    int error;

    if (!fs)
        return NULL;
    fs->options = *options;
    fs->options.root = fcntl(options->root, F_DUPFD_CLOEXEC, 0);
    error = fs->options.root < 0 ? -errno : 0;
    pthread_mutex_init(&fs->lock, NULL);
    fs->uid = geteuid();
    fs->gid = getegid();
    fs->root_user = fs->uid == 0;
    if (!error && getrandom(fs->secret, sizeof(fs->secret), 0) != sizeof(fs->secret))
        error = -errno;
    fs->secret[1] |= 1;
    if (!error)
        error = fs_init_tables(fs);
    if (error) {
        fs_free(fs);
        errno = -error;
        return NULL;
    }
    fs_limits(fs);
    fs->local = fs_is_local(fs->options.root);
    fs->no_openat2 = !fs_openat2_works(fs->options.root);
    return fs;
}

static void fs_file_close_all(struct fs *fs)
{
    for (uint32_t i = 0; i < fs->nr_files; i++) {
        if (fs->files[i].fd < 0)
            continue;
        close(fs->files[i].fd);
        pthread_mutex_destroy(&fs->files[i].position);
    }
}

void fs_free(struct fs *fs)
{
    fs_file_close_all(fs);
    fs_node_free_all(fs);
    if (fs->options.root >= 0)
        close(fs->options.root);
    pthread_mutex_destroy(&fs->lock);
    free(fs->files);
    free(fs->buckets);
    free(fs->places);
    free(fs);
}

bool fs_has_begun(const struct fs *fs)
{
    return atomic_load(&fs->begun);
}

void fs_begin(struct fs *fs, bool writeback)
{
    atomic_store(&fs->writeback, writeback);
    atomic_store(&fs->begun, true);
}

bool fs_delays_writes(const struct fs *fs)
{
    return atomic_load(&fs->writeback);
}

/*
 * Open files
 */

int fs_file_new(struct fs *fs, int fd, bool dir, bool local, uint64_t *handle)
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

        *file =
            (struct fs_file){.generation = file->generation, .fd = fd, .dir = dir, .local = local};
        pthread_mutex_init(&file->position, NULL);
        fs->nr_fds++;
        *handle = fs_number(fs, index, file->generation);
    }
    pthread_mutex_unlock(&fs->lock);
    if (index == FS_NONE)
        close(fd);
    return index == FS_NONE ? -ENFILE : 0;
}

static struct fs_file *fs_file_of(struct fs *fs, uint64_t handle)
{
    uint32_t index = (uint32_t)(handle % FS_NODES_MAX);
    struct fs_file *file = index < fs->nr_files ? &fs->files[index] : NULL;

    if (!file || file->fd < 0 || file->released)
        return NULL;
    return fs_number(fs, index, file->generation) == handle ? file : NULL;
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

/* Locked. Its descriptor, for the caller to close without the lock, or -1: it is in use. */
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
    if (fd >= 0)
        close(fd);
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
    if (fd >= 0)
        close(fd);
}
