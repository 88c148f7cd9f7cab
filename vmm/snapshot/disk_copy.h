/* SPDX-License-Identifier: BSD-2-Clause */
/* A copy of a disk's file: a reflink where the file system can, else the bytes, holes kept. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "vmm/snapshot/digest.h"

struct stat;

/* When the file was last changed: nanoseconds since 1970. */
int64_t disk_mtime_ns(const struct stat *st);

/* `to` is empty. Ends early when `*cancelled` (or NULL). 0 or -errno. */
int disk_copy(int from, int to, const atomic_bool *cancelled);

/*
 * The SHA-256 of all blocks of 1 MiB that are not zeros, each behind its number: the same
 * however holes are stored. 0 or -errno.
 */
int disk_copy_digest(int fd, uint64_t size, const atomic_bool *cancelled, char text[DIGEST_TEXT]);
