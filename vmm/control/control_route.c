/* SPDX-License-Identifier: BSD-2-Clause */
/* From a method and a path to the function that handles them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_internal.h"

#define ALLOW_MAX 64u

static control_handler show_index;

/* In a path, {} stands for any text without a slash. */
static const struct control_route {
    enum evhttp_cmd_type method;
    const char *path;
    control_handler *handle;
} routes[] = {
    {EVHTTP_REQ_GET, "/", show_index},
    {EVHTTP_REQ_GET, "/vm", control_vm_show},
    {EVHTTP_REQ_POST, "/vm/pause", control_vm_pause},
    {EVHTTP_REQ_POST, "/vm/resume", control_vm_resume},
    {EVHTTP_REQ_POST, "/vm/stop", control_vm_stop},
    {EVHTTP_REQ_POST, "/vm/kill", control_vm_kill},
    {EVHTTP_REQ_POST, "/vm/reset", control_vm_reset},
    {EVHTTP_REQ_POST, "/vm/snapshot", control_vm_snapshot},
    {EVHTTP_REQ_GET, "/vcpus", control_vcpus_list},
    {EVHTTP_REQ_GET, "/exits", control_exits_list},
    {EVHTTP_REQ_GET, "/metrics", control_metrics_show},
    {EVHTTP_REQ_GET, "/trace", control_trace_show},
    {EVHTTP_REQ_GET, "/record", control_record_show},
    {EVHTTP_REQ_POST, "/record/stop", control_record_stop},
    {EVHTTP_REQ_GET, "/console", control_console_show},
    {EVHTTP_REQ_POST, "/console", control_console_type},
    {EVHTTP_REQ_GET, "/devices", control_devices_list},
    {EVHTTP_REQ_GET, "/devices/{}", control_devices_show},
    {EVHTTP_REQ_PATCH, "/devices/{}", control_devices_set},
    {EVHTTP_REQ_POST, "/devices/{}/commands/{}", control_devices_command},
    {EVHTTP_REQ_GET, "/disks", control_disks_list},
    {EVHTTP_REQ_GET, "/networks", control_networks_list},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static const char *method_name(enum evhttp_cmd_type method)
{
    switch (method) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_POST: return "POST";
    default: return "PATCH";
    }
}

json_t *control_routes(void)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < ROUTES; i++)
        json_array_append_new(list,
                              json_sprintf("%s %s", method_name(routes[i].method), routes[i].path));
    return list;
}

static void show_index(struct control_call *call)
{
    if (call->from_browser) {
        control_page_show(call);
        return;
    }
    control_answer(call, CONTROL_OK,
                   json_pack("{s:s,s:o}", "name", call->target->name, "routes", control_routes()));
}

/* Does the path have the pattern's form? What {} stands for is at starts[] then. */
static bool matches(const char *pattern, const char *path, const char *starts[CONTROL_ARGS_MAX])
{
    unsigned n = 0;

    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        if (*path == '/')
            return false; /* nothing is no name */
        starts[n++] = path;
        path += strcspn(path, "/");
        pattern += strlen("{}");
    }
    return !*pattern && !*path;
}

/* False: out of memory, or a NUL byte is in it, which no name has. */
static bool take_args(struct control_call *call, const char *const starts[CONTROL_ARGS_MAX])
{
    for (unsigned i = 0; i < CONTROL_ARGS_MAX && starts[i]; i++) {
        char *part = strndup(starts[i], strcspn(starts[i], "/"));
        size_t size = 0;

        call->args[i] = part ? evhttp_uridecode(part, 0, &size) : NULL;
        free(part);
        if (!call->args[i] || strlen(call->args[i]) != size)
            return false;
    }
    return true;
}

void control_route(struct control_call *call)
{
    enum evhttp_cmd_type method = call->method == EVHTTP_REQ_HEAD ? EVHTTP_REQ_GET : call->method;
    const char *refused = control_origin_refused(&call->from);
    char allow[ALLOW_MAX] = "";

    if (refused) {
        control_refuse(call, CONTROL_FORBIDDEN, "forbidden", "%s", refused);
        return;
    }
    for (unsigned i = 0; i < ROUTES; i++) {
        const char *starts[CONTROL_ARGS_MAX + 1] = {NULL};
        size_t len = strlen(allow);

        if (!matches(routes[i].path, call->path, starts))
            continue;
        if (routes[i].method != method) {
            snprintf(allow + len, sizeof(allow) - len, "%s%s", len ? ", " : "",
                     method_name(routes[i].method));
            continue;
        }
        if (!take_args(call, starts)) {
            control_refuse(call, CONTROL_BAD_REQUEST, "bad-path", "the path has a malformed name");
            return;
        }
        if (call->body_size > CONTROL_BODY_MAX) {
            control_refuse(call, CONTROL_TOO_LARGE, "too-large", "a body has %u bytes at most",
                           CONTROL_BODY_MAX);
            return;
        }
        routes[i].handle(call);
        return;
    }
    if (*allow)
        control_refuse(call, CONTROL_BAD_METHOD, "bad-method", "this path takes: %s", allow);
    else
        control_refuse(call, CONTROL_NOT_FOUND, "not-found", "there is no path '%s'; / lists them",
                       call->path);
}
