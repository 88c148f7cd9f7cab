/* SPDX-License-Identifier: BSD-2-Clause */
/* Resource /console: the guest's main console, which is on the vmm's standard input and output. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/chardev/chardev_shared.h"
#include "vmm/control/control_stream.h"

#define READERS_MAX 8u
#define WAITING_MAX (256u << 10) /* bytes for a reader that is slow; then some are left out */

struct reader {
    struct chardev *console;
    struct chardev_watcher watcher;
    struct bufferevent *buffer;
    uint64_t lost;
    bool failed;
};

static void output(void *opaque, const uint8_t *data, size_t len)
{
    struct reader *r = opaque;

    if (evbuffer_get_length(bufferevent_get_output(r->buffer)) + len > WAITING_MAX) {
        r->lost += len;
        return;
    }
    if (r->lost)
        evbuffer_add_printf(bufferevent_get_output(r->buffer),
                            "\r\n[%llu bytes were lost here]\r\n", (unsigned long long)r->lost);
    r->lost = 0;
    bufferevent_write(r->buffer, data, len);
}

static void failed(struct bufferevent *buffer, short what, void *opaque)
{
    ((struct reader *)opaque)->failed = true;
}

static bool is_over(void *opaque, bool gone)
{
    return gone || ((const struct reader *)opaque)->failed;
}

static void end(void *opaque)
{
    struct reader *r = opaque;
    struct evbuffer *rest = bufferevent_get_output(r->buffer);

    chardev_shared_unwatch(r->console, &r->watcher);
    /* What the socket takes at once: no turn of the loop may come any more. */
    bufferevent_disable(r->buffer, EV_WRITE);
    evbuffer_unfreeze(rest, 1);
    evbuffer_write(rest, bufferevent_getfd(r->buffer));
    bufferevent_free(r->buffer);
    free(r);
}

static const struct control_stream_ops console_ops = {.is_over = is_over, .free = end};

static int start(struct control_call *call, struct chardev *console)
{
    static const char head[] = CONTROL_STREAM_HEAD("application/octet-stream");
    struct reader *r = calloc(1, sizeof(*r));
    struct control_stream *stream;
    int fd, error = r ? control_stream_new(call, &stream, &fd) : -ENOMEM;

    if (error) {
        free(r);
        return error;
    }
    r->console = console;
    r->watcher = (struct chardev_watcher){.output = output, .opaque = r};
    r->buffer = bufferevent_socket_new(call->target->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!r->buffer) {
        control_stream_cancel(stream);
        close(fd);
        free(r);
        return -ENOMEM;
    }
    bufferevent_setcb(r->buffer, NULL, NULL, failed, r);
    bufferevent_enable(r->buffer, EV_WRITE);
    bufferevent_disable(r->buffer, EV_READ); /* evhttp reads */
    bufferevent_write(r->buffer, head, sizeof(head) - 1);
    chardev_shared_watch(console, &r->watcher);
    control_stream_start(stream, &console_ops, r);
    return 0;
}

/* NULL, and the call is answered: there is none. */
static struct chardev *find(struct control_call *call)
{
    const struct device_console *console = &call->target->vm->console;

    call->subject = "console";
    if (console->chardev && console->user)
        return console->chardev;
    control_refuse(call, CONTROL_NOT_FOUND, "not-found",
                   "no device of this VM has the chardev 'stdio'");
    return NULL;
}

void control_console_show(struct control_call *call)
{
    struct chardev *console = find(call);
    int error;

    if (!console)
        return;
    if (call->method == EVHTTP_REQ_HEAD || !call->connection)
        control_answer_text(call, "application/octet-stream", "");
    else if (control_stream_count(call->target, &console_ops) == READERS_MAX)
        control_refuse(call, CONTROL_CONFLICT, "busy", "console: %u clients have it already",
                       READERS_MAX);
    else if ((error = start(call, console)))
        control_answer_error(call, error, NULL);
}

void control_console_type(struct control_call *call)
{
    struct chardev *console = find(call);

    if (!console)
        return;
    if (call->body_size &&
        !chardev_shared_type(console, (const uint8_t *)call->body, call->body_size))
        control_refuse(call, CONTROL_CONFLICT, "busy", "console: the guest does not read it");
    else
        control_answer(call, CONTROL_OK,
                       json_pack("{s:o}", "taken", control_number(call->body_size)));
}
