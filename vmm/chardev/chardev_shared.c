/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/chardev_shared.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/chardev/chardev_internal.h"
#include "vmm/util/log.h"

#define RECENT_MAX 0x4000u  /* bytes of output that a new watcher sees; a screen has some 2,000 */
#define TYPED_MAX  0x10000u /* bytes of input that wait for the guest */

struct chardev_shared {
    struct chardev chardev; /* first */
    struct chardev *inner;
    struct chardev_watcher *watchers;
    struct evbuffer *typed;
    struct event *deliver; /* in the loop's next pass */
    uint64_t written;      /* bytes so far; the last ones are in `recent` */
    uint8_t recent[RECENT_MAX];
};

static const struct timeval now;

static struct chardev_shared *shared_of(struct chardev *chardev)
{
    return (struct chardev_shared *)(void *)chardev;
}

/*
 * What the back end behind sees: a device that is always there
 */

static size_t can_receive(void *opaque)
{
    const struct chardev_shared *s = opaque;

    /* Keys keep their order: those that were typed first go first. */
    if (!s->chardev.client || evbuffer_get_length(s->typed))
        return 0;
    return s->chardev.client->can_receive(s->chardev.opaque);
}

static void receive(void *opaque, const uint8_t *data, size_t len)
{
    const struct chardev_shared *s = opaque;

    if (s->chardev.client)
        s->chardev.client->receive(s->chardev.opaque, data, len);
}

static void writable(void *opaque)
{
    const struct chardev_shared *s = opaque;

    if (s->chardev.client && s->chardev.client->writable)
        s->chardev.client->writable(s->chardev.opaque);
}

static void connected(void *opaque, bool connected)
{
    const struct chardev_shared *s = opaque;

    if (s->chardev.client && s->chardev.client->connected)
        s->chardev.client->connected(s->chardev.opaque, connected);
}

static void resized(void *opaque, uint16_t columns, uint16_t rows)
{
    const struct chardev_shared *s = opaque;

    if (s->chardev.client && s->chardev.client->resized)
        s->chardev.client->resized(s->chardev.opaque, columns, rows);
}

static const struct chardev_client client = {
    .can_receive = can_receive,
    .receive = receive,
    .writable = writable,
    .connected = connected,
    .resized = resized,
};

/*
 * What the device sees
 */

static void attached(struct chardev *chardev)
{
    struct chardev_shared *s = shared_of(chardev);

    if (chardev->client)
        chardev_attach(s->inner, &client, s);
    else
        chardev_detach(s->inner);
}

static void remember(struct chardev_shared *s, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        s->recent[s->written++ % RECENT_MAX] = data[i];
}

static size_t write_output(struct chardev *chardev, const uint8_t *data, size_t len)
{
    struct chardev_shared *s = shared_of(chardev);
    size_t taken = chardev_write(s->inner, data, len);

    remember(s, data, taken);
    for (struct chardev_watcher *w = s->watchers, *next; w && taken; w = next) {
        next = w->next;
        w->output(w->opaque, data, taken);
    }
    return taken;
}

static void accept_input(struct chardev *chardev)
{
    struct chardev_shared *s = shared_of(chardev);

    if (evbuffer_get_length(s->typed))
        event_add(s->deliver, &now);
    chardev_accept(s->inner);
}

static void deliver(evutil_socket_t fd, short what, void *opaque)
{
    struct chardev_shared *s = opaque;
    uint8_t data[512];
    size_t room;

    while (s->chardev.client && evbuffer_get_length(s->typed) &&
           (room = s->chardev.client->can_receive(s->chardev.opaque)) > 0) {
        int n = evbuffer_remove(s->typed, data, room < sizeof(data) ? room : sizeof(data));

        if (n <= 0)
            return;
        s->chardev.client->receive(s->chardev.opaque, data, (size_t)n);
    }
    if (s->chardev.client && !evbuffer_get_length(s->typed))
        chardev_accept(s->inner); /* its own input may go on */
}

static void free_shared(struct chardev *chardev)
{
    struct chardev_shared *s = shared_of(chardev);

    if (s->deliver)
        event_free(s->deliver);
    if (s->typed)
        evbuffer_free(s->typed);
    free(s);
}

static const struct chardev_ops ops = {
    .attached = attached, .write = write_output, .accept = accept_input, .free = free_shared};

struct chardev *chardev_shared_new(struct event_base *base, struct chardev *inner)
{
    struct chardev_shared *s = calloc(1, sizeof(*s));

    if (s) {
        s->chardev.ops = &ops;
        s->inner = inner;
        s->typed = evbuffer_new();
        s->deliver = event_new(base, -1, 0, deliver, s);
        if (s->typed && s->deliver)
            return &s->chardev;
        free_shared(&s->chardev);
    }
    log_error("console: out of memory");
    return NULL;
}

/*
 * What watchers do
 */

/* The oldest line may have lost its beginning: it is left out. */
static void show_recent(const struct chardev_shared *s, const struct chardev_watcher *watcher)
{
    uint64_t from = s->written > RECENT_MAX ? s->written - RECENT_MAX : 0;

    if (from) {
        uint64_t line = from;

        while (line < s->written && s->recent[line % RECENT_MAX] != '\n')
            line++;
        from = line < s->written ? line + 1 : from;
    }
    while (from < s->written) {
        size_t at = from % RECENT_MAX, len = RECENT_MAX - at;

        if (len > s->written - from)
            len = (size_t)(s->written - from);
        watcher->output(watcher->opaque, s->recent + at, len);
        from += len;
    }
}

void chardev_shared_watch(struct chardev *shared, struct chardev_watcher *watcher)
{
    struct chardev_shared *s = shared_of(shared);

    watcher->next = s->watchers;
    s->watchers = watcher;
    show_recent(s, watcher);
}

void chardev_shared_unwatch(struct chardev *shared, struct chardev_watcher *watcher)
{
    struct chardev_watcher **at = &shared_of(shared)->watchers;

    while (*at && *at != watcher)
        at = &(*at)->next;
    if (*at)
        *at = watcher->next;
}

size_t chardev_shared_type(struct chardev *shared, const uint8_t *data, size_t len)
{
    struct chardev_shared *s = shared_of(shared);

    if (evbuffer_get_length(s->typed) + len > TYPED_MAX || evbuffer_add(s->typed, data, len))
        return 0;
    event_add(s->deliver, &now);
    return len;
}
