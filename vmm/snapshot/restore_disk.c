/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/restore_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/disk/lock.h"
#include "vmm/snapshot/disk_copy.h"
#include "vmm/util/log.h"

#define NAMES_MAX 100u /* that may be taken */

static int complain(const struct manifest_disk *disk, int error, const char *what)
{
    if (error)
        log_error("disk '%s': %s: %s", disk->path, what,
                  error == -EBADMSG ? "it is damaged" : strerror(-error));
    return error;
}

/* Is it as it was when the snapshot was taken? */
static bool is_same(const struct manifest_disk *disk, const struct stat *st)
{
    return S_ISREG(st->st_mode) && (uint64_t)st->st_size == disk->size &&
           disk_mtime_ns(st) == disk->mtime_ns;
}

/*
 * A file on the disk's file system. It gets a name only in restore_disk_commit(), so that nothing
 * is left if the vmm is killed; where a file system cannot do that, it has one at once.
 */
static int create_copy(const struct manifest_disk *disk, struct restore_disk *restore)
{
    char *path = strdup(disk->path);

    if (!path)
        return -ENOMEM;
    restore->copy = open(dirname(path), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    free(path);
    if (restore->copy >= 0)
        return 0;
    if (asprintf(&restore->name, "%s.XXXXXX", disk->path) < 0) {
        restore->name = NULL;
        return -ENOMEM;
    }
    restore->copy = mkostemp(restore->name, O_CLOEXEC);
    return restore->copy < 0 ? -errno : 0;
}

/* rename() needs a name. */
static int name_copy(const struct manifest_disk *disk, struct restore_disk *restore)
{
    char from[32], *name = NULL;
    int error = -EEXIST;

    snprintf(from, sizeof(from), "/proc/self/fd/%d", restore->copy);
    for (unsigned i = 0; i < NAMES_MAX && error == -EEXIST; i++) {
        free(name);
        if (asprintf(&name, "%s.%ld.%u", disk->path, (long)getpid(), i) < 0)
            return -ENOMEM;
        error = linkat(AT_FDCWD, from, AT_FDCWD, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
    }
    if (error)
        free(name);
    else
        restore->name = name;
    return error;
}

/* It becomes the disk's contents, of the same owner and mode. `st` NULL: there is no disk. */
static int fill_copy(const struct manifest_disk *disk, int from, int to, const struct stat *st)
{
    char digest[DIGEST_TEXT];
    int error = disk_copy_digest(from, disk->size, NULL, digest);

    if (!error && strcmp(digest, disk->part.digest) != 0)
        error = -EBADMSG;
    if (!error)
        error = disk_copy(from, to, NULL);
    if (!error && st && (fchown(to, st->st_uid, st->st_gid) || fchmod(to, st->st_mode & 07777)))
        error = -errno;
    if (!error && fsync(to))
        error = -errno;
    return error;
}

static int make_copy(const struct manifest_disk *disk, int folder, const struct stat *st,
                     struct restore_disk *restore)
{
    int from = part_open(folder, &disk->part), error;

    if (from < 0)
        return complain(disk, from, "its copy in the snapshot");
    error = create_copy(disk, restore);
    if (!error)
        error = fill_copy(disk, from, restore->copy, st);
    close(from);
    return complain(disk, error, "its copy in the snapshot");
}

/* A VM that still has it must not lose it. */
static int lock(const struct manifest_disk *disk, struct restore_disk *restore)
{
    restore->lock = open(disk->path, O_RDWR | O_CLOEXEC);
    if (restore->lock < 0)
        return complain(disk, -errno, "it cannot be replaced");
    return disk_lock(restore->lock, disk->path, false);
}

int restore_disk_prepare(const struct manifest_disk *disk, int folder, bool revert,
                         struct restore_disk *restore)
{
    struct stat st;
    bool is_there = stat(disk->path, &st) == 0;
    int error;

    *restore = (struct restore_disk){.copy = -1, .lock = -1};
    if (is_there && is_same(disk, &st))
        return 0;
    if (!disk->part.file[0]) {
        log_error("disk '%s' %s since the snapshot was taken, which has no copy of it", disk->path,
                  is_there ? "has changed" : "has gone");
        return -ESTALE;
    }
    if (!is_there)
        return make_copy(disk, folder, NULL, restore);
    if (!revert) {
        log_error("disk '%s' has changed since the snapshot was taken: with --revert-disks it is "
                  "again what it was, and what was written since is lost",
                  disk->path);
        return -ESTALE;
    }
    error = lock(disk, restore);
    return error ? error : make_copy(disk, folder, &st, restore);
}

int restore_disk_commit(const struct manifest_disk *disk, struct restore_disk *restore)
{
    int error;

    if (restore->copy < 0)
        return 0;
    error = restore->name ? 0 : name_copy(disk, restore);
    if (!error && rename(restore->name, disk->path))
        error = -errno;
    if (error)
        return complain(disk, error, "it cannot be replaced");
    free(restore->name);
    restore->name = NULL;
    return 0;
}

void restore_disk_free(struct restore_disk *restore)
{
    if (restore->name)
        unlink(restore->name);
    free(restore->name);
    if (restore->copy >= 0)
        close(restore->copy);
    if (restore->lock >= 0)
        close(restore->lock);
    *restore = (struct restore_disk){.copy = -1, .lock = -1};
}
