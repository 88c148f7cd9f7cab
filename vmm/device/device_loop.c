/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's timers and file descriptors in the loop. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_US UINT64_C(1000)

/* libevent adds the time of day to it; a year is as good as for ever. */
#define DEVICE_TIMER_MAX_S UINT64_C(31536000)

struct rv_timer {
    struct device_handle handle;
    struct event *event;
    void (*fired)(void *opaque);
    void *opaque;
    uint64_t at_ns;
    bool held; /* it is due, and the instance is quiet */
};

struct rv_watch {
    struct device_handle handle;
    struct event *event; /* NULL: for none of the events now */
    int fd;
    uint32_t events;
    void (*ready)(void *opaque, uint32_t events);
    void *opaque;
};

struct event_base *device_event_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

uint64_t device_now_ns(struct rv_instance *instance)
{
    return vm_clock_now(instance->env.clock);
}

uint64_t device_wall_ns(struct rv_instance *instance)
{
    return (uint64_t)clock_wall_ns();
}

static void device_timer_arm(struct rv_timer *timer)
{
    uint64_t now = device_now_ns(timer->handle.instance);
    uint64_t wait_us =
        timer->at_ns > now ? (timer->at_ns - now - 1) / NS_PER_US + 1 : 0; /* rounded up */
    struct timeval wait = {
        .tv_sec = (time_t)(wait_us / 1000000),
        .tv_usec = (suseconds_t)(wait_us % 1000000),
    };

    if (wait_us / 1000000 > DEVICE_TIMER_MAX_S)
        wait = (struct timeval){.tv_sec = (time_t)DEVICE_TIMER_MAX_S};
    event_add(timer->event, &wait);
}

static void device_timer_fired(evutil_socket_t fd, short what, void *arg)
{
    struct rv_timer *timer = arg;

    /* The VM's clock may stand: what is left of the time is counted from release() on. */
    if (device_is_quiet(timer->handle.instance))
        timer->held = true;
    /* The base counts from when its pass began: that may be early. */
    else if (device_now_ns(timer->handle.instance) < timer->at_ns)
        device_timer_arm(timer);
    else
        timer->fired(timer->opaque); /* it may be gone after this */
}

static void device_timer_release(void *handle)
{
    struct rv_timer *timer = handle;

    if (timer->held)
        device_timer_arm(timer);
    timer->held = false;
}

struct rv_timer *device_timer_new(struct rv_instance *instance, void (*fired)(void *opaque),
                                  void *opaque)
{
    struct rv_timer *timer;

    if (!fired) {
        device_bug(instance, "a timer without a function");
        return NULL;
    }
    timer = calloc(1, sizeof(*timer));
    if (!timer)
        return NULL;
    timer->fired = fired;
    timer->opaque = opaque;
    timer->event = evtimer_new(instance->env.base, device_timer_fired, timer);
    if (!timer->event) {
        free(timer);
        return NULL;
    }
    device_handle_add(instance, &timer->handle, DEVICE_HANDLE_TIMER);
    return timer;
}

void device_timer_set(struct rv_instance *instance, struct rv_timer *timer, uint64_t at_ns)
{
    if (!device_handle_check(instance, timer, DEVICE_HANDLE_TIMER, "timer_set"))
        return;
    timer->at_ns = at_ns;
    timer->held = false;
    device_timer_arm(timer);
}

void device_timer_cancel(struct rv_instance *instance, struct rv_timer *timer)
{
    if (!device_handle_check(instance, timer, DEVICE_HANDLE_TIMER, "timer_cancel"))
        return;
    timer->held = false;
    event_del(timer->event);
}

void device_timer_free(struct rv_instance *instance, struct rv_timer *timer)
{
    if (!device_handle_check(instance, timer, DEVICE_HANDLE_TIMER, "timer_free"))
        return;
    device_handle_remove(instance, &timer->handle);
    event_free(timer->event);
    free(timer);
}

