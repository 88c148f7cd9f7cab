/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot, and all that it builds on, as one that is whole. No VM is needed for that. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/*
 * The snapshot in the folder `from` stays as it is; there must be nothing at `to`. All that is copied is
 * checked. Ends early when `*cancelled`. 0, and `*bytes` are those of `to`; or -errno after a
 * message, and nothing is left at `to`.
 */
int snapshot_merge(const char *from, const char *to, const atomic_bool *cancelled, uint64_t *bytes);
