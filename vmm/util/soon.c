/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/soon.h"

#include <stdlib.h>

struct soon {
    struct event *event;
    void (*call)(void *opaque);
    void *opaque;
    struct soon *next; /* of those that are due */
    bool due;
};

/* Those that are due, in their order; and of these, what soon_run() has still to call. */
static struct soon *soon_due, *soon_turn;

static void soon_unlink(struct soon **link, const struct soon *soon)
{
    while (*link && *link != soon)
        link = &(*link)->next;
    if (*link)
        *link = soon->next;
}

static void soon_forget(struct soon *soon)
{
    soon_unlink(&soon_due, soon);
    soon_unlink(&soon_turn, soon);
    soon->due = false;
}

static void soon_now(struct soon *soon)
{
    soon_forget(soon);
    event_del(soon->event);
    soon->call(soon->opaque);
}

static void soon_fired(evutil_socket_t fd, short what, void *opaque)
{
    soon_now(opaque);
}

struct soon *soon_new(struct event_base *base, void (*call)(void *opaque), void *opaque)
{
    struct soon *soon = calloc(1, sizeof(*soon));

    if (!soon)
        return NULL;
    soon->event = event_new(base, -1, 0, soon_fired, soon);
    soon->call = call;
    soon->opaque = opaque;
    if (soon->event)
        return soon;
    free(soon);
    return NULL;
}

void soon_free(struct soon *soon)
{
    if (!soon)
        return;
    soon_forget(soon);
    event_free(soon->event);
    free(soon);
}

void soon_arm(struct soon *soon)
{
    struct soon **last = &soon_due;

    if (soon->due)
        return;
    while (*last)
        last = &(*last)->next;
    soon->next = NULL;
    soon->due = true;
    *last = soon;
    event_active(soon->event, EV_TIMEOUT, 0);
}

void soon_arm_in(struct soon *soon, unsigned ms)
{
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(soon->event, &wait);
}

bool soon_is_timed(const struct soon *soon)
{
    return event_pending(soon->event, EV_TIMEOUT, NULL);
}

bool soon_any(void)
{
    return soon_due != NULL;
}

void soon_run(void)
{
    soon_turn = soon_due;
    soon_due = NULL;
    while (soon_turn)
        soon_now(soon_turn);
}
