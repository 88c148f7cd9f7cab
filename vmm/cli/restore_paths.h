/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of a snapshot that its guest can do without, on a computer that has no such path or no
 * use for them.
 */
#pragma once

#include <stdint.h>

#include "vmm/cli/run_options.h"

/*
 * The options are all there, and not completed yet; `given` has a bit for each row of the set that the
 * command line gave, whose paths have to be there. The others that are not are left out, as is what the
 * machine does not have, and a message says so, unless the keeper's process has said it.
 */
void restore_paths(struct run_options *o, const struct option_set *set, uint64_t given);
