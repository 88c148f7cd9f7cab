/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that go on: a client's connection, and what gives it something to read. */
#include <errno.h>
#include <stdlib.h>

#include "vmm/control/control_stream.h"

/* How soon it is noticed that a client has gone which is sent nothing. */
static const struct timeval tick_time = {.tv_usec = 100000};

struct control_stream {
    struct control_stream *next;
    struct control_call *call;
    struct event *tick;
    const struct control_stream_ops *ops;
    void *opaque;
};

static void forget(struct control_stream **at)
{
    struct control_stream *s = *at;

    *at = s->next;
    s->ops->free(s->opaque);
    event_free(s->tick);
    s->call->connection->close(s->call);
    free(s);
}

static void tick(evutil_socket_t fd, short what, void *opaque)
{
    struct control_stream *s = opaque, **at = &s->call->target->streams;

    if (!s->ops->is_over(s->opaque, s->call->connection->is_gone(s->call))) {
        event_add(s->tick, &tick_time);
        return;
    }
    while (*at != s)
        at = &(*at)->next;
    forget(at);
}

int control_stream_new(struct control_call *call, struct control_stream **stream, int *fd)
{
    struct control_stream *s = calloc(1, sizeof(*s));

    *fd = -1;
    if (!s)
        return -ENOMEM;
    s->call = call;
    s->tick = evtimer_new(call->target->base, tick, s);
    if (s->tick)
        *fd = call->connection->take(call);
    if (*fd >= 0) {
        *stream = s;
        return 0;
    }
    control_stream_cancel(s);
    return *fd;
}

void control_stream_cancel(struct control_stream *s)
{
    if (s->tick)
        event_free(s->tick);
    free(s);
}

void control_stream_start(struct control_stream *s, const struct control_stream_ops *ops,
                          void *opaque)
{
    s->ops = ops;
    s->opaque = opaque;
    s->next = s->call->target->streams;
    s->call->target->streams = s;
    event_add(s->tick, &tick_time);
}

void *control_stream_find(const struct control_target *target, const struct control_stream_ops *ops)
{
    const struct control_stream *s = target->streams;

    while (s && s->ops != ops)
        s = s->next;
    return s ? s->opaque : NULL;
}

unsigned control_stream_count(const struct control_target *target,
                              const struct control_stream_ops *ops)
{
    unsigned count = 0;

    for (const struct control_stream *s = target->streams; s; s = s->next)
        count += s->ops == ops;
    return count;
}

void control_streams_end(struct control_target *target)
{
    /* All of them first: each may take a moment to give its client the rest. */
    for (struct control_stream *s = target->streams; s; s = s->next) {
        if (s->ops->hurry)
            s->ops->hurry(s->opaque);
    }
    while (target->streams)
        forget(&target->streams);
}
