/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of a device that its own threads may have called in the loop.
 *
 * A post sets the work's flag and, if it was clear, adds to the eventfd's count; the loop
 * clears the flag before it calls. The exchange of the flag, on both sides, orders what the
 * thread wrote before its post and what the function reads.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/log.h"

struct rv_work {
    struct device_handle handle;
    struct event *event;
    int fd;
    uint32_t posted; /* atomic */
    void (*run)(void *opaque);
    void *opaque;
};

static void device_work_ready(evutil_socket_t fd, short what, void *opaque)
{
    struct rv_work *work = opaque;
    eventfd_t count;

    eventfd_read(work->fd, &count);
    /* Pairs with the exchange in device_post: what comes after this is another call. */
    if (__atomic_exchange_n(&work->posted, 0, __ATOMIC_ACQ_REL))
        work->run(work->opaque); /* it may be gone after this */
}

struct rv_work *device_work_new(struct rv_instance *instance, void (*run)(void *opaque),
                                void *opaque)
{
    struct rv_work *work;

    if (!run) {
        device_bug(instance, "work without a function");
        return NULL;
    }
    work = calloc(1, sizeof(*work));
    if (!work)
        return NULL;
    work->run = run;
    work->opaque = opaque;
    work->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (work->fd >= 0)
        work->event =
            event_new(instance->env.base, work->fd, EV_READ | EV_PERSIST, device_work_ready, work);
    if (!work->event || event_add(work->event, NULL)) {
        if (work->event)
            event_free(work->event);
        if (work->fd >= 0)
            close(work->fd);
        free(work);
        return NULL;
    }
    if (device_is_quiet(instance))
        event_del(work->event);
    device_handle_add(instance, &work->handle, DEVICE_HANDLE_WORK);
    return work;
}

/* From any thread, so it looks at nothing but the work. */
void device_post(struct rv_instance *instance, struct rv_work *work)
{
    /* Pairs with the exchange in device_work_ready. */
    if (!__atomic_exchange_n(&work->posted, 1, __ATOMIC_ACQ_REL))
        eventfd_write(work->fd, 1);
}

void device_work_free(struct rv_instance *instance, struct rv_work *work)
{
    if (!device_handle_check(instance, work, DEVICE_HANDLE_WORK, "work_free"))
        return;
    device_handle_remove(instance, &work->handle);
    event_free(work->event);
    close(work->fd);
    free(work);
}

static void device_work_handle_free(struct rv_instance *instance, void *handle)
{
    device_work_free(instance, handle);
}

static void device_work_hold(void *handle)
{
    event_del(((struct rv_work *)handle)->event);
}

static void device_work_release(void *handle)
{
    event_add(((struct rv_work *)handle)->event, NULL);
}

const struct device_handle_ops device_work_handle = {
    .free = device_work_handle_free,
    .hold = device_work_hold,
    .release = device_work_release,
};
