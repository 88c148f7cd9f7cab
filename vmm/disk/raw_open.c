/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw images: what there is to know of one when it is opened, and when its size changes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/disk/raw_internal.h"
#include "vmm/util/log.h"

#define PAGE 4096u

void raw_free(struct raw *raw)
{
    for (unsigned i = 0; i < LANES && raw->engines[i]; i++) {
        if (raw->events[i])
            event_free(raw->events[i]);
        raw->engines[i]->ops->close(raw->engines[i]);
    }
    bounce_free(&raw->bounce);
    if (raw->fd >= 0)
        close(raw->fd);
    free(raw);
}

/* Does a read of `size` bytes into memory aligned so work? */
static bool can_read(const struct raw *raw, uint32_t align, uint32_t size)
{
    uint8_t *buffer;
    bool can;

    if (posix_memalign((void **)&buffer, RAW_BLOCK_MAX, 2 * RAW_BLOCK_MAX))
        return false;
    can = pread(raw->fd, buffer + align, size, size) >= 0;
    free(buffer);
    return can;
}

/*
 * What O_DIRECT asks for: statx tells since Linux 6.1; before, trying does. It may be more than
 * 512 bytes, on XFS with reflinks for example. The guest's blocks keep their 512 bytes all the
 * same: a partition table is made for one block size.
 */
