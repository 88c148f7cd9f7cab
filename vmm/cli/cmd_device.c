/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands for devices of a VM that runs: balloon, disk, net. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"
#include "vmm/util/log.h"
#include "vmm/util/size.h"

#define PATH_SIZE 256u

static const struct option_row rows[] = {VM_OPTION_JSON, VM_OPTION_HELP};

/* Is it the device that was meant: by its name, its path or its number in the list? */
static bool is_meant(const json_t *device, size_t index, const char *word)
{
    const json_t *path = json_object_get(json_object_get(device, "properties"), "path");
    const char *value = vm_string(path, "value");
    char number[24];

    snprintf(number, sizeof(number), "%zu", index);
    return strcmp(word, number) == 0 || strcmp(word, vm_string(device, "name")) == 0 ||
           (value && strcmp(word, value) == 0);
}

static void complain(const char *vm, const char *what, const char *word, const json_t *list)
{
    char *names = NULL;
    json_t *device;
    size_t i, size;
    FILE *out = open_memstream(&names, &size);

    if (!out)
        return;
    json_array_foreach((json_t *)list, i, device)
        fprintf(out, "%s%s", i ? ", " : "", vm_string(device, "name"));
    fclose(out);
    if (json_array_size(list) == 0)
        log_error("VM '%s' has no %s", vm, what);
    else if (word)
        log_error("VM '%s' has no %s '%s': there are %s", vm, what, word, names);
    else
        log_error("VM '%s' has more than one %s: say which of %s", vm, what, names);
    free(names);
}

/* The name of the device that `word` means, or of the only one. Not of `list` then. NULL: a message. */
static char *choose(const char *vm, const char *what, const char *word, const json_t *list)
{
    json_t *device;
    size_t i;

    json_array_foreach((json_t *)list, i, device)
    {
        if (word ? is_meant(device, i, word) : json_array_size(list) == 1)
            return strdup(vm_string(device, "name"));
    }
    complain(vm, what, word, list);
    return NULL;
}

/* `what` is a resource's member: "disks". The name: free() it. */
static char *find(const char *vm, const char *what, const char *key, const char *word)
{
    char path[32], *name;
    json_t *answer;

    snprintf(path, sizeof(path), "/%s", key);
    answer = client_get(vm, path);
    name = answer ? choose(vm, what, word, json_object_get(answer, key)) : NULL;
    json_decref(answer);
    return name;
}

/* Give the device a command; NULL: it is not done. `name` and `body` are dropped. */
static json_t *command(const char *vm, char *name, const char *what, json_t *body)
{
    char path[PATH_SIZE];
    json_t *answer = NULL;

    if (name) {
        snprintf(path, sizeof(path), "/devices/%s/commands/%s", name, what);
        answer = client_do(vm, "POST", path, body, CLIENT_TIMEOUT_MS);
    }
    free(name);
    json_decref(body);
    return answer;
}

/* {"size": BYTES}; NULL after a message. */
static json_t *size_body(const char *text)
{
    uint64_t size;

    if (size_parse(text, &size) == 0 && size > 0 && size <= INT64_MAX)
        return json_pack("{s:I}", "size", (json_int_t)size);
    log_error("size '%s': give bytes, or a number with K, M, G or T", text);
    return NULL;
}

/*
 * vmm balloon
 */

static char *find_balloon(const char *vm)
{
    json_t *answer = client_get(vm, "/devices"), *device;
    json_t *list = json_array();
    char *name = NULL;
    size_t i;

    json_array_foreach(json_object_get(answer, "devices"), i, device)
    {
        if (strcmp(vm_string(device, "class"), "virtio-balloon") == 0)
            json_array_append(list, device);
    }
    if (answer)
        name = choose(vm, "balloon (--balloon adds one)", NULL, list);
    json_decref(list);
    json_decref(answer);
    return name;
}

/* Not bytes. */
static bool is_count(const char *key)
{
    return strstr(key, "faults") || strncmp(key, "huge-pages", strlen("huge-pages")) == 0;
}

