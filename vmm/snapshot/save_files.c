/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/snapshot/disk_copy.h"
#include "vmm/snapshot/save_internal.h"

#define REGISTERS_FILE "registers"
#define STATE_FILE     "state"

/* 0 or `error`, of which the user is told. */
static int failed(struct snapshot *s, int error, const char *what)
{
    if (!error)
        return 0;
    return snapshot_complain(s->why, error, "%s: %s", what, strerror(-error));
}

static void name_disk(char file[PART_FILE_MAX], unsigned index)
{
    snprintf(file, PART_FILE_MAX, "disk-%u", index);
}

static int copy_disks(struct snapshot *s, int folder)
{
    int error = 0;

    for (unsigned i = 0; i < s->manifest.nr_disks && !error; i++) {
        struct manifest_disk *disk = &s->manifest.disks[i];
        int to;

        if (s->disk_fds[i] < 0)
            continue;
        name_disk(disk->part.file, i);
        to = part_create(folder, disk->part.file);
        error = to < 0 ? to : disk_copy(s->disk_fds[i], to, &s->cancelled);
        if (to >= 0 && close(to) && !error)
            error = -errno;
        disk->part.size = disk->size;
        failed(s, error, disk->path);
    }
    return error;
}

/* While the guest goes on already. */
static int check_disks(struct snapshot *s, int folder)
{
    int error = 0;

    for (unsigned i = 0; i < s->manifest.nr_disks && !error; i++) {
        struct manifest_disk *disk = &s->manifest.disks[i];
        int fd;

        if (s->disk_fds[i] < 0)
            continue;
        fd = part_open(folder, &disk->part);
        error = fd < 0 ? fd : disk_copy_digest(fd, disk->size, &s->cancelled, disk->part.digest);
        if (!error && fsync(fd))
            error = -errno;
        if (fd >= 0)
            close(fd);
        s->bytes += disk->size;
        failed(s, error, disk->part.file);
    }
    return error;
}

static int write_copies(struct snapshot *s, int folder)
{
    struct manifest *m = &s->manifest;
    int error = copy_disks(s, folder);

    if (!error)
        error = failed(s, part_write(folder, REGISTERS_FILE, s->cpus, s->cpus_size, &m->cpus),
                       "the registers");
    if (!error)
        error = failed(s, part_write(folder, STATE_FILE, s->state, s->state_size, &m->state),
                       "the state");
    if (!error)
        error =
            failed(s, ram_image_write(folder, &s->memory, &s->cancelled, &m->ram), "guest memory");
    s->bytes = m->cpus.size + m->state.size + m->ram.size;
    return error;
}

static void tell(struct snapshot *s, enum snapshot_phase phase)
{
    atomic_store(&s->phase, phase);
    eventfd_write(s->wake, 1);
}

static int write_manifest(struct snapshot *s, int folder)
{
    struct snapshot_part unused;
    char *text = manifest_write(&s->manifest, s->digest);
    int error = text ? part_write(folder, MANIFEST_FILE, text, strlen(text), &unused) : -ENOMEM;

    free(text);
    return failed(s, error, MANIFEST_FILE);
}

static int sync_ram(int folder)
{
    int fd = openat(folder, RAM_IMAGE_FILE, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

/* Nothing may be there: not even an empty folder, which rename() would replace. */
static int give_name(struct snapshot *s, int folder)
{
    if (fsync(folder))
        return failed(s, -errno, s->making);
    /* A file system that cannot promise that (NFS) has been asked at the beginning, at least. */
    if (renameat2(AT_FDCWD, s->making, AT_FDCWD, s->path, RENAME_NOREPLACE) &&
        (errno != EINVAL || renameat2(AT_FDCWD, s->making, AT_FDCWD, s->path, 0)))
        return failed(s, -errno, s->path);
    return 0;
}

static void remove_all(struct snapshot *s, int folder)
{
    static const char *const files[] = {MANIFEST_FILE, REGISTERS_FILE, STATE_FILE, RAM_IMAGE_FILE};
    char disk[PART_FILE_MAX];

    for (unsigned i = 0; folder >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
        unlinkat(folder, files[i], 0);
    for (unsigned i = 0; folder >= 0 && i < s->manifest.nr_disks; i++) {
        name_disk(disk, i);
        unlinkat(folder, disk, 0);
    }
    rmdir(s->making);
}

void *snapshot_write(void *opaque)
{
    struct snapshot *s = opaque;
    int folder = -1, error;

    if (!mkdtemp(s->making)) {
        int why = -errno;

        snapshot_complain(s->why, why, "%s: %s%s", s->path, strerror(-why), snapshot_hint(why));
        tell(s, PHASE_ENDED);
        return NULL;
    }
    folder = open(s->making, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    error = folder < 0 ? failed(s, -errno, s->making) : write_copies(s, folder);
    if (!error) {
        tell(s, PHASE_COPIED);
        error = check_disks(s, folder);
    }
    if (!error)
        error = failed(s, sync_ram(folder), "guest memory");
    if (!error)
        error = write_manifest(s, folder);
    if (!error)
        error = give_name(s, folder);
    if (error)
        remove_all(s, folder);
    if (folder >= 0)
        close(folder);
    tell(s, PHASE_ENDED);
    return NULL;
}
