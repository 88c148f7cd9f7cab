/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks: find and lock the image, and choose the driver for its format. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/disk/disk_internal.h"
#include "vmm/disk/format.h"
#include "vmm/disk/lock.h"
#include "vmm/util/log.h"

static int parse_cache(const struct disk_config *config, enum disk_cache *cache)
{
    static const char *const names[] = {[DISK_WRITEBACK] = "writeback",
                                        [DISK_NONE] = "none",
                                        [DISK_WRITETHROUGH] = "writethrough",
                                        [DISK_UNSAFE] = "unsafe"};

    *cache = DISK_WRITEBACK;
    if (!config->cache)
        return 0;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(config->cache, names[i]) == 0) {
            *cache = (enum disk_cache)i;
            return 0;
        }
    }
    log_error("disk '%s': cache '%s' is not known; it can be " DISK_CACHE_HELP, config->path,
              config->cache);
    return -EINVAL;
}

static int open_image(const struct disk_config *config, enum disk_cache cache, struct stat *st)
{
    /* O_NONBLOCK: a FIFO must not hold us before fstat() tells that it is one. */
    int flags = O_CLOEXEC | O_NOCTTY | (config->read_only ? O_RDONLY : O_RDWR) |
                (cache == DISK_NONE ? O_DIRECT : 0) | (cache == DISK_WRITETHROUGH ? O_DSYNC : 0);
    int fd = open(config->path, flags | O_NONBLOCK);
    int error = -errno;

    if (fd < 0 && error == -EINVAL && cache == DISK_NONE) {
        log_error("disk '%s': there is no O_DIRECT on its file system: cache=none cannot be",
                  config->path);
        return error;
    }
    if (fd < 0) {
        bool writing = error == -EACCES || error == -EROFS || error == -EPERM;

        log_error("disk '%s': %s%s", config->path, strerror(-error),
                  writing && !config->read_only ? "; a disk that need not be written to can be "
                                                  "opened read-only: property 'ro'"
                                                : "");
        return error;
    }
    if (fstat(fd, st) < 0 || !(S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))) {
        log_error("disk '%s': neither a file nor a block device", config->path);
        close(fd);
        return -EINVAL;
    }
    fcntl(fd, F_SETFL, flags);
    return fd;
}

/* Nobody else may have it, but for a process of this guest's that is about to be gone. */
static int lock_image(const struct disk *common, int fd, const struct disk_config *config,
                      bool is_kept)
{
    if (config->no_lock || is_kept)
        return 0;
    if (common->record->known)
        return disk_lock_after(fd, config->path, config->read_only);
    return disk_lock(fd, config->path, config->read_only);
}

/* That of the process before this one, whatever is at its path now; or the one at the path. */
static int find_image(const struct disk *common, const struct disk_config *config, struct stat *st,
                      bool *is_kept)
{
    int fd = disk_kept_image(common->number);

    *is_kept = fd >= 0;
    if (!*is_kept)
        return open_image(config, common->cache, st);
    if (fstat(fd, st) == 0)
        return fd;
    close(fd);
    return -EBADF;
}

/* Open, lock and look at what is on this machine; then the driver for its format. */
static int open_local(struct disk *common, const struct disk_config *config, struct disk **disk)
{
    const struct disk_format *format;
    struct stat st;
    bool is_kept;
    int fd = find_image(common, config, &st, &is_kept), error;

    if (fd < 0)
        return fd;
    error = disk_format_find(config->path, fd, config->format, S_ISBLK(st.st_mode), &format);
    if (!error)
        error = lock_image(common, fd, config, is_kept);
    if (!error && !format->driver)
        error =
            disk_keep_image(common->number, fd, config->path, config->read_only, !config->no_lock);
    if (error) {
        close(fd);
        return error;
    }
    if (!format->driver) {
        common->guards_format = !config->format || strcmp(config->format, "auto") == 0;
        return raw_open(common, config, fd, disk);
    }
    /* The helper opens and locks it itself: this was to have a message that is ours. */
    close(fd);
    return nbd_open(common, config, format, S_ISBLK(st.st_mode), disk);
}

int disk_open(struct event_base *base, const struct disk_config *config, struct disk **disk)
{
    struct disk common = {
        .base = base,
        .discard = !config->no_discard,
        .pause_when_full = config->pause_when_full,
    };
    int error = parse_cache(config, &common.cache);

    if (error)
        return error;
    common.info.read_only = config->read_only;
    common.path = strdup(config->path);
    if (!common.path)
        return -ENOMEM;
    common.record = disk_kept_record(&common.number);
    if (disk_format_is_uri(config->path))
        error = nbd_open(&common, config, NULL, false, disk);
    else
        error = open_local(&common, config, disk);
    if (error) {
        free(common.path);
        return error;
    }
    (*disk)->record->known = 1;
    error = disk_begin(*disk);
    if (error) {
        struct event *retry = (*disk)->retry;
        struct soon *pass = (*disk)->pass;

        (*disk)->driver->close(*disk);
        soon_free(pass);
        if (retry)
            event_free(retry);
        free(common.path);
    }
    return error;
}
