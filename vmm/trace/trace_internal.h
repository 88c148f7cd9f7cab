/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sinks share: a file that is written by a thread which can be told to give up. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/trace/trace.h"

#define TRACE_BUFFER     65536u
#define TRACE_ENDING_MAX 16u

struct trace_file {
    int fd;
    bool regular;       /* it can be written to at any place */
    bool quiet;         /* no message when it fails: its reader has gone, as readers do */
    bool failed;        /* a message was given; nothing more is written */
    bool hurry;         /* atomic: do not wait for a reader any more */
    uint64_t at;        /* regular: where the buffer goes */
    const char *ending; /* regular: what follows the buffer, to be overwritten by the next one */
    bool goes_on;       /* another process has begun it */
    size_t used;
    size_t complete; /* of `used`: up to the last trace_file_complete() */
    char *path;
    char buffer[TRACE_BUFFER];
};

/*
 * The file and the filter of "FILE[,FILTER...]"; `ending` may be NULL. 0, or -errno after a message.
 */
int trace_file_open(struct trace_file *file, const char *spec, const char *ending,
                    struct trace_origin *origin, struct trace_filter *filter);

/* The same of a descriptor that does not block and is the file's, but for the filter. */
void trace_file_of_client(struct trace_file *file, int fd);

/* Text into the buffer. When it is full, what is complete in it is written. */
void trace_file_print(struct trace_file *file, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* What was printed so far may be the end of the file, but for `ending`. */
void trace_file_complete(struct trace_file *file);

/* Writes what is complete. */
void trace_file_flush(struct trace_file *file);

/* From another thread: what is being written, and all after it, waits for no reader. */
void trace_file_hurry(struct trace_file *file);

/* The rest is written. */
void trace_file_close(struct trace_file *file);
