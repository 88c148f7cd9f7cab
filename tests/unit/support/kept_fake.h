/* SPDX-License-Identifier: BSD-2-Clause */
/* A keeper in the test's own process. At first there is none. */
#pragma once

#include <stdbool.h>

/* From now on there is one, which has nothing. */
void kept_fake_begin(void);
/* Another process asks from now on. */
void kept_fake_next(void);
/* It forgets all, and is gone. */
void kept_fake_end(void);
