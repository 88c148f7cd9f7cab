/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that go on until the client or the VM ends them. */
#pragma once

#include <stdbool.h>

#include "vmm/control/control_internal.h"

/* The head of such an answer; what follows it goes on to the end of the connection. */
#define CONTROL_STREAM_HEAD(type)                                              \
    "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nCache-Control: no-store\r\n" \
    "Connection: close\r\n\r\n"

struct control_stream_ops {
    /* Asked ten times a second; `gone`: the client is. True: free() comes next. */
    bool (*is_over)(void *opaque, bool gone);
    /* The VM ends, and free() follows soon. May be NULL. */
    void (*hurry)(void *opaque);
    void (*free)(void *opaque);
};

struct control_stream;

/*
 * The call's connection, at *fd: the caller's to close, non-blocking. Then control_stream_start()
 * or control_stream_cancel() is due. 0 or -errno: the call is as it was.
 */
int control_stream_new(struct control_call *call, struct control_stream **stream, int *fd);

/* The call can be answered as any other. */
void control_stream_cancel(struct control_stream *stream);

/* The call ends with the stream. */
void control_stream_start(struct control_stream *stream, const struct control_stream_ops *ops,
                          void *opaque);

/* What the latest of this kind was started with, or NULL. */
void *control_stream_find(const struct control_target *target,
                          const struct control_stream_ops *ops);

/* How many there are of this kind. */
unsigned control_stream_count(const struct control_target *target,
                              const struct control_stream_ops *ops);
