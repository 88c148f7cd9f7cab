/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where chardev_stdio's output goes: a descriptor of the caller's, to which this process never
 * blocks, and on whose description it sets no flags (chardev.h says how).
 */
#pragma once

#include "vmm/chardev/chardev_internal.h"

/* How to write without blocking. */
enum stdio_out_kind {
    STDIO_OUT_PLAIN,  /* write(): a file never blocks; or O_NONBLOCK is ours to set */
    STDIO_OUT_SOCKET, /* send(MSG_DONTWAIT) */
    STDIO_OUT_POLL,   /* poll(), then little enough to fit for sure */
};

struct stdio_out {
    struct chardev *chardev; /* whose client waits */
    int fd;
    bool private; /* opened here */
    bool pollable;
    enum stdio_out_kind kind;
    bool dead;     /* the reader is gone: discard */
    bool full;     /* the disk is: discard, said already */
    bool is_short; /* the client waits for room */
    struct chardev_output *bytes;
    struct event *next;         /* run in the loop's next pass */
    struct event *ready;        /* the descriptor takes output again */
    struct event *signal_winch; /* the terminal has another size; NULL: output is to none */
};

/* `out` is zeroed. 0 or -ENOMEM; stdio_out_close() is due in any case. */
int stdio_out_open(struct stdio_out *out, struct event_base *base, int fd, struct chardev *chardev);

/* As chardev_write(). */
size_t stdio_out_write(struct stdio_out *out, const uint8_t *data, size_t len);

/* There is a client now, or none any more. */
void stdio_out_attached(struct stdio_out *out);

/* Writes what is still buffered, for at most a second. Also for one that is zeroed. */
void stdio_out_close(struct stdio_out *out);
