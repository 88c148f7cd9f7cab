/* SPDX-License-Identifier: BSD-2-Clause */
/* For fakes and fuzzers: a condition that the code under test must not break. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

/* Ends the program when `holds` is false, which cmocka and libFuzzer both count as a failure. */
#define CHECK(holds)                                                    \
    do {                                                                \
        if (!(holds)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds); \
            abort();                                                    \
        }                                                               \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
