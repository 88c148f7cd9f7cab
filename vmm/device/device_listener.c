/* SPDX-License-Identifier: BSD-2-Clause */
/* Unix sockets on which a device listens. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/listener.h"
#include "vmm/util/log.h"

struct rv_listener {
    struct device_handle handle;
    struct listener *listener;
    char *what; /* for messages */
    void (*accepted)(void *opaque, int fd);
    void *opaque;
};

static void device_listener_accepted(void *opaque, int fd)
{
    struct rv_listener *listener = opaque;

    listener->accepted(listener->opaque, fd);
}

static void device_listener_destroy(struct rv_listener *listener)
{
    listener_close(listener->listener);
    free(listener->what);
    free(listener);
}

int device_listener_open(struct rv_instance *instance, const char *path,
                         void (*accepted)(void *opaque, int fd), void *opaque,
                         struct rv_listener **result)
{
    struct rv_listener *listener;
    int error;

    if (!path || !accepted) {
        device_bug(instance, "listener_open without a path or a function");
        return -EINVAL;
    }
    listener = calloc(1, sizeof(*listener));
    if (listener && asprintf(&listener->what, "device '%s': path '%s'", instance->name, path) < 0)
        listener->what = NULL;
    if (!listener || !listener->what) {
        free(listener);
        log_error("device '%s': out of memory", instance->name);
        return -ENOMEM;
    }
    listener->accepted = accepted;
    listener->opaque = opaque;
    error = listener_open(&(struct listener_config){.base = instance->env.base,
                                                    .path = path,
                                                    .what = listener->what,
                                                    .accepted = device_listener_accepted,
                                                    .opaque = listener},
                          &listener->listener);
    if (error) {
        device_listener_destroy(listener);
        return error;
    }
    if (device_is_quiet(instance))
        listener_pause(listener->listener);
    device_handle_add(instance, &listener->handle, DEVICE_HANDLE_LISTENER);
    *result = listener;
    return 0;
}

void device_listener_close(struct rv_instance *instance, struct rv_listener *listener)
{
    if (!device_handle_check(instance, listener, DEVICE_HANDLE_LISTENER, "listener_close"))
        return;
    device_handle_remove(instance, &listener->handle);
    device_listener_destroy(listener);
}

static void device_listener_handle_free(struct rv_instance *instance, void *handle)
{
    device_listener_close(instance, handle);
}

static void device_listener_hold(void *handle)
{
    listener_pause(((struct rv_listener *)handle)->listener);
}

static void device_listener_release(void *handle)
{
    listener_resume(((struct rv_listener *)handle)->listener);
}

const struct device_handle_ops device_listener_handle = {
    .free = device_listener_handle_free,
    .hold = device_listener_hold,
    .release = device_listener_release,
};
