/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker that is to replace one that runs: `vmm successor`, which the keeper starts. */
#pragma once

struct run_options;

/*
 * Look whether this vmm, its plugins and the options can go on with the guest, and wait until it
 * may. 0, or -errno after a message that says why not.
 */
int successor_check(const struct run_options *o);