static void device_timer_handle_free(struct rv_instance *instance, void *handle)
{
    device_timer_free(instance, handle);
}

const struct device_handle_ops device_timer_handle = {
    .free = device_timer_handle_free,
    .release = device_timer_release,
};

static void device_watch_ready(evutil_socket_t fd, short what, void *arg)
{
    struct rv_watch *watch = arg;

    watch->ready(watch->opaque,
                 (what & EV_READ ? RV_FD_READ : 0) | (what & EV_WRITE ? RV_FD_WRITE : 0));
}

/* An error is the plugin's own, as of a descriptor that is closed, or one like a file's. */
static int device_watch_arm(struct rv_watch *watch, uint32_t events)
{
    struct rv_instance *instance = watch->handle.instance;
    short what = (short)(EV_PERSIST | (events & RV_FD_READ ? EV_READ : 0) |
                         (events & RV_FD_WRITE ? EV_WRITE : 0));
    struct event *event = NULL;

    if (events & ~(RV_FD_READ | RV_FD_WRITE)) {
        device_bug(instance, "a watch for events 0x%x", events);
        return -EINVAL;
    }
    /* Asked first, as libevent writes its own message when it fails. */
    if (events && fcntl(watch->fd, F_GETFD) < 0) {
        device_bug(instance, "a watch of descriptor %d, which is not open", watch->fd);
        return -EBADF;
    }
    if (watch->event)
        event_free(watch->event);
    watch->event = NULL;
    watch->events = events;
    if (!events)
        return 0;
    event = event_new(instance->env.base, watch->fd, what, device_watch_ready, watch);
    if (!event)
        return -ENOMEM;
    if (event_add(event, NULL)) {
        event_free(event);
        device_bug(instance, "a watch of descriptor %d, which cannot be waited for", watch->fd);
        return -EPERM;
    }
    watch->event = event;
    if (device_is_quiet(instance))
        event_del(event); /* it could be waited for, which is all that we had to know */
    return 0;
}

static void device_watch_hold(void *handle)
{
    struct rv_watch *watch = handle;

    if (watch->event)
        event_del(watch->event);
}

static void device_watch_release(void *handle)
{
    struct rv_watch *watch = handle;

    if (watch->event)
        event_add(watch->event, NULL);
}

struct rv_watch *device_fd_watch(struct rv_instance *instance, int fd, uint32_t events,
                                 void (*ready)(void *opaque, uint32_t events), void *opaque)
{
    struct rv_watch *watch;

    if (!ready) {
        device_bug(instance, "a watch without a function");
        return NULL;
    }
    watch = calloc(1, sizeof(*watch));
    if (!watch) {
        log_error("device '%s': out of memory", instance->name);
        return NULL;
    }
    device_handle_add(instance, &watch->handle, DEVICE_HANDLE_WATCH);
    watch->fd = fd;
    watch->ready = ready;
    watch->opaque = opaque;
    if (device_watch_arm(watch, events)) {
        device_fd_remove(instance, watch);
        return NULL;
    }
    return watch;
}

int device_fd_change(struct rv_instance *instance, struct rv_watch *watch, uint32_t events)
{
    if (!device_handle_check(instance, watch, DEVICE_HANDLE_WATCH, "fd_change"))
        return -EINVAL;
    return watch->events == events ? 0 : device_watch_arm(watch, events);
}

void device_fd_remove(struct rv_instance *instance, struct rv_watch *watch)
{
    if (!device_handle_check(instance, watch, DEVICE_HANDLE_WATCH, "fd_remove"))
        return;
    device_handle_remove(instance, &watch->handle);
    if (watch->event)
        event_free(watch->event);
    free(watch);
}

static void device_watch_handle_free(struct rv_instance *instance, void *handle)
{
    device_fd_remove(instance, handle);
}

const struct device_handle_ops device_watch_handle = {
    .free = device_watch_handle_free,
    .hold = device_watch_hold,
    .release = device_watch_release,
};