static int show_balloon(const struct vm_options *o)
{
    json_t *answer = command(o->args[0], find_balloon(o->args[0]), "stats", NULL), *value;
    const char *key;

    if (!answer || o->json)
        return vm_command_end(o, answer);
    json_object_foreach(answer, key, value)
    {
        uint64_t number = (uint64_t)json_integer_value(value);

        if (is_count(key))
            printf("%-18s %10" PRIu64 "\n", key, number);
        else if (json_is_integer(value))
            printf("%-18s %10s\n", key, vm_bytes(number));
    }
    json_decref(answer);
    return STATUS_OK;
}

static int balloon(const struct vm_options *o)
{
    json_t *body;

    if (o->nr_args == 1)
        return show_balloon(o);
    body = size_body(o->args[1]);
    if (!body)
        return STATUS_USAGE;
    return vm_command_end(o, command(o->args[0], find_balloon(o->args[0]), "size", body));
}

static const struct vm_command balloon_command = {
    .usage = "NAME [SIZE]",
    .text = "Show what a VM's guest and its balloon say of the memory, or leave the guest SIZE of\n"
            "it (512M, 1G ...).",
    VM_ROWS(rows),
    .min_args = 1,
    .max_args = 2,
    .run = balloon,
};

const struct command command_balloon = {
    .name = "balloon", .summary = "show or set a VM's memory", .vm = &balloon_command};

/*
 * vmm disk
 */

static int disk(const struct vm_options *o)
{
    const char *vm = o->args[1], *which = o->nr_args == 4 ? o->args[2] : NULL;
    const char *size = o->args[o->nr_args - 1];
    json_t *body;

    if (strcmp(o->args[0], "resize") != 0) {
        log_error("disk '%s': there is 'resize'", o->args[0]);
        return STATUS_USAGE;
    }
    body = strcmp(size, "image") == 0 ? json_object() : size_body(size);
    if (!body)
        return STATUS_USAGE;
    return vm_command_end(o, command(vm, find(vm, "disk", "disks", which), "resize", body));
}

static const struct vm_command disk_command = {
    .usage = "resize NAME [DISK] SIZE",
    .text =
        "Change the size of a VM's disk. SIZE is in bytes or has K, M, G or T; 'image' means the\n"
        "size that the image has by now, if another program has changed it. DISK is a name as\n"
        "'/devices' has it, the path of the image, or a number from 0; it can be left out if\n"
        "there is one disk.",
    VM_ROWS(rows),
    .min_args = 3,
    .max_args = 4,
    .run = disk,
};

const struct command command_disk = {
    .name = "disk", .summary = "change the size of a VM's disk", .vm = &disk_command};

/*
 * vmm net
 */

/* NULL: it is not done. */
static json_t *set_link(const char *vm, const char *which, const char *state)
{
    char *name = find(vm, "network card", "networks", which), path[PATH_SIZE];
    json_t *body = json_pack("{s:s}", "link", state), *answer = NULL;

    if (name) {
        snprintf(path, sizeof(path), "/devices/%s", name);
        answer = client_do(vm, "PATCH", path, body, CLIENT_TIMEOUT_MS);
    }
    free(name);
    json_decref(body);
    return answer;
}

static int net(const struct vm_options *o)
{
    const char *vm = o->args[1], *which = o->nr_args == 4 ? o->args[2] : NULL;
    const char *state = o->args[o->nr_args - 1];

    if (strcmp(o->args[0], "link") != 0) {
        log_error("net '%s': there is 'link'", o->args[0]);
        return STATUS_USAGE;
    }
    if (strcmp(state, "up") != 0 && strcmp(state, "down") != 0) {
        log_error("link '%s': give up or down", state);
        return STATUS_USAGE;
    }
    return vm_command_end(o, set_link(vm, which, state));
}

static const struct vm_command net_command = {
    .usage = "link NAME [CARD] up|down",
    .text =
        "Plug the cable of a VM's network card in, or pull it out. CARD is a name as '/devices'\n"
        "has it, or a number from 0; it can be left out if there is one card.",
    VM_ROWS(rows),
    .min_args = 3,
    .max_args = 4,
    .run = net,
};

const struct command command_net = {
    .name = "net", .summary = "plug or unplug a VM's network cable", .vm = &net_command};
