/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A character back end on one descriptor that is our own and never blocks: a file,
 * a pseudo-terminal, a connection. It is written to and read from at once, without a
 * buffer, so that nothing waits here that could get lost. Who is at the other end
 * may come and go; while nobody is, output is discarded.
 */
#pragma once

#include "vmm/chardev/chardev_internal.h"

struct chardev_stream {
    struct chardev chardev; /* first */
    const struct chardev_stream_kind *kind;
    char *name; /* for messages: "socket:/tmp/s" */
    int fd;     /* -1: nobody is connected */
    bool reads;
    bool ended;     /* input has, output goes on */
    bool stalled;   /* the client takes no input, and none is waited for */
    bool out_short; /* the client waits for room */
    bool out_full;  /* the disk is: said already */
    bool announced; /* what the client knows */
    struct event_base *base;
    struct event *in_ready;
    struct event *out_ready;
    struct event *tell; /* the client, in the loop's next pass */
    struct event *look; /* after some time: is the other end there, or gone? */
};

struct chardev_stream_kind {
    /* The other end is gone; `fd` is -1 and closed if `closes`. */
    void (*lost)(struct chardev_stream *stream);
    /* The time of chardev_stream_look() has come. */
    void (*looked)(struct chardev_stream *stream);
    /* What the kind has besides. The stream itself is freed after it. */
    void (*free)(struct chardev_stream *stream);
};

/* 0, or -ENOMEM after a message; then chardev_free() is due all the same. */
int chardev_stream_init(struct chardev_stream *stream, struct event_base *base,
                        const struct chardev_stream_kind *kind, const char *type, const char *path);

/* Somebody is there. `fd` does not block and is the stream's from here on. */
int chardev_stream_connect(struct chardev_stream *stream, int fd, bool reads);

/* Nobody is any more: closes the descriptor. */
void chardev_stream_disconnect(struct chardev_stream *stream);

/* Has the other end hung up, and is all read that it had to say? */
bool chardev_stream_is_gone(const struct chardev_stream *stream);

/* Call looked() in a while. */
void chardev_stream_look(struct chardev_stream *stream);
