/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /trace: the exits from now on, until the client or the VM has enough. */
#include <errno.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_stream.h"
#include "vmm/trace/trace.h"

#define TRACES_MAX 4u /* each has a ring of 13 MiB and a thread */
#define WHY_MAX    256u

/* What is asked for. */
struct wanted {
    struct trace_filter filter;
    bool perfetto;
};

static void hurry(void *opaque)
{
    trace_stop_soon(opaque);
}

static bool is_over(void *opaque, bool gone)
{
    if (gone || trace_is_over(opaque))
        trace_stop_soon(opaque);
    return trace_has_ended(opaque);
}

static void end(void *opaque)
{
    trace_stop(opaque);
}

static const struct control_stream_ops trace_ops = {
    .is_over = is_over, .hurry = hurry, .free = end};

static int start(struct control_call *call, const struct wanted *wanted)
{
    struct control_stream *stream;
    struct trace *trace;
    int fd, error = control_stream_new(call, &stream, &fd);

    if (error)
        return error;
    if (wanted->perfetto)
        error = trace_perfetto_stream(fd, CONTROL_STREAM_HEAD("application/json"), &wanted->filter,
                                      &trace);
    else
        error = trace_text_stream(fd, CONTROL_STREAM_HEAD("text/plain"), &wanted->filter, &trace);
    if (error)
        control_stream_cancel(stream);
    else
        control_stream_start(stream, &trace_ops, trace);
    return error;
}

/* 0, or -EINVAL and `why`. */
static int parse(const char *query, struct wanted *wanted, char *why)
{
    struct evkeyvalq list;
    int error = evhttp_parse_query_str(query ? query : "", &list) ? -EINVAL : 0;

    if (error) {
        snprintf(why, WHY_MAX, "the query is malformed");
        return error;
    }
    for (const struct evkeyval *entry = list.tqh_first; entry && !error;
         entry = entry->next.tqe_next) {
        if (strcmp(entry->key, "format") != 0) {
            error = trace_filter_add(&wanted->filter, entry->key, entry->value, why, WHY_MAX);
            continue;
        }
        wanted->perfetto = strcmp(entry->value, "perfetto") == 0;
        if (!wanted->perfetto && strcmp(entry->value, "text") != 0) {
            snprintf(why, WHY_MAX, "format '%s': there are text and perfetto", entry->value);
            error = -EINVAL;
        }
    }
    evhttp_clear_headers(&list);
    if (!error && !wanted->perfetto)
        trace_filter_text(&wanted->filter);
    return error;
}

void control_trace_show(struct control_call *call)
{
    struct wanted wanted = {0};
    char why[WHY_MAX] = "";
    int error;

    call->subject = "trace";
    if (call->method == EVHTTP_REQ_HEAD || !call->connection)
        control_answer_text(call, "text/plain", "");
    else if (parse(call->query, &wanted, why))
        control_refuse(call, CONTROL_BAD_REQUEST, "bad-value", "trace: %s", why);
    else if (control_stream_count(call->target, &trace_ops) == TRACES_MAX)
        control_refuse(call, CONTROL_CONFLICT, "busy", "trace: %u clients have one already",
                       TRACES_MAX);
    else if ((error = start(call, &wanted)))
        control_answer_error(call, error, NULL);
}
