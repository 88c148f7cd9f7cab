/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where chardev_stdio's input comes from: a descriptor of the caller's. A terminal is read ahead of
 * the guest, for its escape keys, and only while this process is its foreground job; anything else
 * is read when the guest has room (chardev.h).
 */
#pragma once

#include "vmm/chardev/chardev_internal.h"

struct stdio_in {
    struct chardev *chardev; /* whose client receives */
    void (*quit)(void *opaque);
    void *quit_opaque;
    int fd;
    bool private; /* opened here */
    bool pollable;
    bool is_tty;
    bool owns_tty; /* it is chardev_tty.h's */
    bool eof;
    bool dropped;             /* said already that the terminal is ahead of the guest */
    bool escaped;             /* the last key was Ctrl-a */
    struct evbuffer *bytes;   /* that wait for the guest */
    struct event *next;       /* run in the loop's next pass */
    struct event *ready;      /* the descriptor has input */
    struct event *foreground; /* while in the background: look again */
    struct event *signal_tstp;
    struct event *signal_cont;
};

/*
 * `in` is zeroed but for `quit`. fd -1: no input. 0, -ENOMEM, or another -errno after a message;
 * stdio_in_close() is due in any case.
 */
int stdio_in_open(struct stdio_in *in, struct event_base *base, int fd, struct chardev *chardev);

/* The client has room again. */
void stdio_in_accept(struct stdio_in *in);

/* It has a client: begin. Or it has none any more: stop reading, except keys. */
void stdio_in_attached(struct stdio_in *in);

/* Restores the terminal. Also for one that is zeroed. */
void stdio_in_close(struct stdio_in *in);
