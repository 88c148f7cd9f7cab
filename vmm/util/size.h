/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and addresses as a user types them. */
#pragma once

#include <stdint.h>

/*
 * "512M", "1G", "0x1000" or plain bytes: decimal or 0x hexadecimal digits, then
 * at most one of K, M, G, T (binary, either case). 0; -EINVAL: anything else,
 * signs and blanks included; -ERANGE: does not fit in 64 bits. `*bytes` is
 * written only on success.
 */
int size_parse(const char *text, uint64_t *bytes);
