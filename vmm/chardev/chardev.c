/* SPDX-License-Identifier: BSD-2-Clause */
/* Character back ends of all kinds, and the one that the user named. */
#include "vmm/chardev/chardev.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/chardev/chardev_internal.h"
#include "vmm/util/log.h"

int chardev_attach(struct chardev *c, const struct chardev_client *client, void *opaque)
{
    if (c->client)
        return -EBUSY;
    c->client = client;
    c->opaque = opaque;
    c->columns = c->rows = 0;
    c->ops->attached(c);
    return 0;
}

void chardev_detach(struct chardev *c)
{
    c->client = NULL;
    c->ops->attached(c);
}

size_t chardev_write(struct chardev *c, const uint8_t *data, size_t len)
{
    return c->ops->write(c, data, len);
}

void chardev_accept(struct chardev *c)
{
    c->ops->accept(c);
}

void chardev_free(struct chardev *c)
{
    if (c)
        c->ops->free(c);
}

void chardev_tell_size(struct chardev *c, int fd)
{
    struct winsize size;

    if (!c->client || !c->client->resized || ioctl(fd, TIOCGWINSZ, &size))
        return;
    if (size.ws_col == c->columns && size.ws_row == c->rows)
        return;
    c->columns = size.ws_col;
    c->rows = size.ws_row;
    c->client->resized(c->opaque, c->columns, c->rows);
}

static int chardev_null_open(struct event_base *base, const char *argument,
                             struct chardev **chardev)
{
    if (argument) {
        log_error("chardev 'null': it takes nothing, not '%s'", argument);
        return -EINVAL;
    }
    *chardev = NULL;
    return 0;
}

static const struct chardev_kind {
    const char *name;
    const char *form; /* as a message shows it */
    int (*open)(struct event_base *base, const char *argument, struct chardev **chardev);
} chardev_kinds[] = {
    {"null", "null", chardev_null_open},        {"file", "file:PATH", chardev_file_open},
    {"pty", "pty, pty:LINK", chardev_pty_open}, {"socket", "socket:PATH", chardev_socket_open},
    {"log", "log:SIZE:PATH", chardev_log_open},
};

int chardev_open(struct event_base *base, const char *spec, struct chardev **chardev)
{
    size_t len = strcspn(spec, ":");
    const char *argument = spec[len] ? spec + len + 1 : NULL;
    char forms[256] = "stdio";

    for (size_t i = 0; i < sizeof(chardev_kinds) / sizeof(chardev_kinds[0]); i++) {
        const struct chardev_kind *kind = &chardev_kinds[i];

        if (strlen(kind->name) == len && memcmp(kind->name, spec, len) == 0)
            return kind->open(base, argument, chardev);
        strncat(forms, ", ", sizeof(forms) - strlen(forms) - 1);
        strncat(forms, kind->form, sizeof(forms) - strlen(forms) - 1);
    }
    log_error("chardev '%s': there are %s", spec, forms);
    return -EINVAL;
}
