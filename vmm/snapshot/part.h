/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a snapshot: what the manifest says of each, and those that are plain bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/snapshot/digest.h"

#define PART_FILE_MAX 32u

struct snapshot_part {
    char file[PART_FILE_MAX]; /* in the snapshot's folder; no slash in it */
    uint64_t size;            /* bytes of the file */
    char digest[DIGEST_TEXT]; /* of the file; of "ram": of its head; of a disk: disk_copy.h */
};

/*
 * The functions below say nothing: their errors are -errno, -EBADMSG for a file that is not the
 * one that the manifest tells of.
 */

/* A new file in the folder. A descriptor or -errno. */
int part_create(int folder, const char *file);

/* The part's file, if it has the right size. A descriptor or -errno. */
int part_open(int folder, const struct snapshot_part *part);

/* All of the bytes, as a file of its own. 0 or -errno. */
int part_write(int folder, const char *file, const void *data, size_t size,
               struct snapshot_part *part);

/* What was written to the file is on stable storage then. 0 or -errno. */
int part_sync(int folder, const char *file);

/* The bytes, checked: free() them. 0 or -errno. */
int part_read(int folder, const struct snapshot_part *part, void **data);

/* `size` bytes at the offset. 0 or -errno; -EBADMSG: the file ends before. */
int part_read_at(int fd, void *data, size_t size, uint64_t offset);
int part_write_at(int fd, const void *data, size_t size, uint64_t offset);
