/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of the user for a device while its guest runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"

/* A command that the device has taken and not answered. */
struct rv_reply {
    struct device_handle handle;
    void (*answer)(void *opaque, int error, const char *json);
    void *opaque;
};

static void device_reply_end(struct rv_instance *instance, struct rv_reply *reply, int error,
                             const char *json)
{
    device_handle_remove(instance, &reply->handle);
    reply->answer(reply->opaque, error, json);
    free(reply);
}

void device_reply(struct rv_instance *instance, struct rv_reply *reply, int error, const char *json)
{
    if (device_handle_check(instance, reply, DEVICE_HANDLE_REPLY, "reply"))
        device_reply_end(instance, reply, error, json);
}

static bool device_has_command(const struct rv_device_class *class, const char *name)
{
    const struct rv_command_info *command = class->commands;

    while (command && command->name && strcmp(command->name, name) != 0)
        command++;
    return command && command->name && class->command;
}

void device_command(struct rv_instance *instance, const char *name, const char *json,
                    void (*answer)(void *opaque, int error, const char *json), void *opaque)
{
    struct rv_device_command command = {
        .size = sizeof(command), .name = name, .json = json ? json : "{}"};
    struct rv_reply *reply;
    int error;

    if (!device_has_command(instance->class, name)) {
        answer(opaque, -ENOENT, NULL);
        return;
    }
    reply = calloc(1, sizeof(*reply));
    if (!reply) {
        answer(opaque, -ENOMEM, NULL);
        return;
    }
    reply->answer = answer;
    reply->opaque = opaque;
    device_handle_add(instance, &reply->handle, DEVICE_HANDLE_REPLY);
    command.reply = reply;
    error = instance->class->command(instance->device, &command);
    if (error)
        device_reply(instance, reply, error, NULL);
}

static void device_reply_handle_free(struct rv_instance *instance, void *handle)
{
    device_reply_end(instance, handle, -ECANCELED, NULL);
}

const struct device_handle_ops device_reply_handle = {.free = device_reply_handle_free};
