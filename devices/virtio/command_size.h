/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments of the commands that devices take at run time. */
#pragma once

#include <stdint.h>

/*
 * `json` is the arguments of a command: an object whose only member may be "size", a number of
 * bytes that is not 0. `*size` is 0 if it is not there. 0; -EINVAL: it is something else.
 */
int command_size(const char *json, uint64_t *size);
