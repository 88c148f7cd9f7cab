/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The character back end of a device: where a console's bytes go to and come
 * from. chardev_write never blocks; when the reader is slow, writable() tells
 * the writer that there is room again, and nothing is lost. What is typed for
 * one, and what holds of each, is in ringvisor/chr.h.
 *
 * This process's stdin and stdout. Output goes out in the loop's next pass in one
 * write. Output that can never go anywhere is discarded and the guest goes on:
 * for ever when the reader is gone (EPIPE, hangup), until there is room again
 * when a disk is full. Each is said once.
 *
 * From a pipe or a file only what the device has room for is read; its end is no
 * event for the guest. A terminal is put in raw mode and is always read, up to
 * 64 KiB ahead, so that the escape keys work when the guest does not: Ctrl-a x
 * quits, Ctrl-a h shows the keys, Ctrl-a a (or Ctrl-a again) sends Ctrl-a. A
 * pipe has no escape keys: any byte is the guest's.
 *
 * O_NONBLOCK belongs to the open file description, which is shared with the
 * shell and everything else on that terminal or pipe. It is never set there:
 * terminals and pipes are opened anew by /proc/self/fd for a description of our
 * own. Where that is refused, poll() and small writes have to do.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;

/* The device that uses the back end. */
struct chardev_client {
    size_t (*can_receive)(void *opaque); /* bytes that it takes now */
    void (*receive)(void *opaque, const uint8_t *data, size_t len);
    void (*writable)(void *opaque); /* after a short chardev_write; may be NULL */
    /* The other end came or went; may be NULL. It is taken to be there at the attach. */
    void (*connected)(void *opaque, bool connected);
    /* The terminal at the other end has this size, from the loop; may be NULL. */
    void (*resized)(void *opaque, uint16_t columns, uint16_t rows);
};

/*
 * A back end on two descriptors, which stay the caller's; in_fd -1: no input.
 * `quit` is called from the loop when the user types Ctrl-a x; it must not free
 * the back end. SIGPIPE is ignored in the process from here on. With a terminal
 * for input, SIGTSTP and SIGCONT are handled, the terminal is put in raw mode
 * in the loop's first pass (only while this is the foreground job), and
 * chardev_restore is registered with atexit. NULL after a message: out of
 * memory, or there is one on a terminal already.
 */
struct chardev *chardev_stdio_new(struct event_base *base, int in_fd, int out_fd,
                                  void (*quit)(void *opaque), void *opaque);

/*
 * A back end by what the user typed, but for "stdio": see ringvisor/chr.h. 0,
 * with NULL for one that discards all output and gives no input; or -errno
 * after a message.
 */
int chardev_open(struct event_base *base, const char *spec, struct chardev **chardev);

/*
 * Writes what is still buffered, for at most a second; then restores the
 * terminal. Before the event base is freed.
 */
void chardev_free(struct chardev *chardev);

/* One client at a time: 0, or -EBUSY. `client` must live until chardev_detach. */
int chardev_attach(struct chardev *chardev, const struct chardev_client *client, void *opaque);
void chardev_detach(struct chardev *chardev);

/* How many of the bytes were taken. Never calls the client. */
size_t chardev_write(struct chardev *chardev, const uint8_t *data, size_t len);

/* The client has room again: input goes on from the loop. Never calls the client. */
void chardev_accept(struct chardev *chardev);

/*
 * Give the terminal back as it was found. Async-signal-safe, idempotent: for
 * handlers of fatal signals. The console is of no use after it.
 */
void chardev_restore(void);