static void find_alignment(struct raw *raw)
{
    struct statx st;

    raw->memory_align = PAGE;
    if (statx(raw->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
        (st.stx_mask & STATX_DIOALIGN) && st.stx_dio_offset_align) {
        raw->memory_align = st.stx_dio_mem_align > 1 ? st.stx_dio_mem_align : 2;
        if (st.stx_dio_offset_align > raw->direct_align)
            raw->direct_align = st.stx_dio_offset_align;
        return;
    }
    while (raw->direct_align < RAW_BLOCK_MAX && !can_read(raw, 0, raw->direct_align))
        raw->direct_align *= 2;
    if (can_read(raw, RAW_BLOCK_MIN, raw->direct_align))
        raw->memory_align = RAW_BLOCK_MIN;
}

/* A part of the host's last block would be written as a whole one, and the file would grow. */
static void leave_direct_io(struct raw *raw)
{
    log_warn("disk '%s': its size is no multiple of %u bytes, which O_DIRECT needs here: the "
             "host's page cache is used, as with cache=writeback",
             raw->disk.path, raw->direct_align);
    fcntl(raw->fd, F_SETFL, fcntl(raw->fd, F_GETFL) & ~O_DIRECT);
    raw->memory_align = 1;
    raw->direct_align = raw->disk.info.block_size;
}

/* The file's bytes as a disk's: whole sectors. */
static uint64_t whole_sectors(struct raw *raw, uint64_t bytes)
{
    raw->is_padded = bytes % RAW_BLOCK_MIN != 0;
    return bytes + (raw->is_padded ? RAW_BLOCK_MIN - bytes % RAW_BLOCK_MIN : 0);
}

static int find_block_device(struct raw *raw)
{
    struct disk_info *info = &raw->disk.info;
    int logical = 0, read_only = 0;
    unsigned physical = 0;

    if (ioctl(raw->fd, BLKGETSIZE64, &info->size) < 0 || ioctl(raw->fd, BLKSSZGET, &logical) < 0) {
        log_error("disk '%s': not a block device with a size: %s", raw->disk.path, strerror(errno));
        return -EINVAL;
    }
    if (!info->read_only && ioctl(raw->fd, BLKROGET, &read_only) == 0 && read_only) {
        log_error(
            "disk '%s': this block device is read-only; open the disk read-only: property 'ro'",
            raw->disk.path);
        return -EROFS;
    }
    info->block_size = (uint32_t)logical;
    info->physical_block_size = ioctl(raw->fd, BLKPBSZGET, &physical) < 0 ? 0 : physical;
    return 0;
}

/* Fills in what there is to know about the image. */
static int find_geometry(struct raw *raw)
{
    struct disk_info *info = &raw->disk.info;
    struct stat st;
    int error;

    if (fstat(raw->fd, &st) < 0)
        return -errno;
    raw->is_block = S_ISBLK(st.st_mode);
    info->size = (uint64_t)st.st_size;
    info->block_size = RAW_BLOCK_MIN;
    info->physical_block_size = (uint32_t)st.st_blksize;
    error = raw->is_block ? find_block_device(raw) : 0;
    if (error)
        return error;
    raw->memory_align = 1;
    raw->direct_align = info->block_size;
    if (raw->disk.cache == DISK_NONE)
        find_alignment(raw);
    if (raw->direct_align > info->block_size && info->size % raw->direct_align)
        leave_direct_io(raw);
    if (info->block_size < RAW_BLOCK_MIN || info->block_size > RAW_BLOCK_MAX ||
        (info->block_size & (info->block_size - 1))) {
        log_error("disk '%s': blocks of %u bytes: only powers of two from %u to %u will do",
                  raw->disk.path, info->block_size, RAW_BLOCK_MIN, RAW_BLOCK_MAX);
        return -EINVAL;
    }
    if (info->physical_block_size < raw->direct_align || info->physical_block_size > RAW_BLOCK_MAX)
        info->physical_block_size = raw->direct_align;
    info->discard_granularity = info->physical_block_size;
    info->size = whole_sectors(raw, info->size);
    if (info->size == 0 || info->size > INT64_MAX) {
        log_error("disk '%s': is empty; give it a size first (truncate -s 1G)", raw->disk.path);
        return -EINVAL;
    }
    info->can_discard = raw->disk.discard && !info->read_only;
    info->write_cache = raw->disk.cache != DISK_WRITETHROUGH && !info->read_only;
    return 0;
}

/* The image's bytes now, or -errno after a message. */
static int64_t current_size(struct raw *raw)
{
    off_t end = lseek(raw->fd, 0, SEEK_END); /* of a block device too */

    if (end < 0) {
        log_error("disk '%s': its size is not to be had: %s", raw->disk.path, strerror(errno));
        return -errno;
    }
    return end;
}

static int lengthen(struct raw *raw, uint64_t size)
{
    if (raw->is_block) {
        log_error("disk '%s': a block device is made larger by whoever provides it",
                  raw->disk.path);
        return -EOPNOTSUPP;
    }
    if (size < raw->disk.info.size || size % RAW_BLOCK_MIN || size > INT64_MAX) {
        log_error("disk '%s': a new size of %llu bytes: give a multiple of %u that is not less "
                  "than %llu",
                  raw->disk.path, (unsigned long long)size, RAW_BLOCK_MIN,
                  (unsigned long long)raw->disk.info.size);
        return -EINVAL;
    }
    if (ftruncate(raw->fd, (off_t)size)) {
        int error = -errno;

        log_error("disk '%s': cannot be made %llu bytes long: %s", raw->disk.path,
                  (unsigned long long)size, strerror(-error));
        return error;
    }
    return 0;
}

int raw_resize(struct disk *disk, uint64_t size, uint64_t *new_size)
{
    struct raw *raw = (struct raw *)disk;
    int error = size ? lengthen(raw, size) : 0;
    int64_t bytes = error ? error : current_size(raw);

    if (bytes < 0)
        return (int)bytes;
    if (bytes == 0) {
        log_error("disk '%s': is empty now: it keeps its size", disk->path);
        return -EINVAL;
    }
    if (raw->direct_align > disk->info.block_size && bytes % raw->direct_align) {
        log_warn("disk '%s': of its new size the last %u bytes are not used: O_DIRECT has blocks "
                 "of %u bytes here",
                 disk->path, (unsigned)(bytes % raw->direct_align), raw->direct_align);
        bytes -= bytes % raw->direct_align;
    }
    *new_size = whole_sectors(raw, (uint64_t)bytes);
    return 0;
}

static int open_engine(struct raw *raw, const char *aio)
{
    bool is_auto = !aio || strcmp(aio, "auto") == 0;
    int error = -ENOSYS;

    if (!is_auto && strcmp(aio, "io_uring") != 0 && strcmp(aio, "threads") != 0) {
        log_error("disk '%s': aio '%s' is not known; it can be " DISK_AIO_HELP, raw->disk.path,
                  aio);
        return -EINVAL;
    }
    if (is_auto || strcmp(aio, "io_uring") == 0) {
        error = engine_uring_open(raw->fd, &raw->engines[LANE_MAIN]);
        if (error && !is_auto) {
            log_error("disk '%s': this kernel has no io_uring for us (%s); aio=threads does "
                      "without",
                      raw->disk.path, strerror(-error));
            return error;
        }
    }
    if (error)
        error = engine_threads_open(raw->fd, &raw->engines[LANE_MAIN]);
    else if (raw->is_block && raw->disk.discard)
        error = engine_threads_open(raw->fd, &raw->engines[LANE_BLOCKING]);
    if (error) {
        log_error("disk '%s': cannot start threads: %s", raw->disk.path, strerror(-error));
        return error;
    }
    raw->disk.info.engine = raw->engines[LANE_MAIN]->ops->name;
    return 0;
}

static int watch(struct raw *raw)
{
    for (unsigned i = 0; i < LANES && raw->engines[i]; i++) {
        raw->events[i] =
            event_new(raw->disk.base, raw->engines[i]->ready, EV_READ | EV_PERSIST, raw_ready, raw);
        if (!raw->events[i] || event_add(raw->events[i], NULL))
            return -ENOMEM;
    }
    return 0;
}

int raw_open(struct disk *common, const struct disk_config *config, int fd, struct disk **disk)
{
    struct raw *raw = calloc(1, sizeof(*raw));
    int error;

    if (!raw) {
        close(fd);
        return -ENOMEM;
    }
    raw->disk = *common;
    raw->disk.driver = &raw_driver;
    raw->fd = fd;
    raw->can_punch = raw->can_zero = true;
    /* A write over RLIMIT_FSIZE is to be an error of that write, not the end of the guest. */
    signal(SIGXFSZ, SIG_IGN);
    error = find_geometry(raw);
    if (!error)
        error = bounce_init(&raw->bounce);
    if (!error)
        error = open_engine(raw, config->aio);
    if (!error)
        error = watch(raw);
    if (error) {
        raw_free(raw);
        return error;
    }
    *disk = &raw->disk;
    return 0;
}
