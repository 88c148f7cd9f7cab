/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which format an image has.
 *
 * A guest chooses what is in its raw disk. If content alone decided, a guest
 * could write the header of another format into its first sector and have
 * the next start read any file of the host as its backing file. So "auto"
 * wants the name and the content to agree, and "raw" is raw whatever it holds.
 * While a raw image is open whose format was found out so, its guest cannot write
 * such a header into it: the next start would refuse the image.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct disk_format {
    const char *name;
    const char *driver;        /* of QEMU; NULL: raw, which we do ourselves */
    const char *extensions[4]; /* of file names */
};

/* Does an image that begins so look like one of another format than raw? `size`: 512 or more. */
bool disk_format_is_foreign(const void *head, size_t size);

/* `wanted` as in struct disk_config. 0; or -EINVAL or -EIO after a message. */
int disk_format_find(const char *path, int fd, const char *wanted, bool is_block,
                     const struct disk_format **format);

/* Is it the URI of an NBD server? */
bool disk_format_is_uri(const char *path);
