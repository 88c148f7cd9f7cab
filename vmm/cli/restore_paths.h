/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths in a snapshot's options that its guest can do without, on a computer that does not have them. */
#pragma once

#include <stdint.h>

#include "vmm/cli/run_options.h"

/*
 * The options are all there, and not completed yet; `given` has a bit for each row of the set that the
 * command line gave, whose paths have to be there. The others that are not are left out, and a message
 * says so, unless the keeper's process has said it.
 */
void restore_paths(struct run_options *o, const struct option_set *set, uint64_t given);
