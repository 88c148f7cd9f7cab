/* SPDX-License-Identifier: BSD-2-Clause */
/* A trace as text: a line for each record. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/trace/trace_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

struct trace_text {
    struct trace_file file;
    int64_t zero;
};

static void text_records(void *opaque, const struct trace_record *records, unsigned count,
                         uint64_t lost)
{
    struct trace_text *text = opaque;
    char line[512];

    if (lost)
        trace_file_print(&text->file, "      (%" PRIu64 TRACE_LOST ")\n", lost);
    for (unsigned i = 0; i < count; i++) {
        trace_words(&records[i], text->zero, line, sizeof(line));
        trace_file_print(&text->file, "%s\n", line);
        trace_file_complete(&text->file);
    }
}

static void text_idle(void *opaque)
{
    trace_file_flush(&((struct trace_text *)opaque)->file);
}

static void text_stop(void *opaque)
{
    trace_file_hurry(&((struct trace_text *)opaque)->file);
}

static bool text_is_over(void *opaque)
{
    return ((const struct trace_text *)opaque)->file.failed;
}

static void text_end(void *opaque)
{
    trace_file_close(&((struct trace_text *)opaque)->file);
    free(opaque);
}

static const struct trace_sink_ops text_ops = {
    .records = text_records,
    .idle = text_idle,
    .stop = text_stop,
    .end = text_end,
};

static const struct trace_sink_ops text_stream_ops = {
    .records = text_records,
    .idle = text_idle,
    .stop = text_stop,
    .is_over = text_is_over,
    .end = text_end,
    .tells_lost = true,
};

int trace_text_start(const char *spec, struct trace_origin *origin, struct trace **trace)
{
    struct trace_text *text = malloc(sizeof(*text));
    struct trace_filter filter = {0};
    int error;

    if (!text) {
        log_error("trace: out of memory");
        return -ENOMEM;
    }
    error = trace_file_open(&text->file, spec, NULL, origin, &filter);
    text->zero = origin->zero;
    if (error) {
        text_end(text);
        return error;
    }
    trace_filter_text(&filter);
    return trace_start(&filter, &text_ops, text, trace);
}

int trace_text_stream(int fd, const char *head, const struct trace_filter *filter,
                      struct trace **trace)
{
    struct trace_text *text = malloc(sizeof(*text));

    if (!text) {
        close(fd);
        return -ENOMEM;
    }
    text->zero = clock_now_ns();
    trace_file_of_client(&text->file, fd);
    trace_file_print(&text->file, "%s", head);
    trace_file_complete(&text->file);
    return trace_start(filter, &text_stream_ops, text, trace);
}
