/* SPDX-License-Identifier: BSD-2-Clause */
#include "cfi_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cfi_chip.h"

#define IMAGE_PIECE 0x1000u /* one without data takes no memory and no space */
#define IMAGE_READ  (16 * IMAGE_PIECE)

typedef int image_take_fn(void *opaque, const uint8_t *data, size_t size, uint32_t offset);

/* Calls `take` for each piece that is not all zeros. 0 or what it said. */
static int give_pieces(const uint8_t *data, size_t size, uint32_t offset, image_take_fn *take,
                       void *opaque)
{
    static const uint8_t zeros[IMAGE_PIECE];
    int error = 0;

    for (size_t done = 0; done < size && !error; done += IMAGE_PIECE) {
        size_t piece = size - done < IMAGE_PIECE ? size - done : IMAGE_PIECE;

        if (memcmp(data + done, zeros, piece) != 0)
            error = take(opaque, data + done, piece, offset + (uint32_t)done);
    }
    return error;
}

/*
 * Where data follows, if the host's file system tells of holes; where the file ends if there is
 * none any more.
 */
static off_t skip_hole(int fd, off_t offset)
{
    off_t data = lseek(fd, offset, SEEK_DATA);

    if (data < 0 && errno == ENXIO)
        data = lseek(fd, 0, SEEK_END);
    return data > offset ? data - data % IMAGE_PIECE : offset;
}

/* All of the file, in pieces. 0; -EFBIG: more than a bank; another -errno. */
static int read_pieces(int fd, image_take_fn *take, void *opaque)
{
    uint8_t data[IMAGE_READ];
    off_t offset = 0;
    int error = 0;

    while (!error) {
        ssize_t got;

        offset = skip_hole(fd, offset);
        got = pread(fd, data, sizeof(data), offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (offset + got > CFI_BANK_SIZE)
            return -EFBIG;
        if (got == 0)
            return 0;
        error = give_pieces(data, (size_t)got, (uint32_t)offset, take, opaque);
        offset += got;
    }
    return error;
}

static int complain(struct rv_instance *instance, const struct rv_vmm_ops *ops, const char *what,
                    const char *path, int error)
{
    ops->log(instance, RV_LOG_ERROR, "%s '%s': %s", what, path,
             error == -EFBIG ? "bigger than the flash, which has 64 MiB" : strerror(-error));
    return error;
}

static int take_into_bank(void *opaque, const uint8_t *data, size_t size, uint32_t offset)
{
    memcpy((uint8_t *)opaque + offset, data, size);
    return 0;
}

int cfi_image_load(struct rv_instance *instance, const struct rv_vmm_ops *ops, const char *what,
                   const char *path, uint8_t *bank)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 || fstat(fd, &info) ? -errno : 0;

    if (!error && info.st_size == 0 && S_ISREG(info.st_mode)) {
        ops->log(instance, RV_LOG_ERROR, "%s '%s': the file is empty", what, path);
        error = -ENODATA;
    } else if (!error) {
        error = read_pieces(fd, take_into_bank, bank);
    }
    if (fd >= 0)
        close(fd);
    return error && error != -ENODATA ? complain(instance, ops, what, path, error) : error;
}

static int take_into_file(void *opaque, const uint8_t *data, size_t size, uint32_t offset)
{
    int fd = *(int *)opaque;
    ssize_t done;

    do {
        done = pwrite(fd, data, size, offset);
    } while (done < 0 && errno == EINTR);
    if (done < 0)
        return -errno;
    return (size_t)done == size ? 0 : -ENOSPC;
}

static int fill(int fd, int from)
{
    int error = ftruncate(fd, CFI_BANK_SIZE) ? -errno : 0;

    if (!error && from >= 0)
        error = read_pieces(from, take_into_file, &fd);
    if (!error && fsync(fd))
        error = -errno;
    return error;
}

/* Under another name first, so that nobody finds half of it. */
static int make(const char *path, int from)
{
    char *temporary;
    int error = 0, fd;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        error = -errno;
        free(temporary);
        return error;
    }
    error = fill(fd, from);
    /*
     * A file that somebody else has made meanwhile is as good; a file system without hard links
     * cannot tell.
     */
    if (!error && link(temporary, path) && errno != EEXIST && rename(temporary, path))
        error = -errno;
    unlink(temporary);
    close(fd);
    free(temporary);
    return error;
}

int cfi_image_make(struct rv_instance *instance, const struct rv_vmm_ops *ops, const char *path,
                   const char *template)
{
    int from = -1, error;

    if (access(path, F_OK) == 0 || errno != ENOENT)
        return 0; /* whoever opens it says what is wrong with it */
    if (template) {
        from = open(template, O_RDONLY | O_CLOEXEC);
        if (from < 0)
            return complain(instance, ops, "template", template, -errno);
    }
    error = make(path, from);
    if (from >= 0)
        close(from);
    return error ? complain(instance, ops, "cannot make variables", path, error) : 0;
}
