/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes the place of vmm/util/log.c: what was said is counted and kept. For one file of a
 * program.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>

#include "vmm/util/log.h"

static struct {
    unsigned count[4]; /* messages of each level */
    char last[2048];   /* the last of any level */
    char error[2048];  /* the last LOG_ERROR */
} log_fake;

void log_msg(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    log_fake.count[level]++;
    va_start(ap, fmt);
    vsnprintf(log_fake.last, sizeof(log_fake.last), fmt, ap);
    va_end(ap);
    if (level == LOG_ERROR)
        snprintf(log_fake.error, sizeof(log_fake.error), "%s", log_fake.last);
}
