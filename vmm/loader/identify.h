/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file that is no kernel looks like: for the message that refuses it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A noun phrase with its article: "an x86 bzImage". A static string, never NULL. */
const char *identify(const uint8_t *data, size_t size);
