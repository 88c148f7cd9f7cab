/* SPDX-License-Identifier: BSD-2-Clause */
/* Run time: commands, and properties that are changed and asked for. As vmm/device does it. */
#include <errno.h>
#include <string.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host_internal.h"

void plugin_host_reply(struct rv_instance *host, struct rv_reply *reply, int error,
                       const char *json)
{
    CHECK(reply >= host->reply && reply < host->reply + PLUGIN_HOST_REPLIES);
    CHECK(reply->given && !reply->answered && error <= 0);
    CHECK(!json || (json[0] == '{' && strlen(json) < sizeof(reply->json)));
    reply->answered = true;
    reply->error = error;
    strcpy(reply->json, json ? json : "");
}

const struct rv_reply *plugin_host_command(struct rv_instance *host, const char *name,
                                           const char *json)
{
    const struct rv_command_info *info = host->class->commands;
    struct rv_device_command command = {
        .size = sizeof(command), .name = name, .json = json ? json : "{}"};
    unsigned i = 0;
    int error = -ENOENT;

    while (host->reply[i].given) {
        i++;
        CHECK(i < PLUGIN_HOST_REPLIES);
    }
    command.reply = &host->reply[i];
    command.reply->given = true;
    while (info && info->name && strcmp(info->name, name) != 0)
        info++;
    if (info && info->name && host->class->command)
        error = host->class->command(host->device, &command);
    if (error)
        plugin_host_reply(host, command.reply, error, NULL);
    return command.reply;
}

void plugin_host_commands_cancel(struct rv_instance *host)
{
    for (unsigned i = 0; i < PLUGIN_HOST_REPLIES; i++)
        if (host->reply[i].given && !host->reply[i].answered)
            plugin_host_reply(host, &host->reply[i], -ECANCELED, NULL);
}

int plugin_host_change(struct rv_instance *host, const char *name, const char *value)
{
    const struct rv_property *p = host->class->properties;
    int error;

    while (p && p->name && strcmp(p->name, name) != 0)
        p++;
    if (!p || !p->name)
        return -ENOENT;
    if (!p->runtime || !host->class->set)
        return -EPERM;
    error = host->class->set(host->device, name, value);
    if (!error)
        plugin_host_set(host, name, value);
    return error;
}

const char *plugin_host_show(struct rv_instance *host, const char *name)
{
    int64_t len = -ENOENT;

    if (host->class->get)
        len = host->class->get(host->device, name, host->text, sizeof(host->text));
    if (len == -ENOENT)
        return plugin_host_given(host, name);
    if (len < 0)
        return NULL;
    CHECK((size_t)len < sizeof(host->text));
    host->text[len] = '\0';
    return host->text;
}
