/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/firmware/trng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define VERSION_1_0 0x00010000

#define WORDS 3u /* of entropy, in x1 to x3 */

/* Of this back end: 6b1f7c1e-52d9-4c07-9a3e-8f40d26c51b7, made at random. */
static const uint8_t uuid[16] = {0x6b, 0x1f, 0x7c, 0x1e, 0x52, 0xd9, 0x4c, 0x07,
                                 0x9a, 0x3e, 0x8f, 0x40, 0xd2, 0x6c, 0x51, 0xb7};

int trng_host(void *buffer, size_t size)
{
    ssize_t got = getrandom(buffer, size, GRND_NONBLOCK);

    return got == (ssize_t)size ? 0 : got < 0 ? -errno : -EAGAIN;
}

static int32_t trng_features(uint32_t function)
{
    switch (function) {
    case TRNG_VERSION:
    case TRNG_FEATURES:
    case TRNG_GET_UUID:
    case TRNG_RND32:
    case TRNG_RND64: return CALL_SUCCESS;
    default: return CALL_NOT_SUPPORTED;
    }
}

/* DEN0028, "UUID": w0 to w3, the UUID's first byte in the lowest bits of w0. */
static void trng_uuid(struct call_result *result)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *b = &uuid[4 * i];

        result->x[i] = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
    result->has_x1_to_x3 = true;
}

/*
 * DEN0098, TRNG_RND: `bits` bits of entropy, right-aligned in x1:x2:x3, of which
 * a word counts 32 or 64 bits. The bits that were not asked for are zero; so are
 * all of them when the call fails.
 */
static int32_t trng_rnd(trng_source *source, uint64_t bits, unsigned word, uint64_t x[4])
{
    uint64_t entropy[WORDS];

    if (bits == 0 || bits > WORDS * word)
        return TRNG_INVALID_PARAMETERS;
    if (source(entropy, sizeof(entropy)))
        return TRNG_NO_ENTROPY;
    for (unsigned i = 0; i < WORDS && bits; i++) {
        unsigned take = bits < word ? (unsigned)bits : word;

        x[WORDS - i] = entropy[i] & (~0ull >> (64 - take));
        bits -= take;
    }
    explicit_bzero(entropy, sizeof(entropy));
    return CALL_SUCCESS;
}

bool trng_call(trng_source *source, const struct call *call, struct call_result *result)
{
    switch (call->function) {
    case TRNG_VERSION: call_return(result, VERSION_1_0); return true;
    case TRNG_FEATURES: call_return(result, trng_features((uint32_t)call->x[1])); return true;
    case TRNG_GET_UUID: trng_uuid(result); return true;
    case TRNG_RND32:
    case TRNG_RND64:
        result->has_x1_to_x3 = true;
        call_return(result,
                    trng_rnd(source, call->x[1], call->function & CALL_SMC64 ? 64 : 32, result->x));
        return true;
    default: return false;
    }
}
