/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kind of character back end is made of. */
#pragma once

#include "vmm/chardev/chardev.h"

struct chardev_ops {
    void (*attached)(struct chardev *chardev); /* there is a client now, or none any more */
    size_t (*write)(struct chardev *chardev, const uint8_t *data, size_t len);
    void (*accept)(struct chardev *chardev);
    void (*free)(struct chardev *chardev);
};

/* The first member of each kind's own. */
struct chardev {
    const struct chardev_ops *ops;
    const struct chardev_client *client; /* NULL: none */
    void *opaque;
    uint16_t columns, rows; /* what the client has been told; 0: nothing */
};

/* Tell the client the size of the terminal `fd`, if it is one and the size is new. In the loop. */
void chardev_tell_size(struct chardev *chardev, int fd);

/*
 * Output to the regular file `fd`, which is the back end's from here on. `limit` bytes, then the
 * file becomes PATH.1 and a new one is begun; 0: no limit. 0, or -ENOMEM after a message.
 */
int chardev_writer_open(struct event_base *base, const char *name, const char *path, int fd,
                        uint64_t limit, struct chardev **chardev);

/* The kinds, by the text behind the colon (NULL: there is no colon). As chardev_open(). */
int chardev_file_open(struct event_base *base, const char *path, struct chardev **chardev);
int chardev_log_open(struct event_base *base, const char *argument, struct chardev **chardev);
int chardev_pty_open(struct event_base *base, const char *link, struct chardev **chardev);
int chardev_socket_open(struct event_base *base, const char *path, struct chardev **chardev);
