/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm snapshot` and `vmm restore`. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/option_json.h"
#include "vmm/cli/restore_paths.h"
#include "vmm/cli/run_options.h"
#include "vmm/cli/vm_command.h"
#include "vmm/keeper/kept.h"
#include "vmm/snapshot/merge.h"
#include "vmm/snapshot/restore.h"
#include "vmm/util/log.h"

#define SNAPSHOT_TIMEOUT_MS (3600 * 1000) /* disks may be large */

/* As the VM's process has to know it, which runs elsewhere. 0 or -errno after a message. */
static int make_absolute(const char *folder, char path[PATH_MAX])
{
    char here[PATH_MAX] = "";
    int n;

    if (!*folder) {
        log_error("the path of a snapshot is empty");
        return -EINVAL;
    }
    if (folder[0] != '/' && !getcwd(here, sizeof(here))) {
        log_error("the current folder: %s", strerror(errno));
        return -errno;
    }
    n = snprintf(path, PATH_MAX, "%s%s%s", here, *here ? "/" : "", folder);
    while (n > 1 && n < PATH_MAX && path[n - 1] == '/')
        path[--n] = '\0';
    if (n > 0 && n < PATH_MAX)
        return 0;
    log_error("snapshot '%s': the path is too long", folder);
    return -ENAMETOOLONG;
}

static atomic_bool interrupted;

static void interrupt(int signal)
{
    atomic_store(&interrupted, true);
}

/* The first argument is the folder of a snapshot, and no VM is asked. */
static int merge(const struct vm_options *o)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
    char path[PATH_MAX];
    uint64_t bytes;

    if (o->track || o->base || o->stop) {
        log_error(
            "--merge makes one snapshot of those that there are: it goes without --track, --base "
            "and --stop");
        return STATUS_USAGE;
    }
    if (make_absolute(o->args[1], path))
        return STATUS_VMM;
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a write says so, too */
    if (snapshot_merge(o->args[0], path, &interrupted, &bytes))
        return STATUS_VMM;
    if (!o->json)
        printf("%s in %s\n", vm_bytes(bytes), path);
    return vm_command_end(o,
                          json_pack("{s:s, s:I}", "directory", path, "bytes", (json_int_t)bytes));
}

static int snapshot(const struct vm_options *o)
{
    char path[PATH_MAX], base[PATH_MAX];
    json_t *body, *answer;

    if (o->merge)
        return merge(o);
    if (make_absolute(o->args[1], path) || (o->base && make_absolute(o->base, base)))
        return STATUS_VMM;
    body = json_pack("{s:s, s:b, s:b}", "directory", path, "stop", (int)o->stop, "track",
                     (int)o->track);
    if (body && o->base && json_object_set_new(body, "base", json_string(base))) {
        json_decref(body);
        body = NULL;
    }
    if (!body) {
        log_error("snapshot '%s': the path is no UTF-8", path);
        return STATUS_VMM;
    }
    answer = client_do(o->args[0], "POST", "/vm/snapshot", body, SNAPSHOT_TIMEOUT_MS);
    json_decref(body);
    if (answer && !o->json)
        printf("%s in %s; the guest stood for %s\n", vm_bytes(vm_number(answer, "bytes")), path,
               vm_time(vm_number(answer, "paused_ms") * 1000000));
    return vm_command_end(o, answer);
}

static const struct option_row snapshot_rows[] = {
    {.name = "track",
     .type = OPTION_FLAG,
     VM_AT(track),
     .help = "note what the guest writes from then on, for a later snapshot with --base"},
    {.name = "base",
     .type = OPTION_TEXT,
     .argument = "PREVIOUS",
     VM_AT(base),
     .help = "write only the memory that has changed since the snapshot in this folder, which was\n"
             "the last one with --track or --base; vmm restore needs both folders then"},
    {.name = "stop",
     .type = OPTION_FLAG,
     VM_AT(stop),
     .help = "end the VM then; its disks stay as they are, and are not copied"},
    {.name = "merge",
     .type = OPTION_FLAG,
     VM_AT(merge),
     .help = "NAME is not a VM but a snapshot's folder: make one whole snapshot, DIR, of that and\n"
             "all that it builds on"},
    VM_OPTION_JSON,
    VM_OPTION_HELP,
};

static const struct vm_command snapshot_vm_command = {
    .usage = "NAME DIR",
    .text =
        "Write all of a VM to a new folder: memory, CPUs, devices, and a copy of each disk that\n"
        "it can write to. It stands still meanwhile, and then goes on. vmm restore DIR lets it\n"
        "go on from there, as often as wanted.",
    VM_ROWS(snapshot_rows),
    .min_args = 2,
    .max_args = 2,
    .run = snapshot,
};

const struct command command_snapshot = {
    .name = "snapshot", .summary = "save a VM that runs", .vm = &snapshot_vm_command};

/*
 * vmm restore
 */

/* Relative paths in the options begin where the VM was started. */
static int take_options(struct run_options *o, struct option_set *set, const char *folder)
{
    const uint64_t given = set->given;
    int error = snapshot_open(folder, &o->restore);

    if (error)
        return error;
    if (chdir(snapshot_folder(o->restore)) && !kept_has_keeper()) /* a keeper has said it */
        log_warn("'%s', where the VM was started: %s: relative paths of its options begin in the "
                 "current folder",
                 snapshot_folder(o->restore), strerror(errno));
    error = option_json_apply(set, snapshot_options(o->restore), o->texts, folder);
    if (!error) {
        restore_paths(o, set, given);
        error = run_options_complete(o);
    }
    if (!error && o->record) {
        log_error("--record: a recording has to begin with the guest's start");
        error = -EINVAL;
    }
    return error ? error : snapshot_keep(o->restore);
}

/* -EINVAL: wrong usage. */
int command_restore_parse(struct run_options *o, int argc, char **argv)
{
    struct option_set set;
    int parsed, rest;

    run_options_init_restore(o, &set);
    parsed = option_parse(&set, "vmm restore", argc, argv, &rest);
    if (parsed)
        return parsed;
    if (argc - rest != 1) {
        log_error("usage: vmm restore [OPTION...] DIR");
        return -EINVAL;
    }
    return take_options(o, &set, argv[rest]) ? -EIO : 0;
}

static int restore(int argc, char **argv)
{
    static struct run_options o;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parsed = command_restore_parse(&o, argc, argv), status = STATUS_OK;

    if (!parsed && o.no_keeper)
        status = command_serve(&o);
    else if (!parsed) /* DIR may be relative, and the worker goes to the VM's folder by itself */
        status = fchdir(here) ? STATUS_VMM : command_keep(&o, argc, argv);
    else if (parsed < 0)
        status = parsed == -EINVAL ? STATUS_USAGE : STATUS_VMM;
    snapshot_close(o.restore);
    run_options_free(&o);
    return status;
}

const struct command command_restore = {.name = "restore",
                                        .summary = "let a VM go on from a snapshot",
                                        .help = run_options_restore_help,
                                        .run = restore};
