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

/* The wake first: a phase that comes after the read wakes again. */
enum snapshot_phase snapshot_told(struct snapshot *s)
{
    eventfd_t count;

    eventfd_read(s->wake, &count);
    return atomic_load(&s->phase);
}

static int write_all(struct snapshot *s)
{
    int folder = s->folder.fd, error = write_copies(s, folder);

    if (!error) {
        tell(s, PHASE_COPIED);
        error = check_disks(s, folder);
    }
    if (!error)
        error = failed(s, part_sync(folder, RAM_IMAGE_FILE), "guest memory");
    if (!error)
        error = failed(s, manifest_write_file(&s->manifest, folder, s->digest), MANIFEST_FILE);
    if (!error)
        error = failed(s, folder_finish(&s->folder), s->folder.path);
    return error;
}

void *snapshot_write(void *opaque)
{
    struct snapshot *s = opaque;
    int error = folder_make(&s->folder);

    if (error)
        snapshot_complain(s->why, error, "%s: %s%s", s->folder.path, strerror(-error),
                          snapshot_hint(error));
    else if (write_all(s))
        folder_remove(&s->folder);
    tell(s, PHASE_ENDED);
    return NULL;
}
