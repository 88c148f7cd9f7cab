/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int part_create(int folder, const char *file)
{
    int fd = openat(folder, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd < 0 ? -errno : fd;
}

int part_open(int folder, const struct snapshot_part *part)
{
    int fd = openat(folder, part->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == part->size)
        return fd;
    close(fd);
    return -EBADMSG;
}

int part_read_at(int fd, void *data, size_t size, uint64_t offset)
{
    uint8_t *at = data;

    while (size) {
        ssize_t n = pread(fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EBADMSG;
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

int part_write_at(int fd, const void *data, size_t size, uint64_t offset)
{
    const uint8_t *at = data;

    while (size) {
        ssize_t n = pwrite(fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

int part_write(int folder, const char *file, const void *data, size_t size,
               struct snapshot_part *part)
{
    unsigned char digest[DIGEST_SIZE];
    int fd = part_create(folder, file);
    int error;

    if (fd < 0)
        return fd;
    error = part_write_at(fd, data, size, 0);
    if (!error && fsync(fd))
        error = -errno;
    if (close(fd) && !error)
        error = -errno;
    *part = (struct snapshot_part){.size = size};
    snprintf(part->file, sizeof(part->file), "%s", file);
    digest_bytes(data, size, digest);
    digest_text(digest, part->digest);
    return error;
}

int part_sync(int folder, const char *file)
{
    int fd = openat(folder, file, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

int part_read(int folder, const struct snapshot_part *part, void **data)
{
    unsigned char digest[DIGEST_SIZE];
    char text[DIGEST_TEXT];
    int fd = part_open(folder, part);
    int error;

    *data = NULL;
    if (fd < 0)
        return fd;
    *data = malloc(part->size ? part->size : 1);
    error = *data ? part_read_at(fd, *data, part->size, 0) : -ENOMEM;
    close(fd);
    if (!error) {
        digest_bytes(*data, part->size, digest);
        digest_text(digest, text);
        error = strcmp(text, part->digest) == 0 ? 0 : -EBADMSG;
    }
    if (error) {
        free(*data);
        *data = NULL;
    }
    return error;
}
