/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/restore_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/disk/lock.h"
#include "vmm/snapshot/disk_copy.h"
#include "vmm/util/log.h"

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

/* A file beside the disk, of the same owner and mode. `st` NULL: there is no disk. */
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
    int from = part_open(folder, &disk->part), to, error;

    if (from < 0)
        return complain(disk, from, "its copy in the snapshot");
    if (asprintf(&restore->copy, "%s.XXXXXX", disk->path) < 0) {
        restore->copy = NULL;
        close(from);
        return complain(disk, -ENOMEM, "its copy");
    }
    to = mkostemp(restore->copy, O_CLOEXEC);
    error = to < 0 ? -errno : fill_copy(disk, from, to, st);
    if (to >= 0)
        close(to);
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

    *restore = (struct restore_disk){.lock = -1};
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
    if (!restore->copy)
        return 0;
    if (rename(restore->copy, disk->path))
        return complain(disk, -errno, "it cannot be replaced");
    free(restore->copy);
    restore->copy = NULL;
    return 0;
}

void restore_disk_free(struct restore_disk *restore)
{
    if (restore->copy)
        unlink(restore->copy);
    free(restore->copy);
    if (restore->lock >= 0)
        close(restore->lock);
    *restore = (struct restore_disk){.lock = -1};
}
