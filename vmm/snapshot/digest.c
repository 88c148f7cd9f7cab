/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/digest.h"

#include <nettle/sha2.h>
#include <stdio.h>

_Static_assert(DIGEST_SIZE == SHA256_DIGEST_SIZE, "SHA-256");

void digest_text(const unsigned char digest[DIGEST_SIZE], char text[DIGEST_TEXT])
{
    for (unsigned i = 0; i < DIGEST_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

void digest_bytes(const void *data, size_t size, unsigned char digest[DIGEST_SIZE])
{
    struct sha256_ctx context;

    sha256_init(&context);
    sha256_update(&context, size, data);
    sha256_digest(&context, DIGEST_SIZE, digest);
}
