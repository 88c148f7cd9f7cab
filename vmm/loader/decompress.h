/* SPDX-License-Identifier: BSD-2-Clause */
/* Compressed kernels: gzip (RFC 1952), zstd (RFC 8878), and EFI zboot images that wrap either. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/loader/buffer.h"
#include "vmm/loader/input.h"

/*
 * Unpacks `data` into `out`, which never grows above `limit` bytes: a
 * decompression bomb ends there. One layer only. Bytes behind the compressed
 * stream (signatures, a length word) are ignored.
 *
 * 1: unpacked, the caller frees `out`; 0: not compressed, `out` untouched;
 * -EBADMSG: corrupt or truncated; -EFBIG: more than `limit`; -ENOTSUP: a zboot
 * image of another compression; -ENOMEM.
 */
int decompress(const struct input *input, const uint8_t *data, size_t size, size_t limit,
               struct buffer *out);
