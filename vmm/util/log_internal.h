/* SPDX-License-Identifier: BSD-2-Clause */
/* Where log.c's lines go. */
#pragma once

#include <stddef.h>

/*
 * One line to stderr, whatever that is, without waiting for its reader. What does not go now is
 * kept and goes before the next line, or at exit; what does not fit there is lost, which the next
 * line that goes tells.
 */
void log_output(const char *line, size_t len);
