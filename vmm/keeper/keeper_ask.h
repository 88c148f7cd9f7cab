/* SPDX-License-Identifier: BSD-2-Clause */
/* What another process asks a keeper for. */
#pragma once

#include <stdint.h>

#define KEEPER_WHY_MAX 512u

/*
 * `program` is to be the vmm. Messages of the new one go to standard error, until it has the
 * guest. 0 and how long the guest stood; or -errno, and `why` says why the old one goes on.
 */
int keeper_ask_upgrade(int keeper, int program, uint64_t *pause_us, char why[KEEPER_WHY_MAX]);
