/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /trace: the exits from now on, until the client or the VM has enough. */
#include <errno.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_internal.h"
#include "vmm/trace/trace.h"

#define TRACES_MAX 4u /* each has a ring of 13 MiB and a thread */
#define WHY_MAX    256u

/* How soon it is noticed that a client has gone which is sent nothing. */
static const struct timeval tick_time = {.tv_usec = 100000};

struct control_trace {
    struct control_trace *next;
    struct control_call *call;
    struct trace *trace;
    struct event *tick;
};

/* What is asked for. */
struct wanted {
    struct trace_filter filter;
    bool perfetto;
};

static void forget(struct control_trace **at)
{
    struct control_trace *t = *at;

    *at = t->next;
    trace_stop(t->trace);
    event_free(t->tick);
    t->call->connection->close(t->call);
    free(t);
}

static void tick(evutil_socket_t fd, short what, void *opaque)
{
    struct control_trace *t = opaque, **at = &t->call->target->traces;

    if (trace_is_over(t->trace) || t->call->connection->is_gone(t->call))
        trace_stop_soon(t->trace);
    if (!trace_has_ended(t->trace)) {
        event_add(t->tick, &tick_time);
        return;
    }
    while (*at != t)
        at = &(*at)->next;
    forget(at);
}

void control_traces_end(struct control_target *target)
{
    /* All of them first: each may take a moment to give its client the rest. */
    for (struct control_trace *t = target->traces; t; t = t->next)
        trace_stop_soon(t->trace);
    while (target->traces)
        forget(&target->traces);
}

static int start(struct control_call *call, const struct wanted *wanted)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                               "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
    static const char perfetto[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                   "Cache-Control: no-store\r\nConnection: close\r\n\r\n";
    struct control_target *target = call->target;
    struct control_trace *t = calloc(1, sizeof(*t));
    int error = -ENOMEM, fd;

    if (!t)
        return error;
    t->call = call;
    t->tick = evtimer_new(target->base, tick, t);
    fd = t->tick ? call->connection->take(call) : error;
    error = fd < 0 ? fd : 0;
    if (!error)
        error = wanted->perfetto ? trace_perfetto_stream(fd, perfetto, &wanted->filter, &t->trace)
                                 : trace_text_stream(fd, text, &wanted->filter, &t->trace);
    if (error) {
        if (t->tick)
            event_free(t->tick);
        free(t);
        return error;
    }
    t->next = target->traces;
    target->traces = t;
    event_add(t->tick, &tick_time);
    return 0;
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
    unsigned count = 0;
    int error;

    for (const struct control_trace *t = call->target->traces; t; t = t->next)
        count++;
    call->subject = "trace";
    if (call->method == EVHTTP_REQ_HEAD || !call->connection)
        control_answer_text(call, "text/plain", "");
    else if (parse(call->query, &wanted, why))
        control_refuse(call, CONTROL_BAD_REQUEST, "bad-value", "trace: %s", why);
    else if (count == TRACES_MAX)
        control_refuse(call, CONTROL_CONFLICT, "busy", "trace: %u clients have one already",
                       TRACES_MAX);
    else if ((error = start(call, &wanted)))
        control_answer_error(call, error, NULL);
}
