/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm ps`, and the commands for a VM as a whole: pause, resume, stop, kill, reset. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"
#include "vmm/control/control_path.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define PS_TIMEOUT_MS    2000
#define LOOK_AGAIN_MS    100
#define PAUSE_SECONDS    60
#define STOP_SECONDS     60
#define MAX_SECONDS      86400
#define TEXT_OF(n)       TEXT_OF_TOKEN(n)
#define TEXT_OF_TOKEN(n) #n

static const struct option_row plain_rows[] = {VM_OPTION_JSON, VM_OPTION_HELP};

/*
 * vmm ps
 */

static int is_socket_name(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name), suffix = strlen(CONTROL_SUFFIX);

    return len > suffix && strcmp(entry->d_name + len - suffix, CONTROL_SUFFIX) == 0;
}

/* The VM of a socket; NULL: nobody listens there. One that does not answer has no more than a name. */
static json_t *look_at(const char *name)
{
    struct client_answer answer;
    json_t *vm = NULL;
    int fd = client_connect(name);

    if (fd < 0)
        return NULL;
    close(fd);
    if (client_request(name, "GET", "/vm", NULL, PS_TIMEOUT_MS, &answer) == 0) {
        vm = json_incref(answer.json);
        client_answer_free(&answer);
    }
    return vm ? vm : json_pack("{s:s,s:s}", "name", name, "state", "unknown");
}

/* How many sockets there may be; a folder that nobody has made yet has none. -1 after a message. */
static int find_sockets(struct dirent ***entries)
{
    char folder[PATH_MAX];
    int error = control_folder(folder, sizeof(folder)), count;

    if (error) {
        log_error("%s", error == -ENXIO ? CONTROL_NO_FOLDER : strerror(-error));
        return -1;
    }
    count = scandir(folder, entries, is_socket_name, alphasort);
    if (count >= 0 || errno == ENOENT)
        return count < 0 ? 0 : count;
    log_error("folder of the control sockets '%s': %s", folder, strerror(errno));
    return -1;
}

json_t *vm_list(void)
{
    struct dirent **entries;
    int count = find_sockets(&entries);
    json_t *list = count < 0 ? NULL : json_array();

    for (int i = 0; i < count; i++) {
        char *name = entries[i]->d_name;
        json_t *vm;

        name[strlen(name) - strlen(CONTROL_SUFFIX)] = '\0';
        vm = look_at(name);
        if (vm)
            json_array_append_new(list, vm);
        free(entries[i]);
    }
    if (count > 0)
        free(entries);
    return list;
}

static int ps(const struct vm_options *o)
{
    json_t *list = vm_list(), *vm;
    size_t i;

    if (!list)
        return STATUS_VMM;
    if (o->json) {
        vm_print_json(list);
        return STATUS_OK;
    }
    printf("%-20s %-10s %8s %12s %6s %10s  %s\n", "NAME", "STATE", "PID", "UPTIME", "VCPUS",
           "MEMORY", "KERNEL");
    json_array_foreach(list, i, vm)
    {
        const char *kernel = vm_string(vm, "kernel");

        printf("%-20s %-10s %8llu %12s %6llu %10s  %s\n", vm_string(vm, "name"),
               vm_string(vm, "state"), (unsigned long long)vm_number(vm, "pid"),
               vm_uptime(vm_number(vm, "uptime_ms")), (unsigned long long)vm_number(vm, "vcpus"),
               vm_bytes(vm_number(vm, "memory")), kernel ? kernel : "");
    }
    json_decref(list);
    return STATUS_OK;
}

static const struct vm_command ps_command = {
    .usage = "",
    .text = "List the VMs of this user that run.",
    VM_ROWS(plain_rows),
    .run = ps,
};

const struct command command_ps = {.name = "ps", .summary = "list the VMs", .vm = &ps_command};

/*
 * Actions
 */

/* POST /vm/ACTION. */
static int act(const struct vm_options *o, const char *action)
{
    char path[32];

    snprintf(path, sizeof(path), "/vm/%s", action);
    return vm_command_end(o, client_do(o->args[0], "POST", path, NULL, PAUSE_SECONDS * 1000));
}

static int act_by_name(const struct vm_options *o)
{
    return act(o, o->command->name);
}

static const struct vm_command pause_command = {
    .usage = "NAME",
    .text = "Stop a VM's CPUs, devices and time. It notices nothing: its clock goes on where it\n"
            "stopped when it is resumed.",
    VM_ROWS(plain_rows),
    .min_args = 1,
    .max_args = 1,
    .run = act_by_name,
};

static const struct vm_command resume_command = {
    .usage = "NAME",
    .text = "Let a VM go on that was paused.",
    VM_ROWS(plain_rows),
    .min_args = 1,
    .max_args = 1,
    .run = act_by_name,
};

static const struct vm_command reset_command = {
    .usage = "NAME",
    .text = "Reset a VM as a reset button does: its kernel is loaded again, its memory stays.",
    VM_ROWS(plain_rows),
    .min_args = 1,
    .max_args = 1,
    .run = act_by_name,
};

const struct command command_pause = {
    .name = "pause", .summary = "pause a VM", .vm = &pause_command};
const struct command command_resume = {
    .name = "resume", .summary = "let a paused VM go on", .vm = &resume_command};
const struct command command_reset = {
    .name = "reset", .summary = "reset a VM", .vm = &reset_command};

/*
 * Ends
 */

/* False: it still runs after that time. */
static bool wait_for_end(const char *vm, unsigned seconds)
{
    int64_t end_ms = clock_now_ms() + seconds * INT64_C(1000);

    for (;;) {
        int fd = client_connect(vm);

        if (fd < 0)
            return true;
        close(fd);
        if (clock_now_ms() >= end_ms)
            return false;
        usleep(LOOK_AGAIN_MS * 1000);
    }
}

static int end_now(const struct vm_options *o)
{
    int status = act(o, "kill");

    if (status == STATUS_OK && o->seconds && !wait_for_end(o->args[0], o->seconds)) {
        log_error("VM '%s' has not ended within %u s", o->args[0], o->seconds);
        return STATUS_VMM;
    }
    return status;
}

static int stop(const struct vm_options *o)
{
    int status = act(o, "stop");

    if (status && wait_for_end(o->args[0], 0)) /* there is none */
        return status;
    if (o->kill && (status || (o->seconds && !wait_for_end(o->args[0], o->seconds))))
        return end_now(o);
    if (status == STATUS_OK && o->seconds && !wait_for_end(o->args[0], o->seconds)) {
        log_error("VM '%s' has not shut down within %u s; --kill ends it then", o->args[0],
                  o->seconds);
        return STATUS_VMM;
    }
    return status;
}

#define OPTION_TIMEOUT                                                                     \
    {                                                                                      \
        .name = "timeout", .letter = 't', .type = OPTION_NUMBER, .argument = "SECONDS",    \
        .what = "time", VM_AT(seconds), .max = MAX_SECONDS,                                \
        .help = "how long to wait for its end (default " TEXT_OF(STOP_SECONDS) "); 0: not" \
    }

static const struct option_row stop_rows[] = {
    OPTION_TIMEOUT,
    {.name = "kill",
     .letter = 'k',
     .type = OPTION_FLAG,
     VM_AT(kill),
     .help = "end it if it does not shut down in that time, or cannot"},
    VM_OPTION_JSON,
    VM_OPTION_HELP,
};

static const struct option_row kill_rows[] = {OPTION_TIMEOUT, VM_OPTION_JSON, VM_OPTION_HELP};

static const struct vm_command stop_command = {
    .usage = "NAME",
    .text = "Press a VM's power button, and wait until its guest has shut down.",
    VM_ROWS(stop_rows),
    .min_args = 1,
    .max_args = 1,
    .seconds = STOP_SECONDS,
    .run = stop,
};

static const struct vm_command kill_command = {
    .usage = "NAME",
    .text = "End a VM at once. Its guest loses what it has not written.",
    VM_ROWS(kill_rows),
    .min_args = 1,
    .max_args = 1,
    .seconds = STOP_SECONDS,
    .run = end_now,
};

const struct command command_stop = {
    .name = "stop", .summary = "let a VM shut itself down", .vm = &stop_command};
const struct command command_kill = {.name = "kill", .summary = "end a VM", .vm = &kill_command};
