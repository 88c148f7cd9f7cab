/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of buffers. Each function stops at the end of the list and says how
 * far it came.
 */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

size_t iov_size(const struct iovec *iov, unsigned count);

/* Copy from, to or fill the bytes that begin at `offset`. Returns how many. */
size_t iov_read(const struct iovec *iov, unsigned count, size_t offset, void *data, size_t len);
size_t iov_write(const struct iovec *iov, unsigned count, size_t offset, const void *data,
                 size_t len);
size_t iov_fill(const struct iovec *iov, unsigned count, size_t offset, int byte, size_t len);

/* Drop bytes at the front or the back, in place. Returns how many. */
size_t iov_advance(struct iovec **iov, unsigned *count, size_t len);
size_t iov_trim(struct iovec *iov, unsigned *count, size_t len);
