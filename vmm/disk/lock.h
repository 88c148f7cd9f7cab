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
