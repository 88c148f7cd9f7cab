/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's character back ends. What there is besides "stdio" is chardev_open's affair. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/log.h"

struct rv_chr {
    struct device_handle handle;
    struct chardev *chardev; /* NULL: output is discarded, there is no input */
    bool is_console;         /* the process's own: not ours to free */
    struct rv_chr_callbacks callbacks;
    void *opaque;
    struct event *held; /* tells of what happened while the instance was quiet: */
    bool held_writable;
    bool held_connected;
    bool held_size;
    bool connected; /* the last that was heard, as are: */
    uint16_t columns, rows;
};

static size_t device_chr_can_receive(void *opaque)
{
    const struct rv_chr *chr = opaque;

    if (device_is_quiet(chr->handle.instance) || !chr->callbacks.receive ||
        !chr->callbacks.can_receive)
        return 0;
    return chr->callbacks.can_receive(chr->opaque);
}

static void device_chr_receive(void *opaque, const uint8_t *data, size_t len)
{
    const struct rv_chr *chr = opaque;

    chr->callbacks.receive(chr->opaque, data, len);
}

static void device_chr_writable(void *opaque)
{
    struct rv_chr *chr = opaque;

    chr->held_writable = device_is_quiet(chr->handle.instance);
    if (chr->callbacks.writable && !chr->held_writable)
        chr->callbacks.writable(chr->opaque);
}

static void device_chr_connected(void *opaque, bool connected)
{
    struct rv_chr *chr = opaque;

    chr->connected = connected;
    chr->held_connected = device_is_quiet(chr->handle.instance);
    if (chr->callbacks.connected && !chr->held_connected)
        chr->callbacks.connected(chr->opaque, connected);
}

static void device_chr_resized(void *opaque, uint16_t columns, uint16_t rows)
{
    struct rv_chr *chr = opaque;

    chr->columns = columns;
    chr->rows = rows;
    chr->held_size = device_is_quiet(chr->handle.instance);
    if (chr->callbacks.resized && !chr->held_size)
        chr->callbacks.resized(chr->opaque, columns, rows);
}

static void device_chr_held(evutil_socket_t fd, short what, void *opaque)
{
    struct rv_chr *chr = opaque;

    if (device_is_quiet(chr->handle.instance))
        return;
    if (chr->held_connected)
        device_chr_connected(chr, chr->connected);
    if (chr->held_size)
        device_chr_resized(chr, chr->columns, chr->rows);
    if (chr->held_writable)
        device_chr_writable(chr);
}

static void device_chr_release(void *handle)
{
    struct rv_chr *chr = handle;

    if (!chr->chardev)
        return;
    chardev_accept(chr->chardev);
    if (chr->held_writable || chr->held_connected || chr->held_size)
        event_active(chr->held, EV_TIMEOUT, 0);
}

static const struct chardev_client device_chr_client = {
    .can_receive = device_chr_can_receive,
    .receive = device_chr_receive,
    .writable = device_chr_writable,
    .connected = device_chr_connected,
    .resized = device_chr_resized,
};

static int device_chr_take_console(struct rv_chr *chr)
{
    struct rv_instance *instance = chr->handle.instance;
    struct device_console *console = instance->env.console;

    if (!console || !console->chardev) {
        log_error("device '%s': chardev 'stdio': this vmm has no console", instance->name);
        return -ENODEV;
    }
    if (console->user) {
        log_error("device '%s': chardev 'stdio' is used by '%s': give one of them another",
                  instance->name, console->user);
        return -EBUSY;
    }
    console->user = instance->name;
    chr->chardev = console->chardev;
    chr->is_console = true;
    return 0;
}

static int device_chr_find(struct rv_chr *chr, const char *spec)
{
    struct rv_instance *instance = chr->handle.instance;
    const struct device_console *console = instance->env.console;

    if (spec ? strcmp(spec, "stdio") == 0 : console && console->chardev && !console->user)
        return device_chr_take_console(chr);
    return spec ? chardev_open(instance->env.base, spec, &chr->chardev) : 0;
}

struct rv_chr *device_chr_open(struct rv_instance *instance, const char *spec,
                               const struct rv_chr_callbacks *callbacks, void *opaque)
{
    struct rv_chr *chr;
    int error;

    if (!callbacks || callbacks->size < sizeof(struct rv_chr_callbacks)) {
        device_bug(instance, "chr_open without callbacks, or without their size");
        return NULL;
    }
    chr = calloc(1, sizeof(*chr));
    if (chr)
        chr->held = event_new(instance->env.base, -1, 0, device_chr_held, chr);
    if (!chr || !chr->held) {
        free(chr);
        log_error("device '%s': out of memory", instance->name);
        return NULL;
    }
    memcpy(&chr->callbacks, callbacks,
           callbacks->size < sizeof(*callbacks) ? callbacks->size : sizeof(*callbacks));
    chr->opaque = opaque;
    device_handle_add(instance, &chr->handle, DEVICE_HANDLE_CHR);
    error = device_chr_find(chr, spec);
    if (!error && chr->chardev)
        error = chardev_attach(chr->chardev, &device_chr_client, chr);
    if (error) {
        device_chr_close(instance, chr);
        return NULL;
    }
    return chr;
}

uint64_t device_chr_write(struct rv_instance *instance, struct rv_chr *chr, const uint8_t *data,
                          uint64_t len)
{
    if (!device_handle_check(instance, chr, DEVICE_HANDLE_CHR, "chr_write"))
        return len;
    return chr->chardev ? chardev_write(chr->chardev, data, len) : len;
}

void device_chr_accept(struct rv_instance *instance, struct rv_chr *chr)
{
    if (device_handle_check(instance, chr, DEVICE_HANDLE_CHR, "chr_accept") && chr->chardev)
        chardev_accept(chr->chardev);
}

void device_chr_close(struct rv_instance *instance, struct rv_chr *chr)
{
    if (!device_handle_check(instance, chr, DEVICE_HANDLE_CHR, "chr_close"))
        return;
    device_handle_remove(instance, &chr->handle);
    event_free(chr->held);
    if (chr->chardev)
        chardev_detach(chr->chardev);
    if (chr->is_console)
        instance->env.console->user = NULL;
    else if (chr->chardev)
        chardev_free(chr->chardev);
    free(chr);
}

static void device_chr_handle_free(struct rv_instance *instance, void *handle)
{
    device_chr_close(instance, handle);
}

const struct device_handle_ops device_chr_handle = {
    .free = device_chr_handle_free,
    .release = device_chr_release,
};
