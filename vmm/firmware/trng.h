/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's true random number generator, version 1.0 (DEN0098). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/firmware/call_internal.h"

/* Function identifiers. Only RND has a 64-bit version too. */
#define TRNG_VERSION  0x84000050u
#define TRNG_FEATURES 0x84000051u
#define TRNG_GET_UUID 0x84000052u
#define TRNG_RND32    0x84000053u
#define TRNG_RND64    0xc4000053u
#define TRNG_LAST     0x8400005fu /* of the range that is the TRNG's */

#define TRNG_INVALID_PARAMETERS (-2)
#define TRNG_NO_ENTROPY         (-3)

/* Fill the buffer with conditioned entropy. 0, or -errno: there is none now. */
typedef int trng_source(void *buffer, size_t size);

/* The host's: getrandom(), which never blocks here. */
int trng_host(void *buffer, size_t size);

/* Call a function of the TRNG's range. False: there is none, and nothing was done. */
bool trng_call(trng_source *source, const struct call *call, struct call_result *result);
