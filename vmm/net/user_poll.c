/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/user_poll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/net/user_evict.h"

#define POLL_BATCH 64 /* descriptors served before others have their turn */
#define NS_PER_MS  UINT64_C(1000000)

static const struct {
    int slirp;
    uint32_t epoll;
} poll_events[] = {
    {SLIRP_POLL_IN, EPOLLIN},   {SLIRP_POLL_OUT, EPOLLOUT}, {SLIRP_POLL_PRI, EPOLLPRI},
    {SLIRP_POLL_ERR, EPOLLERR}, {SLIRP_POLL_HUP, EPOLLHUP},
};
#define POLL_EVENTS (sizeof(poll_events) / sizeof(poll_events[0]))

static struct user_poll_fd *poll_fd(struct user_poll *poll, int fd)
{
    if (fd >= poll->nr_fds) {
        int count = fd + 32;
        struct user_poll_fd *fds = realloc(poll->fds, (size_t)count * sizeof(*fds));

        if (!fds)
            return NULL;
        memset(fds + poll->nr_fds, 0, (size_t)(count - poll->nr_fds) * sizeof(*fds));
        poll->fds = fds;
        poll->nr_fds = count;
    }
    return &poll->fds[fd];
}

void user_poll_opened(struct user_poll *poll, int fd)
{
    struct user_poll_fd *entry = fd >= 0 ? poll_fd(poll, fd) : NULL;

    if (!entry || entry->open)
        return;
    *entry = (struct user_poll_fd){.open = true};
    poll->open++;
}

void user_poll_closed(struct user_poll *poll, int fd)
{
    if (fd < 0 || fd >= poll->nr_fds || !poll->fds[fd].open)
        return;
    if (poll->fds[fd].events != 0)
        epoll_ctl(poll->epoll, EPOLL_CTL_DEL, fd, NULL);
    poll->fds[fd] = (struct user_poll_fd){0};
    poll->open--;
}

static bool poll_listens(int fd)
{
    int listens = 0;
    socklen_t len = sizeof(listens);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

/* libslirp's index of a descriptor is here the descriptor itself. */
static int poll_add(int fd, int events, void *opaque)
{
    struct user_poll *poll = opaque;
    struct user_poll_fd *entry;

    user_poll_opened(poll, fd); /* not of all that it opens does libslirp tell */
    entry = fd >= 0 ? poll_fd(poll, fd) : NULL;
    if (!entry)
        return -1;
    entry->wanted = 0;
    entry->wanted_in = poll->round;
    for (unsigned i = 0; i < POLL_EVENTS; i++)
        entry->wanted |= events & poll_events[i].slirp ? poll_events[i].epoll : 0;
    if (poll->throttled)
        entry->wanted &= EPOLLOUT;
    /* Who connects from outside waits: the vmm's descriptors and memory are not for the taking. */
    if (user_poll_full(poll) && poll_listens(fd))
        entry->wanted = 0;
    return fd;
}

static int poll_revents(int index, void *opaque)
{
    const struct user_poll *poll = opaque;
    int events = 0;

    if (index < 0 || index >= poll->nr_fds)
        return 0;
    for (unsigned i = 0; i < POLL_EVENTS; i++)
        events |= poll->fds[index].ready & poll_events[i].epoll ? poll_events[i].slirp : 0;
    return events;
}

/* A hang-up is always reported, so what nobody waits for may not stay in the set. */
static void poll_apply(struct user_poll *poll)
{
    for (int fd = 0; fd < poll->nr_fds; fd++) {
        struct user_poll_fd *entry = &poll->fds[fd];
        uint32_t events = entry->open && entry->wanted_in == poll->round ? entry->wanted : 0;
        struct epoll_event event = {.events = events, .data.fd = fd};
        int op = events == 0 ? EPOLL_CTL_DEL : entry->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

        if (events != entry->events && epoll_ctl(poll->epoll, op, fd, &event) == 0)
            entry->events = events;
    }
}

/* libslirp counts its timeout anew each time that it is asked; the earlier one holds. */
static void poll_set_timer(struct user_poll *poll, uint32_t timeout_ms)
{
    uint64_t at = poll->ops->now_ns(poll->instance) + timeout_ms * NS_PER_MS;

    if (timeout_ms == UINT32_MAX)
        poll->due = 0;
    else if (poll->due == 0 || at < poll->due)
        poll->due = at;
    if (poll->kicked)
        return;
    if (poll->due == 0)
        poll->ops->timer_cancel(poll->instance, poll->timer);
    else
        poll->ops->timer_set(poll->instance, poll->timer, poll->due);
}

static void poll_ask(struct user_poll *poll)
{
    uint32_t timeout_ms = UINT32_MAX;

    if (user_poll_full(poll))
        user_evict(poll);
    poll->round++;
    slirp_pollfds_fill(poll->slirp, &timeout_ms, poll_add, poll);
    poll_apply(poll);
    poll_set_timer(poll, timeout_ms);
    poll->worked(poll->opaque);
}

/* Its timers, and all of its sockets: those that are not ready cost little. */
static void poll_work(struct user_poll *poll)
{
    poll->due = 0;
    slirp_pollfds_poll(poll->slirp, 0, poll_revents, poll);
    poll_ask(poll);
}

static void poll_ready(void *opaque, unsigned events)
{
    struct user_poll *poll = opaque;
    struct epoll_event ready[POLL_BATCH];
    int count = epoll_wait(poll->epoll, ready, POLL_BATCH, 0);

    if (count <= 0)
        return;
    for (int i = 0; i < count; i++)
        poll->fds[ready[i].data.fd].ready = ready[i].events;
    poll_work(poll);
    for (int i = 0; i < count; i++)
        poll->fds[ready[i].data.fd].ready = 0;
}

static void poll_timer(void *opaque)
{
    struct user_poll *poll = opaque;

    poll->kicked = false;
    if (poll->due != 0 && poll->ops->now_ns(poll->instance) >= poll->due) {
        poll_work(poll);
    } else {
        /* Of no socket, only so that libslirp knows the time: its flows are to have an age. */
        slirp_pollfds_poll(poll->slirp, 1, poll_revents, poll);
        poll_ask(poll);
    }
}

void user_poll_kick(struct user_poll *poll)
{
    if (poll->kicked || !poll->slirp)
        return;
    poll->kicked = true;
    poll->ops->timer_set(poll->instance, poll->timer, poll->ops->now_ns(poll->instance));
}

int user_poll_init(struct user_poll *poll)
{
    poll->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poll->epoll < 0)
        return -errno;
    poll->timer = poll->ops->timer_new(poll->instance, poll_timer, poll);
    poll->watch = poll->ops->fd_watch(poll->instance, poll->epoll, RV_FD_READ, poll_ready, poll);
    return poll->timer && poll->watch ? 0 : -ENOMEM;
}

void user_poll_start(struct user_poll *poll, Slirp *slirp)
{
    poll->slirp = slirp;
    user_poll_kick(poll);
}

void user_poll_free(struct user_poll *poll)
{
    if (poll->watch)
        poll->ops->fd_remove(poll->instance, poll->watch);
    if (poll->timer)
        poll->ops->timer_free(poll->instance, poll->timer);
    if (poll->epoll >= 0)
        close(poll->epoll);
    free(poll->fds);
}
