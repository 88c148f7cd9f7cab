/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/disk/format.h"
#include "vmm/sandbox/needs.h"
#include "vmm/snapshot/disk_copy.h"
#include "vmm/snapshot/save_internal.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

/* Does the guest write to it? */
static bool is_writable(struct rv_instance *device)
{
    char *ro = device_get(device, "ro");
    bool writable = !ro || strcmp(ro, "on") != 0;

    free(ro);
    return writable;
}

/* Raw, as the content and the name say: others have caches in a process of their own. */
static bool is_raw(struct rv_instance *device, const char *path, int fd)
{
    const struct disk_format *format;
    /* Flash has no such property, and its file is what the chip has. */
    bool is_flash = strcmp(device_class(device)->name, "cfi-flash") == 0;
    char *wanted = is_flash ? strdup("raw") : device_get(device, "format");
    int error = disk_format_find(path, fd, wanted, false, &format);

    free(wanted);
    return !error && !format->driver;
}

/* `path` is a file that the device writes to, or only reads. */
static int add_disk(struct snapshot *s, struct rv_instance *device, const char *path, char *why)
{
    struct manifest_disk *disk = &s->manifest.disks[s->manifest.nr_disks];
    const char *name = device_name(device);
    bool writable = is_writable(device);
    int fd, *source = &s->disk_fds[s->manifest.nr_disks];
    struct stat st;

    if (disk_format_is_uri(path))
        return snapshot_complain(
            why, -ENOTSUP, "disk '%s' of %s is a server's: a snapshot cannot hold it", path, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int error = -errno;

        if (fd >= 0)
            close(fd);
        return snapshot_complain(why, error, "disk '%s': %s", path, strerror(-error));
    }
    if (!S_ISREG(st.st_mode) || (writable && !is_raw(device, path, fd))) {
        close(fd);
        return snapshot_complain(why, -ENOTSUP,
                                 "disk '%s' of %s is %s: a snapshot can hold raw files only", path,
                                 name, S_ISREG(st.st_mode) ? "not raw" : "no regular file");
    }
    if (st.st_nlink == 0 && !writable) { /* one that the vmm has made of its options */
        close(fd);
        return 0;
    }
    disk->device = strdup(name);
    disk->path = realpath(path, NULL);
    disk->size = (uint64_t)st.st_size;
    disk->mtime_ns = disk_mtime_ns(&st);
    *source = -1;
    s->manifest.nr_disks++;
    if (writable && s->copies_disks)
        *source = fd;
    else
        close(fd);
    if (!disk->path)
        return snapshot_complain(why, -ENOTSUP, "disk '%s' of %s has no name any more", path, name);
    return disk->device ? 0 : -ENOMEM;
}

/* What the guest writes to. */
static const struct {
    const char *class, *property;
} files[] = {{"virtio-blk", "path"}, {"cfi-flash", "vars"}};

int snapshot_allow(struct vm *vm, const char *folder)
{
    struct stat st;
    int error = stat(folder, &st) == 0 && !S_ISDIR(st.st_mode)
                    ? -ENOTDIR
                    : sandbox_need_path(folder, SANDBOX_CHANGE);

    if (error)
        log_error("snapshots '%s': %s", folder, strerror(-error));
    sandbox_need(SANDBOX_SNAPSHOT);
    for (unsigned i = 0; i < vm->nr_devices && !error; i++) {
        for (unsigned f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
            bool is = strcmp(device_class(vm->devices[i])->name, files[f].class) == 0;
            char *path = is ? device_get(vm->devices[i], files[f].property) : NULL;

            if (path)
                sandbox_need_path(path, SANDBOX_READ); /* a server's URI is none */
            free(path);
        }
    }
    return error;
}

int snapshot_find_disks(struct snapshot *s, struct vm *vm, char *why)
{
    int error = 0;

    for (unsigned i = 0; i < vm->nr_devices && !error; i++) {
        const char *class = device_class(vm->devices[i])->name;

        if (strncmp(class, "vhost-user", 10) == 0)
            return snapshot_complain(
                why, -ENOTSUP,
                "the state of device '%s' is in another process, which cannot be saved",
                device_name(vm->devices[i]));
        for (unsigned f = 0; f < sizeof(files) / sizeof(files[0]) && !error; f++) {
            char *path = strcmp(class, files[f].class) == 0
                             ? device_get(vm->devices[i], files[f].property)
                             : NULL;

            if (path)
                error = add_disk(s, vm->devices[i], path, why);
            free(path);
        }
    }
    return error;
}
