/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/disk_copy.h"

#include <errno.h>
#include <linux/fs.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/snapshot/part.h"
#include "vmm/util/clock.h"

#define COPY_BLOCK (1u << 20)

/* The next byte at or after `at` that is no hole; `size`: there is none. */
static uint64_t next_data(int fd, uint64_t at, uint64_t size)
{
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);

    if (data < 0)
        return errno == ENXIO ? size : at; /* a file system that knows no holes */
    return (uint64_t)data < size ? (uint64_t)data : size;
}

static bool is_zero(const uint8_t *data, size_t size)
{
    return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/*
 * Calls `block` for each block that is not zeros, with its offset. 0 or -errno.
 */
static int for_each_block(int fd, uint64_t size, const atomic_bool *cancelled,
                          int (*block)(void *opaque, uint64_t at, const uint8_t *data, size_t size),
                          void *opaque)
{
    uint8_t *data = malloc(COPY_BLOCK);
    int error = data ? 0 : -ENOMEM;
    uint64_t at = next_data(fd, 0, size) / COPY_BLOCK * COPY_BLOCK;

    while (!error && at < size) {
        size_t now = size - at < COPY_BLOCK ? size - at : COPY_BLOCK;

        error = cancelled && *cancelled ? -ECANCELED : part_read_at(fd, data, now, at);
        if (!error && !is_zero(data, now))
            error = block(opaque, at, data, now);
        at += now;
        if (at < size)
            at = next_data(fd, at, size) / COPY_BLOCK * COPY_BLOCK;
    }
    free(data);
    return error;
}

static int copy_block(void *opaque, uint64_t at, const uint8_t *data, size_t size)
{
    return part_write_at(*(const int *)opaque, data, size, at);
}

int64_t disk_mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * (int64_t)CLOCK_NS_PER_S + st->st_mtim.tv_nsec;
}

int disk_copy(int from, int to, const atomic_bool *cancelled)
{
    struct stat st;

    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
        return -errno;
    return for_each_block(from, (uint64_t)st.st_size, cancelled, copy_block, &to);
}

static int hash_block(void *opaque, uint64_t at, const uint8_t *data, size_t size)
{
    uint8_t number[8];

    for (unsigned i = 0; i < sizeof(number); i++)
        number[i] = (uint8_t)(at / COPY_BLOCK >> 8 * i);
    sha256_update(opaque, sizeof(number), number);
    sha256_update(opaque, size, data);
    return 0;
}

int disk_copy_digest(int fd, uint64_t size, const atomic_bool *cancelled, char text[DIGEST_TEXT])
{
    unsigned char digest[DIGEST_SIZE];
    struct sha256_ctx context;
    int error;

    sha256_init(&context);
    error = for_each_block(fd, size, cancelled, hash_block, &context);
    sha256_digest(&context, DIGEST_SIZE, digest);
    digest_text(digest, text);
    return error;
}
