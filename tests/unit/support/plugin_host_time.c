/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks, timers, watched descriptors, posted work, and the loop that serves them. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host_internal.h"

uint64_t plugin_host_now(const struct rv_instance *host)
{
    struct timespec now = {0};

    if (host->real_time)
        clock_gettime(CLOCK_MONOTONIC, &now);
    return host->now + (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t plugin_host_now_ns(struct rv_instance *host)
{
    return plugin_host_now(host);
}

uint64_t plugin_host_wall_ns(struct rv_instance *host)
{
    return host->wall;
}

struct rv_timer *plugin_host_timer_new(struct rv_instance *host, void (*fired)(void *),
                                       void *opaque)
{
    for (unsigned i = 0; i < PLUGIN_HOST_TIMERS && !host->no_timer; i++) {
        if (host->timer[i].fired)
            continue;
        host->timer[i] = (struct rv_timer){.fired = fired, .opaque = opaque};
        return &host->timer[i];
    }
    return NULL;
}

static void check_timer(const struct rv_instance *host, const struct rv_timer *timer)
{
    CHECK(timer >= host->timer && timer < host->timer + PLUGIN_HOST_TIMERS && timer->fired);
}

void plugin_host_timer_set(struct rv_instance *host, struct rv_timer *timer, uint64_t at)
{
    check_timer(host, timer);
    timer->set = true;
    timer->at = at;
}

void plugin_host_timer_cancel(struct rv_instance *host, struct rv_timer *timer)
{
    check_timer(host, timer);
    timer->set = false;
}

void plugin_host_timer_free(struct rv_instance *host, struct rv_timer *timer)
{
    check_timer(host, timer);
    *timer = (struct rv_timer){0};
}

struct rv_watch *plugin_host_fd_watch(struct rv_instance *host, int fd, unsigned events,
                                      void (*ready)(void *, unsigned), void *opaque)
{
    CHECK(fd >= 0 && ready);
    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++) {
        if (host->watch[i].ready)
            continue;
        host->watch[i] = (struct rv_watch){ready, opaque, fd, events};
        return &host->watch[i];
    }
    return NULL;
}

static void check_watch(const struct rv_instance *host, const struct rv_watch *watch)
{
    CHECK(watch >= host->watch && watch < host->watch + PLUGIN_HOST_WATCHES && watch->ready);
}

int plugin_host_fd_change(struct rv_instance *host, struct rv_watch *watch, unsigned events)
{
    check_watch(host, watch);
    watch->events = events;
    return 0;
}

void plugin_host_fd_remove(struct rv_instance *host, struct rv_watch *watch)
{
    check_watch(host, watch);
    *watch = (struct rv_watch){0};
}

static void accept_one(void *opaque, unsigned events)
{
    struct rv_listener *listener = opaque;
    int fd = accept4(listener->watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        listener->accepted(listener->opaque, fd);
}

/* What vmm/util/listener.c does at a path that is free. */
int plugin_host_listener_open(struct rv_instance *host, const char *path,
                              void (*accepted)(void *opaque, int fd), void *opaque,
                              struct rv_listener **result)
{
    struct rv_listener *listener = &host->listener;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0 && accepted && !listener->watch);
    CHECK(strlen(path) < sizeof(listener->address.sun_path));
    *listener = (struct rv_listener){.accepted = accepted, .opaque = opaque};
    listener->address.sun_family = AF_UNIX;
    strcpy(listener->address.sun_path, path);
    if (bind(fd, (struct sockaddr *)&listener->address, sizeof(listener->address)) ||
        listen(fd, 128)) {
        close(fd);
        return -EADDRINUSE;
    }
    listener->watch = plugin_host_fd_watch(host, fd, RV_FD_READ, accept_one, listener);
    CHECK(listener->watch);
    *result = listener;
    return 0;
}

void plugin_host_listener_close(struct rv_instance *host, struct rv_listener *listener)
{
    CHECK(listener == &host->listener && listener->watch);
    close(listener->watch->fd);
    plugin_host_fd_remove(host, listener->watch);
    unlink(listener->address.sun_path);
    listener->watch = NULL;
}

struct rv_work *plugin_host_work_new(struct rv_instance *host, void (*run)(void *opaque),
                                     void *opaque)
{
    for (unsigned i = 0; i < PLUGIN_HOST_WORKS; i++) {
        if (host->work[i].run)
            continue;
        host->work[i] = (struct rv_work){.run = run, .opaque = opaque};
        return &host->work[i];
    }
    return NULL;
}

static void check_work(const struct rv_instance *host, const struct rv_work *work)
{
    CHECK(work >= host->work && work < host->work + PLUGIN_HOST_WORKS && work->run);
}

void plugin_host_post(struct rv_instance *host, struct rv_work *work)
{
    check_work(host, work);
    work->posted = true;
}

void plugin_host_work_free(struct rv_instance *host, struct rv_work *work)
{
    check_work(host, work);
    *work = (struct rv_work){0};
}

bool plugin_host_run_work(struct rv_instance *host)
{
    bool due[PLUGIN_HOST_WORKS], any = false;

    /* What is posted from in here is for the next pass. */
    for (unsigned i = 0; i < PLUGIN_HOST_WORKS; i++) {
        due[i] = host->work[i].posted;
        host->work[i].posted = false;
        any |= due[i];
    }
    for (unsigned i = 0; i < PLUGIN_HOST_WORKS; i++)
        if (due[i] && host->work[i].run)
            host->work[i].run(host->work[i].opaque);
    return any;
}

static struct rv_timer *first_timer(const struct rv_instance *host)
{
    const struct rv_timer *first = NULL;

    for (const struct rv_timer *t = host->timer; t < host->timer + PLUGIN_HOST_TIMERS; t++)
        if (t->fired && t->set && (!first || t->at < first->at))
            first = t;
    return (struct rv_timer *)first;
}

uint64_t plugin_host_timer_at(const struct rv_instance *host)
{
    const struct rv_timer *first = first_timer(host);

    return first ? first->at : PLUGIN_HOST_NEVER;
}

static void fire(struct rv_timer *timer)
{
    timer->set = false;
    timer->fired(timer->opaque);
}

bool plugin_host_fire_next(struct rv_instance *host, uint64_t end)
{
    struct rv_timer *first = first_timer(host);

    if (!first || first->at > end)
        return false;
    if (first->at > host->now) {
        host->wall += first->at - host->now;
        host->now = first->at;
    }
    fire(first);
    return true;
}

void plugin_host_pass(struct rv_instance *host, uint64_t ns)
{
    uint64_t end = host->now + ns;

    while (plugin_host_fire_next(host, end))
        continue;
    host->wall += end - host->now;
    host->now = end;
}

static short poll_events(const struct rv_watch *watch)
{
    return (short)((watch->events & RV_FD_READ ? POLLIN : 0) |
                   (watch->events & RV_FD_WRITE ? POLLOUT : 0));
}

/* Each watch is polled just before it is served: the one before may have changed it. */
static bool serve_watches(struct rv_instance *host)
{
    bool any = false;

    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++) {
        struct rv_watch *watch = &host->watch[i];
        struct pollfd fd = {.fd = watch->fd, .events = poll_events(watch)};
        unsigned events;

        if (!watch->ready || !watch->events || poll(&fd, 1, 0) <= 0)
            continue;
        CHECK(!(fd.revents & POLLNVAL));
        events = (fd.revents & POLLIN ? RV_FD_READ : 0) | (fd.revents & POLLOUT ? RV_FD_WRITE : 0);
        if (fd.revents & (POLLERR | POLLHUP))
            events = RV_FD_READ | RV_FD_WRITE;
        if (events & watch->events) {
            watch->ready(watch->opaque, events & watch->events);
            any = true;
        }
    }
    return any;
}

static bool turn(struct rv_instance *host)
{
    for (unsigned i = 0; i < PLUGIN_HOST_TIMERS; i++) {
        struct rv_timer *timer = &host->timer[i];

        if (timer->fired && timer->set && timer->at <= plugin_host_now(host))
            fire(timer);
    }
    return serve_watches(host);
}

void plugin_host_turn(struct rv_instance *host, uint64_t ns)
{
    host->now += ns;
    host->wall += ns;
    turn(host);
}

bool plugin_host_wait(struct rv_instance *host, int ms)
{
    struct pollfd fds[PLUGIN_HOST_WATCHES];
    nfds_t count = 0;

    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++) {
        const struct rv_watch *watch = &host->watch[i];

        if (watch->ready)
            fds[count++] = (struct pollfd){.fd = watch->fd, .events = poll_events(watch)};
    }
    poll(fds, count, ms);
    return turn(host);
}
