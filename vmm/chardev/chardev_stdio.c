/* SPDX-License-Identifier: BSD-2-Clause */
/* The character back end on two descriptors of the caller's: stdio_in.h and stdio_out.h. */
#include <errno.h>
#include <stdlib.h>

#include "vmm/chardev/stdio_in.h"
#include "vmm/chardev/stdio_out.h"
#include "vmm/util/log.h"

struct chardev_stdio {
    struct chardev chardev; /* first */
    struct stdio_in in;
    struct stdio_out out;
};

static struct chardev_stdio *chardev_stdio_of(struct chardev *chardev)
{
    return (struct chardev_stdio *)(void *)chardev;
}

static size_t chardev_stdio_write(struct chardev *chardev, const uint8_t *data, size_t len)
{
    return stdio_out_write(&chardev_stdio_of(chardev)->out, data, len);
}

static void chardev_stdio_accept(struct chardev *chardev)
{
    stdio_in_accept(&chardev_stdio_of(chardev)->in);
}

static void chardev_stdio_attached(struct chardev *chardev)
{
    struct chardev_stdio *c = chardev_stdio_of(chardev);

    stdio_in_attached(&c->in);
    stdio_out_attached(&c->out);
}

static void chardev_stdio_free(struct chardev *chardev)
{
    struct chardev_stdio *c = chardev_stdio_of(chardev);

    stdio_out_close(&c->out);
    stdio_in_close(&c->in);
    free(c);
}

static const struct chardev_ops chardev_stdio_ops = {
    .attached = chardev_stdio_attached,
    .write = chardev_stdio_write,
    .accept = chardev_stdio_accept,
    .free = chardev_stdio_free,
};

struct chardev *chardev_stdio_new(struct event_base *base, int in_fd, int out_fd,
                                  void (*quit)(void *opaque), void *opaque)
{
    struct chardev_stdio *c = calloc(1, sizeof(*c));
    int error;

    if (!c) {
        log_error("console: out of memory");
        return NULL;
    }
    c->chardev.ops = &chardev_stdio_ops;
    c->in.quit = quit;
    c->in.quit_opaque = opaque;
    error = stdio_out_open(&c->out, base, out_fd, &c->chardev);
    if (!error)
        error = stdio_in_open(&c->in, base, in_fd, &c->chardev);
    if (!error)
        return &c->chardev;
    if (error == -ENOMEM)
        log_error("console: out of memory");
    chardev_free(&c->chardev);
    return NULL;
}
