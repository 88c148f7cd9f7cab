/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 as text, as sha256sum prints it. */
#pragma once

#include <stddef.h>

#define DIGEST_SIZE 32u
#define DIGEST_TEXT (2 * DIGEST_SIZE + 1)

void digest_text(const unsigned char digest[DIGEST_SIZE], char text[DIGEST_TEXT]);

/* Of `size` bytes. */
void digest_bytes(const void *data, size_t size, unsigned char digest[DIGEST_SIZE]);
