/* SPDX-License-Identifier: BSD-2-Clause */
/* One writer or several readers to an image, among all programs that keep to QEMU's locks. */
#pragma once

#include <stdbool.h>

/*
 * Lock the image for as long as the descriptor (its open file description) is
 * open. 0, or -EBUSY after a message. Where the file system has no locks a
 * warning has to do.
 */
int disk_lock(int fd, const char *path, bool read_only);

/*
 * The same for an image that a process before this one had: another program may hold it for as long
 * as that takes to end, which is waited for.
 */
int disk_lock_after(int fd, const char *path, bool read_only);

/* Another description of an image that is locked already is to be locked as well. */
void disk_lock_again(int fd, bool read_only);

/*
 * The description is the one on which requests are made, of which the kernel lets go only when all
 * of them are over, however their process ended: waits for that. 0, or -EBUSY after a message.
 */
int disk_lock_requests(int fd, const char *path);
