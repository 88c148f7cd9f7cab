/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int folder_init(struct snapshot_folder *folder, const char *path)
{
    *folder = (struct snapshot_folder){.path = strdup(path), .fd = -1};
    if (asprintf(&folder->making, "%s.XXXXXX", path) < 0)
        folder->making = NULL;
    return folder->path && folder->making ? 0 : -ENOMEM;
}

int folder_make(struct snapshot_folder *folder)
{
    int error = 0;

    if (!mkdtemp(folder->making))
        return -errno;
    folder->fd = open(folder->making, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0) {
        error = -errno;
        rmdir(folder->making);
    }
    return error;
}

/* Nothing may be there: not even an empty folder, which rename() would replace. */
int folder_finish(struct snapshot_folder *folder)
{
    if (fsync(folder->fd))
        return -errno;
    /* A file system that cannot promise that (NFS) has been asked at the beginning, at least. */
    if (renameat2(AT_FDCWD, folder->making, AT_FDCWD, folder->path, RENAME_NOREPLACE) &&
        (errno != EINVAL || renameat2(AT_FDCWD, folder->making, AT_FDCWD, folder->path, 0)))
        return -errno;
    return 0;
}

void folder_remove(struct snapshot_folder *folder)
{
    int fd = dup(folder->fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        unlinkat(folder->fd, entry->d_name, 0);
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    rmdir(folder->making);
}

void folder_free(struct snapshot_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->path);
    free(folder->making);
    *folder = (struct snapshot_folder){.fd = -1};
}
