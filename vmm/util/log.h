/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages for people. All go to stderr; the console is on stdout. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Level by its name ("error", "warn", "info", "debug"). 0, or -EINVAL. */
int log_set_level(const char *name);
bool log_enabled(enum log_level level);

void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

/*
 * The first error that this thread logs from now on is also put into `text`, cut to `size` bytes:
 * for somebody who does not see the log. Until then `text` is "". NULL: no more.
 */
void log_keep_error(char *text, size_t size);

/*
 * True the first time that (kind, key) is seen, false after. Bounded memory: a
 * guest that touches every address makes it say false early, never grow.
 */
bool log_first(unsigned kind, uint64_t key);

enum log_kind { LOG_KIND_MMIO, LOG_KIND_SYSREG, LOG_KIND_CALL, LOG_KIND_EXIT };
